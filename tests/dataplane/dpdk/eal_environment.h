// SPDX-License-Identifier: BSD-3-Clause
//
// The EAL starts once in a process: tests share the one that this starts, in ordinary memory.
#pragma once

#include <gtest/gtest.h>

#include "dataplane/backend.h"

namespace millrace::test {

inline constexpr std::uint32_t kTestMemoryMib = 256;

/// A backend's configuration of a cable with so many workers a side.
[[nodiscard]] inline BackendConfig cable_config(std::uint16_t a, std::uint16_t b,
                                                const CableConfig& switches = {}) {
  BackendConfig config;
  config.devices = {{"", a, 1500}, {"", b, 1500}};
  config.cable = switches;
  config.cores = {0};
  config.memory_mib = kTestMemoryMib;
  config.hugepages = false;
  config.seed = 7;
  return config;
}

}  // namespace millrace::test
