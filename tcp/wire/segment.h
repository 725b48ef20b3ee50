// SPDX-License-Identifier: BSD-3-Clause
//
// A TCP segment as a value: what arrived (`SegmentIn`) and what is to be sent (`SegmentOut`). Wire
// bytes become SegmentIn in wire/parse.h, SegmentOut becomes wire bytes in wire/emit.h; between the
// two only legal values exist (RFC 9293 §3.1, §3.2; RFC 7323 §2, §3; RFC 2018 §2, §3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tcp/base/four_tuple.h"
#include "tcp/base/seq.h"

namespace millrace::tcp {

/// The control bits, as they lie in byte 13 of the header.
struct Flags {
  static constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08;
  static constexpr std::uint8_t kAck = 0x10, kUrg = 0x20, kEce = 0x40, kCwr = 0x80;

  std::uint8_t bits = 0;

  [[nodiscard]] constexpr bool fin() const { return (bits & kFin) != 0; }
  [[nodiscard]] constexpr bool syn() const { return (bits & kSyn) != 0; }
  [[nodiscard]] constexpr bool rst() const { return (bits & kRst) != 0; }
  [[nodiscard]] constexpr bool psh() const { return (bits & kPsh) != 0; }
  [[nodiscard]] constexpr bool ack() const { return (bits & kAck) != 0; }
  [[nodiscard]] constexpr bool urg() const { return (bits & kUrg) != 0; }
  [[nodiscard]] constexpr bool ece() const { return (bits & kEce) != 0; }
  [[nodiscard]] constexpr bool cwr() const { return (bits & kCwr) != 0; }
  friend constexpr bool operator==(Flags, Flags) = default;
};

/// The two ECN bits of the IP header (RFC 3168 §5).
inline constexpr std::uint8_t kEcnCapable = 2;  // ECT(0)
inline constexpr std::uint8_t kCongestionExperienced = 3;

struct SackBlock {
  Seq left;   // first byte of the block
  Seq right;  // the byte after its last
  friend constexpr bool operator==(SackBlock, SackBlock) = default;
};

inline constexpr std::size_t kMaxSackBlocks = 4;
inline constexpr std::uint8_t kMaxWindowScale = 14;  // RFC 7323 §2.3: more is used as 14
inline constexpr std::size_t kMinCookieBytes = 4;    // Fast Open (RFC 7413 §4.1.1), an even number
inline constexpr std::size_t kMaxCookieBytes = 16;

/// Options of one segment, received or to be sent. A field counts only if its `has` bit is set.
struct Options {
  static constexpr std::uint8_t kMss = 0x01, kWindowScale = 0x02, kSackPermitted = 0x04;
  static constexpr std::uint8_t kTimestamps = 0x08;
  static constexpr std::uint8_t kFastOpen = 0x10;  // means something beside SYN alone

  std::uint8_t has = 0;
  std::uint8_t window_scale = 0;  // 0..14
  std::uint8_t sack_count = 0;    // 0..kMaxSackBlocks
  std::uint8_t cookie_bytes = 0;  // valid with kFastOpen; 0 asks for a cookie
  std::uint16_t mss = 0;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  std::array<SackBlock, kMaxSackBlocks> sack{};
  std::array<std::byte, kMaxCookieBytes> cookie;  // cookie_bytes of it; the rest is unspecified

  [[nodiscard]] constexpr bool has_mss() const { return (has & kMss) != 0; }
  [[nodiscard]] constexpr bool has_window_scale() const { return (has & kWindowScale) != 0; }
  [[nodiscard]] constexpr bool has_sack_permitted() const { return (has & kSackPermitted) != 0; }
  [[nodiscard]] constexpr bool has_timestamps() const { return (has & kTimestamps) != 0; }
  [[nodiscard]] constexpr bool has_fast_open() const { return (has & kFastOpen) != 0; }
};

/// A received segment. `payload` is borrowed: it is valid until the iteration that received it
/// ends.
struct SegmentIn {
  Seq seq;                   // SEG.SEQ
  Seq ack;                   // SEG.ACK; meaningless without the ACK bit
  std::uint16_t window = 0;  // SEG.WND as in the header, not scaled
  std::uint16_t urgent = 0;  // SEG.UP
  Flags flags;
  std::uint8_t ecn = 0;  // the two ECN bits of the IP header (RFC 3168 §5)
  Options options;
  std::span<const std::byte> payload;

  /// SEG.LEN: payload, SYN and FIN.
  [[nodiscard]] constexpr std::uint32_t length() const {
    return static_cast<std::uint32_t>(payload.size()) + (flags.syn() ? 1U : 0U) +
           (flags.fin() ? 1U : 0U);
  }
};

inline constexpr std::size_t kMaxPieces = 8;
inline constexpr std::uint32_t kMaxSegmentsPerBurst = 64;

/// A segment to be sent. Payload is borrowed from the send queue until the frame has been written.
/// With `segment_size` set the payload may be longer than that, and is to be cut into segments of
/// that size by the port (TSO) or by the worker: at most kMaxSegmentsPerBurst of them.
struct SegmentOut {
  FourTuple tuple;
  Seq seq;
  Seq ack;
  std::uint16_t window = 0;  // as it goes into the header
  Flags flags;
  std::uint8_t ecn = 0;   // ECN bits for the IP header
  std::uint8_t dscp = 0;  // six bits
  std::uint8_t ttl = 64;  // hop limit
  std::uint8_t piece_count = 0;
  std::uint16_t segment_size = 0;  // payload bytes per segment; 0 if it fits one
  std::uint32_t payload_bytes = 0;
  Options options;
  std::array<std::span<const std::byte>, kMaxPieces> pieces{};
};

}  // namespace millrace::tcp
