// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 9293 §3.10.7.4 (seventh check) for bytes out of order; RFC 2018 §4 for telling of them.
// Refuses what would break a bound rather than making room: the peer sends it again.
#include "tcp/connection/reassembly.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "tcp/connection/autotune.h"
#include "tcp/connection/send_queue.h"
#include "tcp/connection/unread.h"

namespace millrace::tcp {
namespace {

constexpr int kPageShift = 11;
static_assert((std::size_t{1} << kPageShift) == kBlockBytes);

using Range = Reassembly::Range;
using Table = Reassembly::Table;
using TablePages = std::array<std::uint32_t, kTablePages>;
static_assert(sizeof(TablePages) == sizeof(Block));

[[nodiscard]] std::uint32_t page_number(Seq s) { return s.raw() >> kPageShift; }
[[nodiscard]] std::uint32_t page_offset(Seq s) { return s.raw() & (kBlockBytes - 1); }
// The first byte behind the page that holds `s`.
[[nodiscard]] Seq page_end(Seq s) {
  return s + (static_cast<std::uint32_t>(kBlockBytes) - page_offset(s));
}

[[nodiscard]] std::uint16_t table_number(std::uint32_t page) {
  return static_cast<std::uint16_t>(page / kTablePages);
}
[[nodiscard]] Table& table_place(Reassembly& q, std::uint32_t page) {
  return q.tables[table_number(page) % kMaxTables];
}
[[nodiscard]] bool is_of(const Table& t, std::uint32_t page) {
  return t.block != kNil && t.number == table_number(page);
}
[[nodiscard]] std::uint32_t& entry_of(const Table& t, Stores& stores, std::uint32_t page) {
  auto& pages = *std::launder(reinterpret_cast<TablePages*>(stores.blocks[t.block].bytes.data()));
  return pages[page % kTablePages];
}

// The block of a page, kNil if it has none.
[[nodiscard]] std::uint32_t find_page(Reassembly& q, Stores& stores, std::uint32_t page) {
  const Table& t = table_place(q, page);
  return is_of(t, page) ? entry_of(t, stores, page) : kNil;
}

// A page that has none gets a block. The pool has enough, and the place of the table is free.
void add_page(Reassembly& q, Stores& stores, std::uint32_t page) {
  Table& t = table_place(q, page);
  if (t.block == kNil) {
    t = {stores.blocks.create(), table_number(page), 0};
    auto* pages = new (stores.blocks[t.block].bytes.data()) TablePages;
    pages->fill(kNil);
  }
  entry_of(t, stores, page) = stores.blocks.create();
  ++t.used;
  ++q.page_count;
}

// Takes a page out of its table; its block is the caller's.
std::uint32_t remove_page(Reassembly& q, Stores& stores, std::uint32_t page) {
  Table& t = table_place(q, page);
  const std::uint32_t block = std::exchange(entry_of(t, stores, page), kNil);
  --q.page_count;
  if (--t.used == 0) {
    stores.blocks.free(t.block);
    t.block = kNil;
  }
  return block;
}

// As many as the receive buffer has, if nothing says less. While memory is short it is what a
// buffer that nothing was measured of may hold.
[[nodiscard]] std::uint32_t page_limit(const ReceiveState& r, const Context& context) {
  constexpr std::uint32_t kShortBytes = 65'536;
  const std::uint32_t configured = context.config.reassembly_bytes;
  std::uint32_t bytes = r.buffer_bytes;
  if (configured != 0) bytes = std::min(bytes, configured);
  if (bytes > kShortBytes && memory_is_short(context.stores)) bytes = kShortBytes;
  // A window that begins and ends within a page touches one page more than its size says.
  return std::max(bytes / static_cast<std::uint32_t>(kBlockBytes) + 1, 2U);
}

// The first range that ends at or after `s`: the one that a segment at `s` touches or precedes.
[[nodiscard]] std::uint32_t first_reaching(const Reassembly& q, Seq s) {
  std::uint32_t low = 0;
  std::uint32_t high = q.range_count;
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    if (before(q.ranges[middle].right, s)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Copies [left, right) from `bytes`, which begin at `seq`, to their pages. Those exist.
void copy_hole(Reassembly& q, Stores& stores, Seq left, Seq right, Seq seq,
               std::span<const std::byte> bytes) {
  while (before(left, right)) {
    const Seq end = earlier_of(page_end(left), right);
    const std::uint32_t block = find_page(q, stores, page_number(left));
    std::memcpy(stores.blocks[block].bytes.data() + page_offset(left),
                bytes.data() + bytes_between(seq, left), bytes_between(left, end));
    left = end;
  }
}

// Blocks for every page of [left, right) that has none. False, and nothing changed, if a bound or
// the pool forbids it.
[[nodiscard]] bool provide_pages(Reassembly& q, Seq left, Seq right, std::uint32_t limit,
                                 Stores& stores) {
  std::uint32_t pages = 0;
  std::uint32_t tables = 0;
  std::uint32_t counted = kNil;  // the last table among them
  for (Seq s = left; before(s, right); s = page_end(s)) {
    const std::uint32_t page = page_number(s);
    const Table& t = table_place(q, page);
    if (t.block == kNil) {
      if (counted != table_number(page)) ++tables;
      counted = table_number(page);
      ++pages;
    } else if (t.number != table_number(page)) {
      return false;
    } else if (entry_of(t, stores, page) == kNil) {
      ++pages;
    }
  }
  if (pages == 0) return true;
  if (q.page_count + pages > limit) return false;
  if (pages + tables > stores.blocks.capacity() - stores.blocks.live()) return false;
  for (Seq s = left; before(s, right); s = page_end(s)) {
    const std::uint32_t page = page_number(s);
    if (find_page(q, stores, page) == kNil) add_page(q, stores, page);
  }
  return true;
}

// Puts `left` at the head of the latest arrivals. Those within `whole`, its range by now, say
// nothing more: what is remembered are different ranges, so that one burst does not push the
// others out.
void remember_recent(Reassembly& q, Seq left, const Range& whole) {
  std::array<Seq, kMaxSackBlocks> others;
  std::uint32_t n = 0;
  for (std::uint32_t i = 0; i < q.recent_count; ++i) {
    const bool inside = at_or_before(whole.left, q.recent[i]) && before(q.recent[i], whole.right);
    if (!inside && n < kMaxSackBlocks - 1) others[n++] = q.recent[i];
  }
  q.recent[0] = left;
  std::copy(others.begin(), others.begin() + n, q.recent.begin() + 1);
  q.recent_count = n + 1;
}

[[nodiscard]] bool ensure_reassembly(ReceiveState& r, Stores& stores) {
  if (r.reassembly != kNil) return true;
  r.reassembly = stores.blocks.create();
  if (r.reassembly == kNil) return false;
  new (stores.blocks[r.reassembly].bytes.data()) Reassembly{};
  return true;
}

// Fills the holes of [seq, right) and makes one range of it and of what it touches, which are the
// ranges from `first` up to `last`.
void merge(Reassembly& q, Stores& stores, std::uint32_t first, std::uint32_t last, Seq seq,
           Seq right, std::span<const std::byte> bytes) {
  Seq hole = seq;
  for (std::uint32_t i = first; i < last; ++i) {
    if (before(hole, q.ranges[i].left)) {
      copy_hole(q, stores, hole, earlier_of(q.ranges[i].left, right), seq, bytes);
    }
    hole = later_of(hole, q.ranges[i].right);
  }
  if (before(hole, right)) copy_hole(q, stores, hole, right, seq, bytes);
  if (first == last) {
    std::copy_backward(q.ranges.begin() + first, q.ranges.begin() + q.range_count,
                       q.ranges.begin() + q.range_count + 1);
    q.ranges[first] = {seq, right};
    ++q.range_count;
    return;
  }
  const Range whole{earlier_of(seq, q.ranges[first].left),
                    later_of(right, q.ranges[last - 1].right)};
  q.ranges[first] = whole;
  std::copy(q.ranges.begin() + last, q.ranges.begin() + q.range_count,
            q.ranges.begin() + first + 1);
  q.range_count -= last - first - 1;
}

void forget_if_empty(ReceiveState& r, Stores& stores) {
  if (reassembly_of(r, stores).range_count == 0) forget_out_of_order(r, stores);
}

// Gives back the pages of [left, right), which is no range any more, but for the last one if the
// first range lies in it as well.
void drop_pages(Reassembly& q, Stores& stores, Seq left, Seq right) {
  for (Seq s = left; before(s, right); s = page_end(s)) {
    const bool shared = q.range_count != 0 && before(q.ranges[0].left, page_end(s));
    const std::uint32_t page = page_number(s);
    if (shared || find_page(q, stores, page) == kNil) continue;
    stores.blocks.free(remove_page(q, stores, page));
  }
}

// Moves [left, right), all in one page, to the unread queue: the block itself where nothing else
// lies in it, a copy where something does. Returns how many bytes: fewer where blocks ran out.
[[nodiscard]] std::uint32_t move_to_unread(ReceiveState& r, Stores& stores, Seq left, Seq right,
                                           bool page_is_shared) {
  Reassembly& q = reassembly_of(r, stores);
  const std::uint32_t block = find_page(q, stores, page_number(left));
  const std::span<const std::byte> bytes =
      std::span(stores.blocks[block].bytes).subspan(page_offset(left), bytes_between(left, right));
  if (page_is_shared || bytes.size() < kBlockBytes / 4) {
    return static_cast<std::uint32_t>(append_unread(r, stores, bytes));
  }
  if (!append_unread_block(r, stores, block, bytes)) return 0;
  (void)remove_page(q, stores, page_number(left));
  return bytes_between(left, right);
}

}  // namespace

Reassembly& reassembly_of(const ReceiveState& r, Stores& stores) {
  return *std::launder(reinterpret_cast<Reassembly*>(stores.blocks[r.reassembly].bytes.data()));
}

SackBlock first_held(const ReceiveState& r, Seq left, Seq right, Stores& stores) {
  if (r.reassembly == kNil) return {left, left};
  const Reassembly& q = reassembly_of(r, stores);
  const std::uint32_t at = first_reaching(q, left + 1);
  if (at == q.range_count || !before(q.ranges[at].left, right)) return {left, left};
  return {later_of(left, q.ranges[at].left), earlier_of(right, q.ranges[at].right)};
}

bool keep_out_of_order(ReceiveState& r, Seq seq, std::span<const std::byte> bytes,
                       const Context& context) {
  Stores& stores = context.stores;
  if (!ensure_reassembly(r, stores)) return false;
  Reassembly& q = reassembly_of(r, stores);
  const Seq right = seq + static_cast<std::uint32_t>(bytes.size());
  const std::uint32_t first = first_reaching(q, seq);
  std::uint32_t last = first;
  while (last < q.range_count && at_or_before(q.ranges[last].left, right)) ++last;
  const bool room = first != last || q.range_count < kMaxRanges;
  if (!room || !provide_pages(q, seq, right, page_limit(r, context), stores)) {
    forget_if_empty(r, stores);
    return false;
  }
  merge(q, stores, first, last, seq, right, bytes);
  remember_recent(q, seq, q.ranges[first]);
  return true;
}

std::uint32_t absorb(ReceiveState& r, Seq rcv_nxt, Stores& stores) {
  Reassembly& q = reassembly_of(r, stores);
  if (q.range_count == 0 || after(q.ranges[0].left, rcv_nxt)) return 0;
  const auto [began, right] = q.ranges[0];
  const bool more = q.range_count > 1;
  const Seq next = more ? q.ranges[1].left : right;
  Seq left = rcv_nxt;
  bool moved = true;
  while (moved && before(left, right)) {
    const Seq end = earlier_of(page_end(left), right);
    const bool shared = more && end == right && before(next, page_end(left));
    // What was moved counts, though it be a part: it is in the queue, and must not come again.
    left += move_to_unread(r, stores, left, end, shared);
    moved = left == end;
  }
  std::copy(q.ranges.begin() + 1, q.ranges.begin() + q.range_count, q.ranges.begin());
  --q.range_count;
  drop_pages(q, stores, began, right);
  forget_if_empty(r, stores);
  return before(rcv_nxt, left) ? bytes_between(rcv_nxt, left) : 0;
}

void forget_out_of_order(ReceiveState& r, Stores& stores) {
  if (r.reassembly == kNil) return;
  Reassembly& q = reassembly_of(r, stores);
  while (q.range_count != 0) {
    const auto [left, right] = q.ranges[--q.range_count];
    for (Seq s = left; before(s, right); s = page_end(s)) {
      const std::uint32_t page = page_number(s);
      if (find_page(q, stores, page) != kNil) stores.blocks.free(remove_page(q, stores, page));
    }
  }
  stores.blocks.free(r.reassembly);
  r.reassembly = kNil;
}

std::uint8_t fill_sack(const ReceiveState& r, Stores& stores, std::size_t limit,
                       std::array<SackBlock, kMaxSackBlocks>& out) {
  if (r.reassembly == kNil) return 0;
  const Reassembly& q = reassembly_of(r, stores);
  std::uint8_t count = 0;
  const auto add = [&](const Range& range) {
    const SackBlock block{range.left, range.right};
    if (std::find(out.begin(), out.begin() + count, block) == out.begin() + count) {
      out[count++] = block;
    }
  };
  for (std::uint32_t i = 0; i < q.recent_count && count < limit; ++i) {
    const std::uint32_t at = first_reaching(q, q.recent[i] + 1);
    if (at == q.range_count || after(q.ranges[at].left, q.recent[i])) continue;
    add(q.ranges[at]);
  }
  // What the latest arrivals do not fill, the ranges next to the right edge do.
  for (std::uint32_t i = q.range_count; i > 0 && count < limit; --i) add(q.ranges[i - 1]);
  return count;
}

}  // namespace millrace::tcp
