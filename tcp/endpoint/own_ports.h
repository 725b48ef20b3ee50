// SPDX-License-Identifier: BSD-3-Clause
//
// Which local ports bring the replies of a remote end to this core, where a port of the machine
// spreads segments over several. The hash of receive side scaling is linear in XOR: all but the low
// byte of our port shift the buckets that low byte leads to, and nothing else. So one bitmap of 256
// low bytes for each shift answers for 256 ports at once, and the next port of ours is found
// without trying others, however many cores there are.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tcp/base/flow_steering.h"
#include "tcp/base/four_tuple.h"

namespace millrace::tcp {

class OwnPorts {
 public:
  OwnPorts(const FlowSteering& steering, std::uint16_t worker)
      : steering_(steering), mask_(static_cast<std::uint32_t>(steering.reta().size() - 1)) {
    for (const bool v4 : {true, false}) {
      std::vector<Bytes>& shifts = v4 ? v4_ : v6_;
      shifts.resize(std::size_t{mask_} + 1);
      for (std::uint32_t low = 0; low < 256; ++low) {
        // What the byte adds; that of port 0 is nothing.
        const std::uint32_t adds = steering.local_port(v4, static_cast<std::uint16_t>(low));
        for (std::uint32_t shift = 0; shift <= mask_; ++shift) {
          if (steering.worker_of(shift ^ adds) == worker) {
            shifts[shift][low / 64] |= std::uint64_t{1} << (low % 64);
          }
        }
      }
    }
  }

  /// Those of one remote end.
  class Of {
   public:
    /// `tuple` without its local port.
    Of(const OwnPorts& all, const FourTuple& tuple)
        : all_(all),
          v4_(tuple.local.is_v4()),
          others_(all.steering_.without_local_port(tuple.local, tuple.remote, tuple.remote_port)) {}

    /// The first that is not below `port`; kNone if there is none.
    [[nodiscard]] std::uint32_t next(std::uint32_t port) const {
      for (; port < kNone; port = (port | 0xff) + 1) {
        const auto high = static_cast<std::uint16_t>(port & 0xff00);
        const std::uint32_t hash = others_ ^ all_.steering_.local_port(v4_, high);
        const Bytes& bytes = (v4_ ? all_.v4_ : all_.v6_)[hash & all_.mask_];
        std::uint32_t word = (port & 0xff) / 64;
        std::uint64_t left = bytes[word] & (~std::uint64_t{0} << (port % 64));
        while (left == 0 && ++word < bytes.size()) left = bytes[word];
        if (left != 0) return high + word * 64 + static_cast<std::uint32_t>(std::countr_zero(left));
      }
      return kNone;
    }

   private:
    const OwnPorts& all_;
    bool v4_;
    std::uint32_t others_;  // the hash of all but our port
  };

  static constexpr std::uint32_t kNone = 0x1'0000;
  [[nodiscard]] std::size_t bytes() const { return (v4_.size() + v6_.size()) * sizeof(Bytes); }

 private:
  using Bytes = std::array<std::uint64_t, 4>;

  const FlowSteering& steering_;
  std::uint32_t mask_;
  std::vector<Bytes> v4_, v6_;
};

}  // namespace millrace::tcp
