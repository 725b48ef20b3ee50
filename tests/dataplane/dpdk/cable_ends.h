// SPDX-License-Identifier: BSD-3-Clause
//
// A cable with ports on both sides, and an account of its buffers.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/dpdk/cable.h"

namespace millrace::test {

struct Ends {
  explicit Ends(std::uint16_t a, std::uint16_t b, const CableConfig& switches = {}) {
    KeySource source(7);
    auto made = dpdk::Cable::make(switches, {"", a, 1500}, {"", b, 1500}, source);
    EXPECT_TRUE(made.ok());
    cable = std::move(made).value();
    for (std::size_t side = 0; side < 2; ++side) {
      for (std::uint16_t q = 0; q < (side == 0 ? a : b); ++q) {
        ports[side].push_back(cable->port(side, q));
      }
      total[side] = ports[side].front()->stats().buffers_free;
    }
  }
  /// No buffer is missing, now that all frames were handed back.
  void expect_all_buffers_back() {
    for (std::size_t side = 0; side < 2; ++side) {
      EXPECT_EQ(ports[side].front()->stats().buffers_free, total[side]) << "side " << side;
    }
  }

  std::unique_ptr<dpdk::Cable> cable;
  std::array<std::vector<std::unique_ptr<Port>>, 2> ports;
  std::array<std::uint64_t, 2> total{};
};

inline Frame frame_with(Port& port, const std::vector<std::uint8_t>& bytes) {
  Frame f;
  EXPECT_EQ(port.allocate({&f, 1}), 1U);
  EXPECT_GE(f.capacity, bytes.size());
  std::memcpy(f.data, bytes.data(), bytes.size());
  f.length = static_cast<std::uint32_t>(bytes.size());
  return f;
}

inline void send(Port& port, const std::vector<std::uint8_t>& bytes) {
  Frame f = frame_with(port, bytes);
  ASSERT_EQ(port.tx_burst({&f, 1}), 1U);
}

inline std::vector<std::uint8_t> bytes_of(const Frame& f) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(f.data);
  return {p, p + f.length};
}

}  // namespace millrace::test
