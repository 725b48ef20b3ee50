// SPDX-License-Identifier: BSD-3-Clause
//
// Which worker of a port the segments of a connection arrive at: the Toeplitz hash of receive side
// scaling over the tuple as the frame carries it, then the indirection table. The hash is linear in
// XOR, so one table of every byte's contribution at every place serves any key, both families and,
// when a connection is opened, the question which of our ports brings the replies to this core:
// everything but our port is hashed once, each candidate then costs two loads.
//
// It hashes what it is told; which frames a device hashes how is dataplane/dpdk's business.
//
// Where a device has rules instead of a hash, some bits of both ports choose the bucket, joined by
// XOR: that is linear too, so all else is the same.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tcp/base/check.h"
#include "tcp/base/four_tuple.h"

namespace millrace {

class FlowSteering {
 public:
  static constexpr std::size_t kPlaces = 36;             // two IPv6 addresses and two ports
  static constexpr std::size_t kKeyBytes = kPlaces + 4;  // what that many bytes of input need

  /// `key` has at least kKeyBytes; `reta` names the worker of each bucket, its size a power of two.
  FlowSteering(std::span<const std::uint8_t> key, std::vector<std::uint16_t> reta)
      : reta_(std::move(reta)) {
    MR_CHECK(key.size() >= kKeyBytes);
    MR_CHECK(!reta_.empty() && (reta_.size() & (reta_.size() - 1)) == 0);
    for (std::size_t place = 0; place < kPlaces; ++place) fill(place, key);
  }

  /// Rules: the bucket is what the bits of `mask` of both ports, put together, give by XOR.
  [[nodiscard]] static FlowSteering by_ports(std::uint16_t mask, std::vector<std::uint16_t> reta) {
    constexpr std::array<std::uint8_t, kKeyBytes> kNothing{};
    FlowSteering s(kNothing, std::move(reta));
    MR_CHECK(s.reta_.size() == std::size_t{1} << std::popcount(mask));
    s.ports_alone_ = true;
    for (const std::size_t place : {8U, 10U, 32U, 34U}) {
      for (unsigned value = 0; value < 256; ++value) {
        s.table_[place][value] = bits_of(value << 8, mask);
        s.table_[place + 1][value] = bits_of(value, mask);
      }
    }
    return s;
  }
  /// Those bits of `port` that `mask` has, put together.
  [[nodiscard]] static std::uint32_t bits_of(unsigned port, std::uint16_t mask) {
    std::uint32_t bits = 0;
    for (unsigned from = 0, to = 0; from < 16; ++from) {
      if ((mask >> from & 1U) != 0) bits |= (port >> from & 1U) << to++;
    }
    return bits;
  }

  /// The Toeplitz hash of `size` bytes that stand at `place` of the input. XOR joins the parts.
  [[nodiscard]] std::uint32_t part(std::size_t place, const std::uint8_t* bytes,
                                   std::size_t size) const {
    std::uint32_t hash = 0;
    for (std::size_t i = 0; i < size; ++i) hash ^= table_[place + i][bytes[i]];
    return hash;
  }
  [[nodiscard]] std::uint16_t worker_of(std::uint32_t hash) const {
    return reta_[hash & (reta_.size() - 1)];
  }

  /// The hash of what the peer of `tuple` sends, all but for our own port.
  [[nodiscard]] std::uint32_t without_local_port(const Address& local, const Address& remote,
                                                 std::uint16_t remote_port) const {
    const std::size_t skip = local.is_v4() ? 12 : 0;
    const std::size_t size = 16 - skip;
    if (ports_alone_) return port(2 * size, remote_port);
    return part(0, remote.bytes().data() + skip, size) ^
           part(size, local.bytes().data() + skip, size) ^ port(2 * size, remote_port);
  }
  /// What our own port adds; `v4` tells where it stands.
  [[nodiscard]] std::uint32_t local_port(bool v4, std::uint16_t local_port) const {
    return port((v4 ? 8 : 32) + 2, local_port);
  }
  /// The worker at which the segments of this connection arrive.
  [[nodiscard]] std::uint16_t worker_of(const FourTuple& t) const {
    return worker_of(without_local_port(t.local, t.remote, t.remote_port) ^
                     local_port(t.local.is_v4(), t.local_port));
  }
  [[nodiscard]] const std::vector<std::uint16_t>& reta() const { return reta_; }
  /// Whether our port alone, and the peer's alone, can lead to every bucket, in both families. One
  /// random key of a hundred cannot do that; some cores might then find no port at all.
  [[nodiscard]] bool ports_reach_all() const {
    for (const std::size_t place :
         {std::size_t{8}, std::size_t{10}, std::size_t{32}, std::size_t{34}}) {
      std::uint32_t found = 1;  // buckets: they double with each bit that adds what others cannot
      std::array<std::uint32_t, 32> basis{};
      for (unsigned bit = 0; bit < 16; ++bit) {
        std::uint32_t adds = port(place, static_cast<std::uint16_t>(1U << bit));
        for (adds &= static_cast<std::uint32_t>(reta_.size() - 1); adds != 0;) {
          std::uint32_t& known = basis.at(static_cast<std::size_t>(std::bit_width(adds)));
          if (known == 0) {
            known = adds;
            found *= 2;
            break;
          }
          adds ^= known;
        }
      }
      if (found < reta_.size()) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] std::uint32_t port(std::size_t place, std::uint16_t port) const {
    return table_[place][port >> 8] ^ table_[place + 1][port & 0xff];
  }

  void fill(std::size_t place, std::span<const std::uint8_t> key) {
    std::uint64_t window = 0;  // the forty bits of the key that a byte at this place meets
    for (std::size_t i = 0; i < 5; ++i) {
      window = (window << 8) | (place + i < key.size() ? key[place + i] : std::uint8_t{0});
    }
    for (std::size_t value = 0; value < 256; ++value) {
      std::uint32_t hash = 0;
      for (int bit = 0; bit < 8; ++bit) {
        if ((value & (std::size_t{0x80} >> bit)) != 0) {
          hash ^= static_cast<std::uint32_t>(window >> (8 - bit));
        }
      }
      table_[place][value] = hash;
    }
  }

  std::array<std::array<std::uint32_t, 256>, kPlaces> table_{};
  std::vector<std::uint16_t> reta_;
  bool ports_alone_ = false;
};

}  // namespace millrace
