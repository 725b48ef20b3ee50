// SPDX-License-Identifier: BSD-3-Clause
//
// A router in the middle of a wire, behind which packets may be no larger than its next link takes:
// it drops what is, and tells the sender (RFC 1191 §4, RFC 4443 §3.2) or not, as a black hole does
// (RFC 2923 §2.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace millrace::sim {

struct Router {
  std::uint16_t mtu4 = 0, mtu6 = 0;  // bytes of an IP packet; 0: whatever the ends send
  double tells = 0;                  // share of the dropped packets that it tells of
  bool names_mtu = true;             // routers older than RFC 1191 do not, of IPv4
  std::uint16_t quotes = 8;          // bytes of the segment that an error carries, 8 at least

  [[nodiscard]] bool is_narrow() const { return mtu4 != 0 || mtu6 != 0; }
};

/// What the next link takes of packets like the one in `frame`, if that is more than it takes.
[[nodiscard]] std::optional<std::uint16_t> too_big_for(const Router& router,
                                                       std::span<const std::byte> frame);
/// The error about `frame`, which was more than `mtu`, in a frame back to its sender.
[[nodiscard]] std::vector<std::byte> packet_too_big(const Router& router,
                                                    std::span<const std::byte> frame,
                                                    std::uint16_t mtu);

/// What such a frame says, for whoever watches: 0 where it names no MTU, nothing if it is none.
[[nodiscard]] std::optional<std::uint16_t> told_mtu(std::span<const std::byte> frame);

}  // namespace millrace::sim
