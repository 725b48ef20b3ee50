// SPDX-License-Identifier: BSD-3-Clause
//
// SegmentOut to a TCP header. Options stand where most stacks put them, each on a word of its own:
//   MSS | SACK-permitted TS, or NOP NOP TS, or NOP NOP SACK-permitted | NOP WS | Fast Open, NOPs |
//   NOP NOP SACK
// so that the list needs no END and its length is always a multiple of four.
#include "tcp/wire/emit.h"

#include <algorithm>

#include "tcp/wire/bytes.h"

namespace millrace::tcp {
namespace {

constexpr std::size_t kMaxOptionBytes = kMaxHeaderBytes - kMinHeaderBytes;
constexpr std::size_t kSackHeadBytes = 4;
constexpr std::size_t kSackBlockBytes = 8;

// The first word of each option with its padding, in wire order.
constexpr std::uint32_t kMssWord = 0x0204'0000;  // the value in the low half
constexpr std::uint32_t kPaddedTimestampsWord = 0x0101'080a;
constexpr std::uint32_t kSackPermittedTimestampsWord = 0x0402'080a;
constexpr std::uint32_t kSackPermittedWord = 0x0101'0402;
constexpr std::uint32_t kWindowScaleWord = 0x0103'0300;  // the shift in the low byte
constexpr std::uint32_t kNops = 0x0101'0101;
constexpr std::uint8_t kFastOpenKind = 34;
constexpr std::uint32_t kSackWord = 0x0101'0500;  // the length in the low byte

/// With padding: 20 at most, which is what the other options of a SYN leave.
[[nodiscard]] std::size_t fast_open_bytes(const Options& o) {
  return (std::size_t{o.cookie_bytes} + 2 + 3) & ~std::size_t{3};
}

/// Bytes of everything but SACK blocks.
[[nodiscard]] std::size_t fixed_bytes(const Options& o) {
  std::size_t bytes = o.has_mss() ? 4 : 0;
  bytes += o.has_timestamps() ? 12 : o.has_sack_permitted() ? 4 : 0;
  bytes += o.has_window_scale() ? 4 : 0;
  if (o.has_fast_open()) [[unlikely]]
    bytes += fast_open_bytes(o);
  return bytes;
}

[[nodiscard]] std::size_t blocks_that_fit(const Options& o, std::size_t fixed) {
  // Without a Fast Open option, which blocks never come with, at most 20 bytes are taken by now, so
  // there is room for a head and two blocks at least.
  if (fixed + kSackHeadBytes > kMaxOptionBytes) return 0;
  return std::min<std::size_t>(o.sack_count,
                               (kMaxOptionBytes - fixed - kSackHeadBytes) / kSackBlockBytes);
}

[[nodiscard]] std::byte* put(std::byte* p, std::uint32_t word) {
  store_be32(p, word);
  return p + 4;
}

[[nodiscard]] std::byte* put_timestamps(std::byte* p, std::uint32_t head, const Options& o) {
  p = put(p, head);
  p = put(p, o.tsval);
  return put(p, o.tsecr);
}

[[nodiscard]] std::byte* put_fast_open(std::byte* p, const Options& o) {
  std::byte* const end = p + fast_open_bytes(o);
  store_be32(end - 4, kNops);
  store_u8(p, kFastOpenKind);
  store_u8(p + 1, static_cast<std::uint8_t>(o.cookie_bytes + 2));
  std::copy_n(o.cookie.begin(), o.cookie_bytes, p + 2);
  return end;
}

[[nodiscard]] std::byte* put_sack(std::byte* p, const Options& o, std::size_t blocks) {
  p = put(p, kSackWord | static_cast<std::uint32_t>(2 + kSackBlockBytes * blocks));
  for (std::size_t i = 0; i < blocks; ++i) {
    p = put(p, o.sack[i].left.raw());
    p = put(p, o.sack[i].right.raw());
  }
  return p;
}

[[nodiscard]] std::byte* put_options(std::byte* p, const Options& o) {
  if (o.has_mss()) p = put(p, kMssWord | o.mss);
  if (o.has_timestamps()) {
    const bool permitted = o.has_sack_permitted();
    p = put_timestamps(p, permitted ? kSackPermittedTimestampsWord : kPaddedTimestampsWord, o);
  } else if (o.has_sack_permitted()) {
    p = put(p, kSackPermittedWord);
  }
  if (o.has_window_scale()) p = put(p, kWindowScaleWord | o.window_scale);
  if (o.has_fast_open()) [[unlikely]]
    p = put_fast_open(p, o);
  const std::size_t blocks = o.sack_count == 0 ? 0 : blocks_that_fit(o, fixed_bytes(o));
  return blocks == 0 ? p : put_sack(p, o, blocks);
}

}  // namespace

std::size_t options_bytes(const Options& options) {
  const std::size_t fixed = fixed_bytes(options);
  if (options.sack_count == 0) return fixed;
  const std::size_t blocks = blocks_that_fit(options, fixed);
  return blocks == 0 ? fixed : fixed + kSackHeadBytes + kSackBlockBytes * blocks;
}

std::size_t emit_header(const SegmentOut& segment, std::byte* out) {
  std::byte* end = out + kMinHeaderBytes;
  if (segment.options.has == Options::kTimestamps && segment.options.sack_count == 0) {
    end = put_timestamps(end, kPaddedTimestampsWord, segment.options);
  } else {
    end = put_options(end, segment.options);
  }
  const auto bytes = static_cast<std::size_t>(end - out);
  store_be16(out, segment.tuple.local_port);
  store_be16(out + 2, segment.tuple.remote_port);
  store_be32(out + 4, segment.seq.raw());
  store_be32(out + 8, segment.ack.raw());
  store_u8(out + 12, static_cast<std::uint8_t>(bytes << 2));
  store_u8(out + 13, segment.flags.bits);
  store_be16(out + 14, segment.window);
  store_raw<std::uint32_t>(out + 16, 0);  // checksum, and an urgent pointer that we never set
  return bytes;
}

}  // namespace millrace::tcp
