// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/mbuf_pool.h"

#include <rte_errno.h>

#include <atomic>
#include <cerrno>

namespace millrace::dpdk {

namespace {
std::string unique_name() {
  // DPDK keeps pools by name; a second fleet of the process must not meet the first one's.
  static std::atomic<unsigned> count{0};
  return "millrace_pool_" + std::to_string(count.fetch_add(1));
}
}  // namespace

Result<MbufPool> make_pool(std::uint32_t buffers, std::uint16_t mtu, int numa_node) {
  constexpr unsigned kCache = 256;
  MbufPool pool(rte_pktmbuf_pool_create(unique_name().c_str(), buffers, kCache, 0,
                                        data_room_for(mtu), numa_node));
  if (pool == nullptr) {
    const std::uint64_t mib = buffers * bytes_per_buffer(mtu) / (1024 * 1024);
    return Error{ErrorKind::environment,
                 "There is no memory for " + std::to_string(buffers) + " packet buffers (" +
                     std::to_string(mib) + " MiB): " + rte_strerror(rte_errno) + ".",
                 "Give more (memory), or free some: free -m"};
  }
  return pool;
}

}  // namespace millrace::dpdk
