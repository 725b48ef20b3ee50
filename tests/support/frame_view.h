// SPDX-License-Identifier: BSD-3-Clause
//
// A frame of a simulated end, taken apart: addresses' family, ports and the segment. Frames here
// are whole and well formed, since one of our ends has just sent them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tcp/wire/parse.h"
#include "tcp/wire/segment.h"

namespace millrace::sim {

struct FrameView {
  bool ipv6 = false;
  std::size_t l4_at = 0;  // where the TCP header begins
  tcp::Ports ports;
  tcp::SegmentIn segment;  // borrows the frame
};

/// The TCP header and payload within `frame`: first byte and number of bytes. Nothing if there is
/// no TCP in it.
[[nodiscard]] inline std::optional<std::pair<std::size_t, std::size_t>> find_tcp(
    std::span<const std::byte> frame) {
  const auto at = [&](std::size_t i) {
    return i < frame.size() ? std::to_integer<std::size_t>(frame[i]) : 0;
  };
  const std::size_t ethertype = at(12) << 8 | at(13);
  if (ethertype == 0x0800 && at(23) == 6) {
    const std::size_t header = (at(14) & 0x0f) * 4;
    return std::pair{14 + header, (at(16) << 8 | at(17)) - header};
  }
  if (ethertype == 0x86dd && at(20) == 6) return std::pair{std::size_t{54}, at(18) << 8 | at(19)};
  return std::nullopt;
}

[[nodiscard]] inline std::optional<FrameView> view_frame(std::span<const std::byte> frame) {
  const auto place = find_tcp(frame);
  if (!place || place->first > frame.size() || place->second > frame.size() - place->first) {
    return std::nullopt;  // a header was damaged
  }
  FrameView v;
  v.ipv6 = frame[12] == std::byte{0x86};
  v.l4_at = place->first;
  const auto bytes = frame.subspan(place->first, place->second);
  if (tcp::parse_segment(bytes, v.ports, v.segment) != Drop::none) return std::nullopt;
  return v;
}

}  // namespace millrace::sim
