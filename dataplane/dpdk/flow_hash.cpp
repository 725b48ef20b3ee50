// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/flow_hash.h"

namespace millrace::dpdk {

std::size_t tcp_behind_extensions(const std::uint8_t* ip, std::size_t length) {
  constexpr std::uint8_t kTcp = 6, kHopByHop = 0, kRouting = 43, kDestination = 60;
  constexpr int kMost = 8;  // as many as the parser takes
  std::uint8_t next = ip[6];
  std::size_t at = 40;
  for (int i = 0; i <= kMost; ++i) {
    if (next == kTcp) return at;
    if (next != kHopByHop && next != kRouting && next != kDestination) return 0;
    if (length < at + 8) return 0;
    next = ip[at];
    at += (std::size_t{ip[at + 1]} + 1) * 8;
  }
  return 0;
}

}  // namespace millrace::dpdk
