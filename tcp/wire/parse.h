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
[[nodiscard]] Drop parse_segment(std::span<const std::byte> bytes, Ports& ports, SegmentIn& out);

/// The option list alone (RFC 9293 §3.2, MUST-4 to MUST-7). A kind with a bad length makes the
/// whole list malformed: false. Unknown kinds are stepped over; a window scale above 14 is read
/// as 14. For a kind that comes twice the last one counts.
[[nodiscard]] bool parse_options(std::span<const std::byte> bytes, Options& out);

}  // namespace millrace::tcp
