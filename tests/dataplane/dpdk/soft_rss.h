// SPDX-License-Identifier: BSD-3-Clause
//
// What DPDK's own software hash says of a frame.
#pragma once

#include <rte_byteorder.h>
#include <rte_thash.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dataplane/key_source.h"
#include "tcp/base/flow_steering.h"
#include "tests/dataplane/dpdk/frames.h"

namespace millrace::test {

/// Where a device's RSS would put the frame: rte_softrss over the key that the side has.
inline std::uint32_t soft_rss(const TcpFrame& f, const std::uint8_t* key, bool with_ports = true) {
  const std::vector<std::uint8_t> bytes = f.bytes();
  const std::uint8_t* ip = bytes.data() + f.l2();
  std::array<std::uint32_t, 9> tuple{};
  const std::size_t words = f.v6 ? 8 : 2;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t word = 0;
    std::memcpy(&word, ip + (f.v6 ? 8 : 12) + 4 * i, 4);
    tuple[i] = rte_be_to_cpu_32(word);
  }
  tuple[words] = (std::uint32_t{f.source_port} << 16) | f.destination_port;
  return rte_softrss(tuple.data(), static_cast<std::uint32_t>(with_ports ? words + 1 : words), key);
}

inline std::array<std::uint8_t, FlowSteering::kKeyBytes> some_key(std::uint64_t seed) {
  std::array<std::uint8_t, FlowSteering::kKeyBytes> key{};
  KeySource(seed).fill(key);
  return key;
}

}  // namespace millrace::test
