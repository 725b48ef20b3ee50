// SPDX-License-Identifier: BSD-3-Clause
//
// The inboxes of the workers of one port: a ring each, written by all others, read by its owner.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/dpdk/mbuf_pool.h"
#include "dataplane/inbox.h"

namespace millrace::dpdk {

inline constexpr std::uint32_t kInboxSlots = 256;  // frames on their way to one worker

/// One inbox per worker; copies live in buffers of `pool`, which outlives them.
[[nodiscard]] std::vector<std::unique_ptr<Inbox>> make_inboxes(std::uint16_t workers,
                                                               rte_mempool* pool);

}  // namespace millrace::dpdk
