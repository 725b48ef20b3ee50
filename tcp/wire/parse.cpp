// SPDX-License-Identifier: BSD-3-Clause
//
// TCP header and option list to SegmentIn (RFC 9293 §3.1, §3.2; RFC 7323 §2.2, §3.2; RFC 2018 §2,
// §3). Options that we do not use (TCP-AO, MD5, Fast Open, anything unknown) are stepped over by
// their length. Reserved bits are ignored, as RFC 9293 §3.1 asks.
#include "tcp/wire/parse.h"

#include <algorithm>

#include "tcp/wire/bytes.h"

namespace millrace::tcp {
namespace {

enum OptionKind : std::uint8_t {
  kEnd = 0,
  kNop = 1,
  kMaximumSegmentSize = 2,
  kScale = 3,
  kSackAllowed = 4,
  kSack = 5,
  kTimestamp = 8,
};

void read_timestamps(const std::byte* value, Options& out) {
  out.has |= Options::kTimestamps;
  out.tsval = load_be32(value);
  out.tsecr = load_be32(value + 4);
}

[[nodiscard]] bool read_sack(const std::byte* value, std::size_t bytes, Options& out) {
  if (bytes == 0 || bytes % 8 != 0 || bytes > 8 * kMaxSackBlocks) return false;
  out.sack_count = static_cast<std::uint8_t>(bytes / 8);
  for (std::size_t i = 0; i < out.sack_count; ++i) {
    out.sack[i] = {Seq(load_be32(value + 8 * i)), Seq(load_be32(value + 8 * i + 4))};
  }
  return true;
}

/// One option other than END and NOP, its value `bytes` long. False if that length is wrong.
[[nodiscard]] bool read_option(std::uint8_t kind, const std::byte* value, std::size_t bytes,
                               Options& out) {
  switch (kind) {
    case kMaximumSegmentSize:
      if (bytes != 2) return false;
      out.has |= Options::kMss;
      out.mss = load_be16(value);
      return true;
    case kScale:
      if (bytes != 1) return false;
      out.has |= Options::kWindowScale;
      out.window_scale = std::min(load_u8(value), kMaxWindowScale);
      return true;
    case kSackAllowed:
      out.has |= Options::kSackPermitted;
      return bytes == 0;
    case kSack:
      return read_sack(value, bytes, out);
    case kTimestamp:
      if (bytes != 8) return false;
      read_timestamps(value, out);
      return true;
    default:  // a number from the wire, not an enum of ours
      return true;
  }
}

}  // namespace

bool parse_options(std::span<const std::byte> bytes, Options& out) {
  out.has = 0;
  out.sack_count = 0;
  const std::byte* p = bytes.data();
  const std::byte* const end = p + bytes.size();
  while (p != end) {
    const std::uint8_t kind = load_u8(p);
    if (kind == kEnd) break;
    if (kind == kNop) {
      ++p;
      continue;
    }
    if (end - p < 2) return false;
    const std::uint8_t length = load_u8(p + 1);
    if (length < 2 || length > end - p) return false;
    if (!read_option(kind, p + 2, length - std::size_t{2}, out)) return false;
    p += length;
  }
  return true;
}

Drop detail::parse_unusual_options(std::span<const std::byte> bytes, std::size_t header,
                                   SegmentIn& out) {
  const auto options = bytes.subspan(kFixedHeaderBytes, header - kFixedHeaderBytes);
  return parse_options(options, out.options) ? Drop::none : Drop::tcp_bad_options;
}

}  // namespace millrace::tcp
