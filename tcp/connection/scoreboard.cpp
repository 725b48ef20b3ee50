// SPDX-License-Identifier: BSD-3-Clause
//
// Pieces lie in slots that run through the blocks; the first block goes when its slots have been
// left behind, so that acknowledging the head costs nothing for the rest.
#include "tcp/connection/scoreboard.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "tcp/base/check.h"

namespace millrace::tcp {
namespace {

static_assert(kPiecesPerBlock * sizeof(Piece) == kBlockBytes);

[[nodiscard]] std::uint32_t length_of(const Piece& p) { return bytes_between(p.first, p.end); }

/// The number of pieces that end at `seq` or before.
[[nodiscard]] std::uint32_t pieces_before(Scoreboard& b, Stores& stores, Seq seq) {
  std::uint32_t low = 0;
  std::uint32_t high = b.count;
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    if (after(piece_at(b, stores, middle).end, seq)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

[[nodiscard]] bool grow(Scoreboard& b, Stores& stores) {
  if (b.head + b.count < b.block_count * kPiecesPerBlock) return true;
  if (b.block_count == kPieceBlocks) return false;
  const std::uint32_t block = stores.blocks.create();
  if (block == kNil) return false;
  b.blocks[b.block_count++] = block;
  return true;
}

/// One slot at `i`; false if there is none to be had.
[[nodiscard]] bool insert(Scoreboard& b, Stores& stores, std::uint32_t i, const Piece& piece) {
  if (b.head != 0 && i < b.count / 2) {
    --b.head;
    ++b.count;
    for (std::uint32_t k = 0; k < i; ++k) piece_at(b, stores, k) = piece_at(b, stores, k + 1);
  } else {
    if (!grow(b, stores)) return false;
    ++b.count;
    for (std::uint32_t k = b.count - 1; k > i; --k) {
      piece_at(b, stores, k) = piece_at(b, stores, k - 1);
    }
  }
  piece_at(b, stores, i) = piece;
  return true;
}

void free_unused_blocks(Scoreboard& b, Stores& stores) {
  if (b.count == 0) b.head = 0;
  while (b.head >= kPiecesPerBlock) {
    stores.blocks.free(b.blocks[0]);
    std::copy(b.blocks.begin() + 1, b.blocks.begin() + b.block_count, b.blocks.begin());
    --b.block_count;
    b.head -= kPiecesPerBlock;
  }
  while (b.block_count != 0 && b.head + b.count <= (b.block_count - 1) * kPiecesPerBlock) {
    stores.blocks.free(b.blocks[--b.block_count]);
  }
}

/// Pieces [i, j) go.
void erase(Scoreboard& b, Stores& stores, std::uint32_t i, std::uint32_t j) {
  const std::uint32_t n = j - i;
  if (n == 0) return;
  if (i < b.count - j) {
    for (std::uint32_t k = i; k > 0; --k) {
      piece_at(b, stores, k - 1 + n) = piece_at(b, stores, k - 1);
    }
    b.head += n;
  } else {
    for (std::uint32_t k = j; k < b.count; ++k) {
      piece_at(b, stores, k - n) = piece_at(b, stores, k);
    }
  }
  b.count -= n;
  free_unused_blocks(b, stores);
}

/// Takes `bytes` of a piece with its flags out of the sums.
void discount(Scoreboard& b, const Piece& p, std::uint32_t bytes) {
  if (p.lost) b.lost_bytes -= bytes;
  if (p.retransmitted) b.retransmitted_bytes -= bytes;
}

void tell_once(const Scoreboard& b, Seq first, Seq end, Delivered& out) {
  out.bytes += bytes_between(first, end);
  out.once_first = out.once ? earlier_of(out.once_first, first) : first;
  out.once_end = out.once ? later_of(out.once_end, end) : end;
  out.once = true;
  if (before(end, b.high_sacked)) out.reordered = true;
}

/// [first, end) of `p` has been delivered.
void tell(const Scoreboard& b, const Piece& p, Seq first, Seq end, Stamp now, Delivered& out) {
  if (!p.ever) return tell_once(b, first, end, out);
  out.bytes += bytes_between(first, end);
  if (!p.retransmitted) return;  // the copy was given up, or this is it: no telling
  if (!out.again || now - p.sent <= out.again_age) {
    out.again_age = now - p.sent;
    out.again_end = end;
  }
  out.again = true;
}

/// Everything up to `seq` is told by pieces. False if there is no room.
[[nodiscard]] bool cover(Scoreboard& b, Stores& stores, Seq seq) {
  if (!before(b.covered, seq)) return true;
  if (b.count != 0) {
    Piece& last = piece_at(b, stores, b.count - 1);
    if (last.end == b.covered && !last.lost && !last.ever) {
      last.end = b.covered = seq;
      return true;
    }
  }
  if (!insert(b, stores, b.count, {b.covered, seq})) return false;
  b.covered = seq;
  return true;
}

/// Piece `i` ends at `seq`, which is inside it, and another like it begins there.
[[nodiscard]] bool split(Scoreboard& b, Stores& stores, std::uint32_t i, Seq seq) {
  Piece rest = piece_at(b, stores, i);
  rest.first = seq;
  if (!insert(b, stores, i + 1, rest)) return false;
  piece_at(b, stores, i).end = seq;
  return true;
}

/// The part of the pieces that lies in [left, right) has been delivered.
void take_out(Scoreboard& b, Seq left, Seq right, Stamp now, Stores& stores, bool sacked,
              Delivered& out) {
  std::uint32_t i = pieces_before(b, stores, left);
  if (i < b.count) {
    const Piece& p = piece_at(b, stores, i);
    const bool inside = before(p.first, left) && after(p.end, left);
    if (inside && !split(b, stores, i, left)) return;
    if (inside) ++i;
  }
  std::uint32_t j = i;
  for (; j < b.count; ++j) {
    Piece& p = piece_at(b, stores, j);
    if (!before(p.first, right)) break;
    const Seq end = earlier_of(p.end, right);
    const std::uint32_t bytes = bytes_between(p.first, end);
    tell(b, p, p.first, end, now, out);
    discount(b, p, bytes);
    if (sacked) b.sacked_bytes += bytes;
    if (end != p.end) {
      p.first = end;
      break;
    }
  }
  erase(b, stores, i, j);
}

}  // namespace

void start_scoreboard(Scoreboard& board, Seq una) {
  board.covered = board.high_sacked = board.lost_before = board.resend_from = una;
}

void clear_scoreboard(Scoreboard& board, Stores& stores) {
  while (board.block_count != 0) stores.blocks.free(board.blocks[--board.block_count]);
  board.count = board.head = 0;
}

void sack_range(Scoreboard& board, Seq left, Seq right, Stamp now, Stores& stores, Delivered& out) {
  if (before(board.covered, right)) {
    const Seq fresh = later_of(left, board.covered);
    if (!cover(board, stores, fresh)) return;
    tell_once(board, fresh, right, out);
    board.sacked_bytes += bytes_between(fresh, right);
    const Seq rest = fresh;
    board.covered = right;
    if (before(left, rest)) take_out(board, left, rest, now, stores, true, out);
  } else {
    take_out(board, left, right, now, stores, true, out);
  }
}

void advance_scoreboard(Scoreboard& board, Seq una, Seq ack, Stamp now, Stores& stores,
                        Delivered& out) {
  if (!after(ack, una)) return;
  const Seq told = earlier_of(ack, board.covered);
  const std::uint32_t before_this = out.bytes;
  if (before(una, told)) {
    take_out(board, una, told, now, stores, false, out);
    const std::uint32_t fresh = out.bytes - before_this;
    board.sacked_bytes -= bytes_between(una, told) - fresh;
  }
  if (after(ack, board.covered)) {
    tell_once(board, board.covered, ack, out);
    board.covered = ack;
  }
  board.high_sacked = later_of(board.high_sacked, ack);
  board.lost_before = later_of(board.lost_before, ack);
  board.resend_from = later_of(board.resend_from, ack);
}

bool mark_lost_before(Scoreboard& board, Seq edge, Stores& stores, LostText* told) {
  if (!before(board.lost_before, edge) || !cover(board, stores, edge)) return false;
  bool any = false;
  for (std::uint32_t i = pieces_before(board, stores, board.lost_before); i < board.count; ++i) {
    Piece& p = piece_at(board, stores, i);
    if (!before(p.first, edge)) break;
    if (p.lost || p.retransmitted) continue;
    if (before(edge, p.end) && !split(board, stores, i, edge)) return any;
    Piece& lost = piece_at(board, stores, i);
    lost.lost = true;
    if (told != nullptr) told->add(lost, false);
    board.lost_bytes += length_of(lost);
    board.resend_from = earlier_of(board.resend_from, lost.first);
    any = true;
  }
  board.lost_before = edge;
  return any;
}

bool sent_once_between(Scoreboard& board, Seq from, Seq to, Stores& stores) {
  if (after(to, board.covered)) return true;
  for (std::uint32_t i = pieces_before(board, stores, from); i < board.count; ++i) {
    const Piece& p = piece_at(board, stores, i);
    if (!before(p.first, to)) return false;
    if (!p.lost && !p.retransmitted) return true;
  }
  return false;
}

void forgive_losses(Scoreboard& board, Seq una, Stores& stores) {
  for (std::uint32_t i = 0; i < board.count; ++i) {
    Piece& p = piece_at(board, stores, i);
    p.lost = false;
  }
  board.lost_bytes = 0;
  board.lost_before = una;
}

void forget_sacks(Scoreboard& board, Seq una, Stores& stores) {
  const Seq end = board.covered;
  clear_scoreboard(board, stores);
  board.sacked_bytes = board.lost_bytes = board.retransmitted_bytes = 0;
  start_scoreboard(board, una);
  (void)mark_lost_before(board, end, stores);
}

std::optional<Piece> next_to_resend(Scoreboard& board, Stores& stores) {
  if (board.lost_bytes == 0) return std::nullopt;
  for (std::uint32_t i = pieces_before(board, stores, board.resend_from); i < board.count; ++i) {
    const Piece& p = piece_at(board, stores, i);
    if (p.lost && !p.retransmitted) return p;
  }
  return std::nullopt;
}

void note_resent(Scoreboard& board, Seq first, Seq end, Stamp at, Stores& stores) {
  if (!cover(board, stores, end)) return;
  std::uint32_t i = pieces_before(board, stores, first);
  if (i == board.count) return;
  if (before(piece_at(board, stores, i).first, first) && split(board, stores, i, first)) ++i;
  if (after(piece_at(board, stores, i).end, end)) (void)split(board, stores, i, end);
  // Where there was no room to split, all of the piece counts as sent: else it would go for ever.
  Piece& p = piece_at(board, stores, i);
  if (p.retransmitted) {
    p.sent = at;
    return;
  }
  p.retransmitted = p.ever = true;
  p.sent = at;
  board.retransmitted_bytes += length_of(p);
  if (p.lost) board.resend_from = later_of(board.resend_from, p.end);
  if (i == 0) return;
  Piece& previous = piece_at(board, stores, i - 1);
  const bool alike = previous.end == p.first && previous.retransmitted && previous.sent == at &&
                     previous.lost == p.lost;
  if (!alike) return;
  previous.end = p.end;
  erase(board, stores, i, i + 1);
}

bool begins_sacked(Scoreboard& board, Seq una, Stores& stores) {
  if (board.sacked_bytes == 0) return false;
  if (board.count == 0) return true;
  return piece_at(board, stores, 0).first != una;
}

}  // namespace millrace::tcp
