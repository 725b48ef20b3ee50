// SPDX-License-Identifier: BSD-3-Clause
//
// Wire bytes to SegmentIn (RFC 9293 §3.1, §3.2). Any bytes at all give either a legal segment or
// one drop reason; options are walked in at most 40 steps. The checksum is not judged here: it
// needs the pseudo-header, and often the device has judged it already (wire/checksum.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/base/drop.h"
#include "tcp/wire/bytes.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

struct Ports {
  std::uint16_t source = 0;
  std::uint16_t destination = 0;
};

/// `bytes` is the TCP header and its payload, exactly as long as the IP header says. On Drop::none
/// `out` and `ports` are complete but for `out.ecn`, which is the IP header's to tell; on any other
/// value they are unspecified.
/// Drops: tcp_truncated, tcp_bad_offset, tcp_bad_options, tcp_bad_ports.
[[nodiscard, gnu::always_inline]] inline Drop parse_segment(std::span<const std::byte> bytes,
                                                            Ports& ports, SegmentIn& out);

/// The option list alone (RFC 9293 §3.2, MUST-4 to MUST-7). A kind with a bad length makes the
/// whole list malformed: false. Unknown kinds are stepped over; a window scale above 14 is read
/// as 14. For a kind that comes twice the last one counts.
[[nodiscard]] bool parse_options(std::span<const std::byte> bytes, Options& out);

namespace detail {
/// Everything but the header that nearly every segment has.
[[nodiscard]] Drop parse_unusual(std::span<const std::byte> bytes, Ports& ports, SegmentIn& out);
}  // namespace detail

inline Drop parse_segment(std::span<const std::byte> bytes, Ports& ports, SegmentIn& out) {
  // The layout of RFC 7323, appendix A, and nothing else: NOP NOP TS 10 behind the fixed part, as
  // they lie in memory, read as one little-endian word.
  constexpr std::size_t kBytes = 32;
  constexpr std::uint32_t kAlignedTimestamp = 0x0a08'0101;
  const std::byte* const p = bytes.data();
  if (bytes.size() < kBytes || (load_u8(p + 12) & 0xf0U) != kBytes << 2 ||
      load_raw<std::uint32_t>(p + 20) != kAlignedTimestamp) [[unlikely]] {
    return detail::parse_unusual(bytes, ports, out);
  }
  ports.source = load_be16(p);
  ports.destination = load_be16(p + 2);
  out.seq = Seq(load_be32(p + 4));
  out.ack = Seq(load_be32(p + 8));
  out.flags.bits = load_u8(p + 13);
  out.window = load_be16(p + 14);
  out.urgent = load_be16(p + 18);
  out.payload = {p + kBytes, bytes.size() - kBytes};
  out.options.has = Options::kTimestamps;
  out.options.sack_count = 0;
  out.options.tsval = load_be32(p + 24);
  out.options.tsecr = load_be32(p + 28);
  return ports.source != 0 && ports.destination != 0 ? Drop::none : Drop::tcp_bad_ports;
}

}  // namespace millrace::tcp
