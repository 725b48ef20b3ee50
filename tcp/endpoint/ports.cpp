// SPDX-License-Identifier: BSD-3-Clause
//
// Cells, hints and fruitless rounds of ephemeral port selection. The search itself is in the
// header.
#include "tcp/endpoint/ports.h"

#include <algorithm>
#include <bit>

#include "tcp/base/check.h"
#include "tcp/endpoint/tuple_hash.h"

namespace millrace::tcp {

EphemeralPorts::EphemeralPorts(SipKey key, std::uint16_t first, std::uint16_t last,
                               std::uint32_t cells)
    : key_(key), first_(first), count_(std::uint32_t{last} - first + 1) {
  MR_CHECK(first >= 1 && first <= last);
  cells_.resize(std::bit_ceil(std::max<std::uint32_t>(cells, 1)));
  // RFC 6056 §3.3.4: counters begin at random, or the first port of each cell would tell the hash.
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const std::uint64_t word[] = {i};
    cells_[i].next = static_cast<std::uint32_t>(siphash_words<2, 4>(key, word));
  }
}

std::uint64_t EphemeralPorts::hash_of(const FourTuple& tuple) {
  // The last bytes of the addresses: those in which the hosts of one network differ.
  const std::uint64_t ends = (tuple.local.words().low ^ tuple.remote.words().low) >> 56;
  Memo& memo = memos_[(ends ^ tuple.remote_port) % kMemos];
  if (memo.remote_port == tuple.remote_port && memo.local == tuple.local &&
      memo.remote == tuple.remote) {
    return memo.hash;
  }
  FourTuple destination = tuple;
  destination.local_port = 0;
  memo = {tuple.local, tuple.remote, tuple.remote_port, tuple_siphash<2, 4>(key_, destination)};
  return memo.hash;
}

EphemeralPorts::Spot EphemeralPorts::spot(const FourTuple& tuple) {
  const std::uint64_t hash = hash_of(tuple);
  // Halves of one keyed hash: the low one is where this destination begins, the high one names
  // its cell. The cell's own bits are not part of the beginning.
  const auto begin = static_cast<std::uint32_t>(hash);
  const auto high = static_cast<std::uint32_t>(hash >> 32);
  Cell& cell = cells_[high & (cells_.size() - 1)];
  return {cell, (begin % count_ + cell.next % count_) % count_, begin ^ high};
}

std::uint32_t EphemeralPorts::allowance(const Spot& s) const {
  const bool tired = s.cell.owner == s.owner && s.cell.fruitless >= count_;
  return std::min(tired ? kTiredSteps : kMaxSteps, count_);
}

bool EphemeralPorts::take_hint(const Spot& s, std::uint16_t& port) {
  Cell& cell = s.cell;
  if (cell.owner != s.owner || cell.hint_count == 0) return false;
  port = cell.hints[cell.hint_begin];
  cell.hint_begin = static_cast<std::uint8_t>((cell.hint_begin + 1U) % kHints);
  --cell.hint_count;
  return true;
}

void EphemeralPorts::remember(const FourTuple& tuple) {
  if (!contains(tuple.local_port)) return;
  const Spot s = spot(tuple);
  Cell& cell = s.cell;
  if (cell.owner != s.owner || cell.fruitless == 0) return;
  if (cell.hint_count == kHints) {
    // More were given back than can be remembered: a walk finds them again.
    cell.fruitless = 1;
    return;
  }
  cell.hints[(cell.hint_begin + cell.hint_count) % kHints] = tuple.local_port;
  ++cell.hint_count;
}

void EphemeralPorts::note_success(const Spot& s, std::uint16_t port) {
  Cell& cell = s.cell;
  if (cell.fruitless == 0 || cell.owner != s.owner) return;
  if (cell.fruitless >= count_) {
    // The range was full: if this port is one that was given back since, all others still are
    // taken.
    for (std::size_t i = 0; i < cell.hint_count; ++i) {
      std::uint16_t& hint = cell.hints[(cell.hint_begin + i) % kHints];
      if (hint != port) continue;
      hint = cell.hints[cell.hint_begin];
      cell.hint_begin = static_cast<std::uint8_t>((cell.hint_begin + 1U) % kHints);
      --cell.hint_count;
      return;
    }
  }
  cell.fruitless = 0;
  cell.hint_count = 0;
  --short_cells_;
}

void EphemeralPorts::note_failure(const Spot& s, PortChoice& choice) {
  Cell& cell = s.cell;
  if (cell.fruitless == 0) ++short_cells_;
  if (cell.fruitless == 0 || cell.owner != s.owner) {
    cell.owner = s.owner;
    cell.fruitless = 0;
    cell.hint_count = 0;
    cell.saw_time_wait = cell.saw_before = false;
  }
  cell.fruitless += choice.passed;
  cell.saw_time_wait = cell.saw_time_wait || choice.time_wait;
  choice.time_wait = cell.saw_time_wait || cell.saw_before;
  choice.whole_round = cell.fruitless >= count_;
  if (cell.fruitless >= 2 * count_) {
    cell.fruitless = count_;
    cell.saw_before = std::exchange(cell.saw_time_wait, false);
  }
}

}  // namespace millrace::tcp
