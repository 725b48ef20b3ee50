// SPDX-License-Identifier: BSD-3-Clause
//
// The EAL: started once in a process, with arguments made from the configuration, quiet, without
// hugepages where there are none, and without leaving the thread that started it pinned. It is
// never shut down before the process ends, because DPDK cannot start it twice; a second Backend
// uses it as it is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/backend.h"
#include "dataplane/dpdk/device_spec.h"
#include "dataplane/probe.h"
#include "tcp/base/result.h"

namespace millrace::dpdk {

struct EalPlan {
  std::vector<std::string> words;  // without the program's name
  std::vector<int> housekeeping;  // cores for DPDK's own threads: not those of workers, if possible
  std::uint32_t memory_mib = 0;
  bool hugepages = false;
  std::string note;  // which memory it is, and why
};

/// The EAL's arguments for this configuration. `needed_mib` is what the pools and queues take.
[[nodiscard]] Result<EalPlan> plan_eal(const BackendConfig& config,
                                       const std::vector<DeviceSpec>& devices,
                                       std::uint32_t needed_mib, const Machine& machine);

/// Starts the EAL, or finds it started with at least that much memory.
[[nodiscard]] Status start_eal(const EalPlan& plan);

/// Why the EAL did not start. `code` is rte_errno, `log` all it said.
[[nodiscard]] Error explain_failed_eal(int code, const std::string& log, const EalPlan& plan);

}  // namespace millrace::dpdk
