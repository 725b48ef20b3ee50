// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes that arrived before their turn (RFC 9293 §3.4, §3.10.7.4 seventh check) and the SACK blocks
// that tell of them (RFC 2018 §4).
//
// Storage is by place, not by segment: the sequence space is cut into pages of one Block each, a
// page gets its block with its first byte, and every byte goes to its own place in its page. So a
// thousand segments of one byte in one page cost one block, memory per connection is bounded by a
// number of pages whatever the pattern, and nothing is ever moved. The pages of a megabyte of
// sequence space lie in a table, which is a block as well, so that a byte is found in two steps in
// the largest window. At most kMaxRanges ranges, sorted and disjoint; work is bounded by their
// number and by the bytes that arrive.
//
// The byte that was accepted first wins, in every order of arrival: what a page holds is never
// overwritten, and segments in order are cut where stored bytes begin (text.cpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/connection/connection.h"
#include "tcp/connection/context.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

inline constexpr std::uint32_t kMaxRanges = 64;
inline constexpr std::uint32_t kTablePages = kBlockBytes / sizeof(std::uint32_t);
// What lies 126 MiB apart need not be held at once.
inline constexpr std::uint32_t kMaxTables = 128;

struct Reassembly {
  struct Range {
    Seq left;
    Seq right;  // the byte after its last
  };
  /// kTablePages indices of blocks, kNil where there is none.
  struct Table {
    std::uint32_t block = kNil;
    std::uint16_t number = 0;  // sequence number >> 20
    std::uint16_t used = 0;
  };

  std::uint32_t range_count = 0;
  std::uint32_t page_count = 0;
  std::array<Seq, kMaxSackBlocks> recent;  // left edges of the latest arrivals, latest first,
                                           // one a range
  std::uint32_t recent_count = 0;
  std::array<Range, kMaxRanges> ranges;
  std::array<Table, kMaxTables> tables;  // each at its number, modulo kMaxTables
};
static_assert(sizeof(Reassembly) <= kBlockBytes);

/// The Reassembly of `r`; only if r.reassembly is not kNil.
[[nodiscard]] Reassembly& reassembly_of(const ReceiveState& r, Stores& stores);

/// Keeps `bytes`, which begin at `seq` after RCV.NXT and lie in the window. False if a bound or a
/// pool forbids it; then nothing has changed.
[[nodiscard]] bool keep_out_of_order(ReceiveState& r, Seq seq, std::span<const std::byte> bytes,
                                     const Context& context);

/// The first stretch of [left, right) that is kept already; empty if there is none.
[[nodiscard]] SackBlock first_held(const ReceiveState& r, Seq left, Seq right, Stores& stores);

/// Moves what has become contiguous with `rcv_nxt` to the unread queue and returns how many bytes.
/// Where memory for that is missing the range is forgotten: SACK is only advice (RFC 2018 §8).
[[nodiscard]] std::uint32_t absorb(ReceiveState& r, Seq rcv_nxt, Stores& stores);

/// Forgets everything that is out of order.
void forget_out_of_order(ReceiveState& r, Stores& stores);

/// Blocks for the next ACK (RFC 2018 §4): first the range of the latest arrival, then those of the
/// arrivals before it, then others, as many as there are and fit. At most `limit`; returns how
/// many.
[[nodiscard]] std::uint8_t fill_sack(const ReceiveState& r, Stores& stores, std::size_t limit,
                                     std::array<SackBlock, kMaxSackBlocks>& out);

}  // namespace millrace::tcp
