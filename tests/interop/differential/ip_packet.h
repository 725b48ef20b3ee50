// SPDX-License-Identifier: BSD-3-Clause
//
// IP packets that carry TCP, for a tun device: an IPv4 or IPv6 header without options before a
// segment, and back. Refuses everything else (the kernel also sends neighbour discovery).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "tests/interop/differential/side.h"

namespace millrace::differential {

/// From the peer of its tuple to the owner; the TCP checksum is filled in.
[[nodiscard]] std::vector<std::byte> to_bytes(const Packet& packet);
/// What the owner sent; nothing if it is not TCP, or not whole.
[[nodiscard]] std::optional<Packet> from_packet(std::span<const std::byte> packet);

}  // namespace millrace::differential
