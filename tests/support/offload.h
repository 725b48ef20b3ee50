// SPDX-License-Identifier: BSD-3-Clause
//
// What a device does to frames when it has been asked to: TCP and IPv4 checksums on the way out and
// on the way in, and segmentation (TSO) of IPv4 and IPv6. Written from the description in port.h
// and byte by byte, apart from the code it checks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/port.h"

namespace millrace::test {

using Bytes = std::vector<std::byte>;

/// The frames that leave the device for one packet given to it. `first` holds its metadata.
[[nodiscard]] std::vector<Bytes> offload_transmit(Bytes packet, const Frame& first);

/// Receive flags for a frame: good or bad for what could be judged, nothing for what is not IP or
/// TCP.
[[nodiscard]] std::uint16_t offload_receive(std::span<const std::byte> frame);

}  // namespace millrace::test
