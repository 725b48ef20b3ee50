// SPDX-License-Identifier: BSD-3-Clause
//
// The key of receive side scaling: random, because whoever knows it can pile flows on one core, and
// such that no core is out of reach of the ports alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/key_source.h"
#include "tcp/base/flow_steering.h"

namespace millrace::dpdk {

inline constexpr std::size_t kMostBuckets = 512;

inline void draw_rss_key(KeySource& keys, std::span<std::uint8_t> key) {
  do {
    keys.fill(key);
  } while (!FlowSteering(key, std::vector<std::uint16_t>(kMostBuckets)).ports_reach_all());
}

/// Workers in turn.
[[nodiscard]] inline std::vector<std::uint16_t> even_table(std::size_t buckets,
                                                           std::uint16_t workers) {
  std::vector<std::uint16_t> table(buckets);
  for (std::size_t i = 0; i < buckets; ++i) table[i] = static_cast<std::uint16_t>(i % workers);
  return table;
}

}  // namespace millrace::dpdk
