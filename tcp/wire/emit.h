// SPDX-License-Identifier: BSD-3-Clause
//
// SegmentOut to the bytes of a TCP header (RFC 9293 §3.1). The layout of options is the usual one
// (NOP NOP TS first on established segments), so that peers' fast paths match. Payload is the
// caller's to copy or attach; the checksum field is left zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/wire/bytes.h"
#include "tcp/wire/checksum.h"
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

inline constexpr std::size_t kTimestampedHeaderBytes = 32;

/// Whether timestamps are the only option: the header of nearly every segment.
[[nodiscard]] inline bool is_timestamped(const SegmentOut& segment) {
  return segment.options.has == Options::kTimestamps && segment.options.sack_count == 0;
}

/// Writes the header of such a segment with its checksum. `sum` is that of pseudo-header and
/// payload.
inline void emit_timestamped(const SegmentOut& segment, std::uint64_t sum, std::byte* out) {
  constexpr std::uint64_t kOptionWord = 0x0a08'0101;  // NOP NOP TS 10, as they lie in memory
  const std::uint64_t ports = std::uint64_t{segment.tuple.local_port} << 48 |
                              std::uint64_t{segment.tuple.remote_port} << 32;
  const std::uint64_t control = std::uint64_t{kTimestampedHeaderBytes << 26} |
                                std::uint64_t{segment.flags.bits} << 16 | segment.window;
  const std::uint64_t stamps = std::uint64_t{segment.options.tsval} << 32 | segment.options.tsecr;
  const std::uint64_t first = __builtin_bswap64(ports | segment.seq.raw());
  const std::uint64_t second = __builtin_bswap64(std::uint64_t{segment.ack.raw()} << 32 | control);
  const std::uint64_t fourth = __builtin_bswap64(stamps);
  sum = checksum_add_words(sum, first, second, kOptionWord, fourth);
  store_raw(out, first);
  store_raw(out + 8, second);
  store_raw(out + 16, std::uint64_t{checksum_finish(sum)} | kOptionWord << 32);
  store_raw(out + 24, fourth);
}

}  // namespace millrace::tcp
