// SPDX-License-Identifier: BSD-3-Clause
//
// What a NIC with TSO and LRO does to TCP segments, in software for the cable: cutting one large
// segment into many, and joining neighbours into one. Headers are those that Millrace itself emits;
// what is not plain TCP over IPv4 without options or IPv6 without extensions is left as it is.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace millrace::dpdk {

/// The next segment of `whole`, which asks for TSO, from payload byte `at` on; moves `at` behind
/// it. A new buffer of `pool` with all checksums filled in; null if the pool is empty.
[[nodiscard]] rte_mbuf* cut_segment(const rte_mbuf* whole, std::uint32_t& at, rte_mempool* pool);

/// Payload bytes of a segment that asks for TSO.
[[nodiscard]] std::uint32_t tso_payload_bytes(const rte_mbuf* whole);

/// Joins runs of in-order neighbours of one flow among packets[0, count) into chains of at most
/// `max_pieces`, verified by the cable. Returns how many packets are left, in order.
std::uint16_t join_neighbours(rte_mbuf** packets, std::uint16_t count, std::uint16_t max_pieces);

}  // namespace millrace::dpdk
