// SPDX-License-Identifier: BSD-3-Clause
//
// TCP header and option list to SegmentIn (RFC 9293 §3.1, §3.2; RFC 7323 §2.2, §3.2; RFC 2018 §2,
// §3; RFC 7413 §4.1.1). Options that we do not use (TCP-AO, MD5, anything unknown) are stepped over
// by their length; so is a Fast Open cookie of a length that none has, and the experimental form of
// that option (kind 254). Reserved bits are ignored, as RFC 9293 §3.1 asks.
#include "tcp/wire/parse.h"

#include <algorithm>

#include "tcp/wire/bytes.h"

namespace millrace::tcp {
namespace {

constexpr std::size_t kFixedHeaderBytes = 20;

enum OptionKind : std::uint8_t {
  kEnd = 0,
  kNop = 1,
  kMaximumSegmentSize = 2,
  kScale = 3,
  kSackAllowed = 4,
  kSack = 5,
  kTimestamp = 8,
  kFastOpenCookie = 34,
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

/// A request, or a cookie; what is neither is as if it were not there (RFC 7413 §4.1.1).
[[gnu::cold, gnu::noinline]] void read_fast_open(const std::byte* value, std::size_t bytes,
                                                 Options& out) {
  const bool cookie = bytes >= kMinCookieBytes && bytes <= kMaxCookieBytes && bytes % 2 == 0;
  if (bytes != 0 && !cookie) return;
  out.has |= Options::kFastOpen;
  out.cookie_bytes = static_cast<std::uint8_t>(bytes);
  std::copy_n(value, bytes, out.cookie.begin());
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
    case kFastOpenCookie:
      read_fast_open(value, bytes, out);
      return true;
    default:  // a number from the wire, not an enum of ours
      return true;
  }
}

/// What a SYN and its answer carry, in the order in which Linux and we write it:
///   MSS 4 | SACK-permitted 2, TS 10 | NOP, WS 3
[[nodiscard]] bool is_usual_syn(std::span<const std::byte> bytes) {
  const std::byte* const p = bytes.data();
  return bytes.size() == 20 && load_be16(p) == 0x0204 && load_be32(p + 4) == 0x0402'080a &&
         load_be32(p + 16) >> 8 == 0x01'0303;
}
void read_usual_syn(const std::byte* p, Options& out) {
  out.has = Options::kMss | Options::kSackPermitted | Options::kWindowScale;
  out.sack_count = 0;
  out.mss = load_be16(p + 2);
  read_timestamps(p + 8, out);
  out.window_scale = std::min(load_u8(p + 19), kMaxWindowScale);
}

// Out of line, so that what is usual needs none of its registers.
[[gnu::noinline]] bool read_list(std::span<const std::byte> bytes, Options& out) {
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

}  // namespace

bool parse_options(std::span<const std::byte> bytes, Options& out) {
  if (!is_usual_syn(bytes)) return read_list(bytes, out);
  read_usual_syn(bytes.data(), out);
  return true;
}

Drop detail::parse_unusual(std::span<const std::byte> bytes, Ports& ports, SegmentIn& out) {
  if (bytes.size() < kFixedHeaderBytes) return Drop::tcp_truncated;
  const std::byte* const p = bytes.data();
  const std::size_t header = (load_u8(p + 12) >> 2) & 0x3cU;
  if (header < kFixedHeaderBytes || header > bytes.size()) return Drop::tcp_bad_offset;
  ports.source = load_be16(p);
  ports.destination = load_be16(p + 2);
  if (ports.source == 0 || ports.destination == 0) return Drop::tcp_bad_ports;

  out.seq = Seq(load_be32(p + 4));
  out.ack = Seq(load_be32(p + 8));
  out.flags.bits = load_u8(p + 13);
  out.window = load_be16(p + 14);
  out.urgent = load_be16(p + 18);
  out.payload = bytes.subspan(header);
  const auto options = bytes.subspan(kFixedHeaderBytes, header - kFixedHeaderBytes);
  return parse_options(options, out.options) ? Drop::none : Drop::tcp_bad_options;
}

}  // namespace millrace::tcp
