// SPDX-License-Identifier: BSD-3-Clause
//
// Which bytes of a frame receive side scaling hashes: addresses and ports of unfragmented TCP,
// addresses alone of other IPv4 and IPv6, nothing of the rest (hash 0). For the cable and for
// software steering, so that both agree with NICs. Any bytes are safe; lengths are checked, nothing
// else is judged here. IPv6 extension headers count as "other", as with most NICs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tcp/base/flow_steering.h"

namespace millrace::dpdk {

[[nodiscard]] inline std::uint32_t flow_hash(const FlowSteering& steering,
                                             const std::uint8_t* frame, std::size_t length) {
  constexpr std::uint8_t kTcp = 6;
  std::size_t at = 12;
  const auto type = [&] { return static_cast<unsigned>(frame[at]) << 8 | frame[at + 1]; };
  if (length < 14) return 0;
  for (int tags = 0; tags < 2 && (type() == 0x8100 || type() == 0x88a8); ++tags) {
    if (length < at + 6) return 0;
    at += 4;
  }
  const std::uint8_t* const ip = frame + at + 2;
  const std::size_t left = length - at - 2;
  if (type() == 0x0800 && left >= 20) {
    const std::size_t header = std::size_t{ip[0] & 0x0fU} * 4;
    const std::uint32_t addresses = steering.part(0, ip + 12, 8);
    const bool fragment = ((ip[6] & 0x3fU) | ip[7]) != 0;
    if (ip[9] != kTcp || fragment || header < 20 || left < header + 4) return addresses;
    return addresses ^ steering.part(8, ip + header, 4);
  }
  if (type() == 0x86dd && left >= 40) {
    const std::uint32_t addresses = steering.part(0, ip + 8, 32);
    if (ip[6] != kTcp || left < 44) return addresses;
    return addresses ^ steering.part(32, ip + 40, 4);
  }
  return 0;
}

}  // namespace millrace::dpdk
