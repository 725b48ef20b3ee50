// SPDX-License-Identifier: BSD-3-Clause
//
// Connections over the kernel's own stack, in a network namespace made for them. Nothing of the
// machine's network is touched.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tcp/base/result.h"

namespace millrace::time_wait {

struct KernelLoad {
  std::uint32_t connections = 0;
  std::uint32_t addresses = 1;  // of the server: 127.0.0.1 and on
};

struct KernelFound {
  std::uint64_t made = 0;         // connections, opened and closed by the client first
  std::uint64_t ports = 0;        // of the range that the namespace has
  std::uint64_t again = 0;        // with one address: of three more opens, how many found a port
  std::uint64_t entries = 0;      // TIME_WAIT entries at the end
  std::uint64_t overflows = 0;    // TCPTimeWaitOverflow
  std::uint64_t max_buckets = 0;  // tcp_max_tw_buckets
  std::uint64_t entry_bytes = 0;  // object size of the slab tw_sock_TCP; 0: not readable
  std::vector<std::pair<std::uint64_t, std::uint64_t>> curve;  // made, entries
};

/// One connection after the other until all are made or each port has been used. Runs in a child
/// process. Errors: environment (no namespace allowed, no loopback in it).
[[nodiscard]] Result<KernelFound> load_kernel(const KernelLoad& load);

}  // namespace millrace::time_wait
