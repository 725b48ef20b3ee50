// SPDX-License-Identifier: BSD-3-Clause
//
// SegmentOut to the bytes of a TCP header (RFC 9293 §3.1). The layout of options is the usual one
// (NOP NOP TS first on established segments), so that peers' fast paths match. Payload is the
// caller's to copy or attach; the checksum field is left zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/wire/segment.h"

namespace millrace::tcp {

inline constexpr std::size_t kMinHeaderBytes = 20;
inline constexpr std::size_t kMaxHeaderBytes = 60;

/// Bytes that `options` take, padding included: a multiple of 4, at most 40. SACK blocks that would
/// not fit are left out by both functions alike (with timestamps, three fit).
[[nodiscard]] std::size_t options_bytes(const Options& options);

/// Header length in bytes for `segment`: 20 to 60.
[[nodiscard]] inline std::size_t header_bytes(const SegmentOut& segment) {
  return kMinHeaderBytes + options_bytes(segment.options);
}

/// Writes the header; `out` holds at least header_bytes(segment). Returns the bytes written.
std::size_t emit_header(const SegmentOut& segment, std::byte* out);

}  // namespace millrace::tcp
