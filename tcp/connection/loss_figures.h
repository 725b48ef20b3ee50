// SPDX-License-Identifier: BSD-3-Clause
//
// What loss recovery tells about a connection, in the manner of TCP_INFO.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::tcp {

/// Open: nothing is lost. Recovery: fast recovery until SND.UNA reaches `recover` (RFC 6675). Loss:
/// the same after a timeout.
enum class LossPhase : std::uint8_t { open, recovery, loss };
inline constexpr std::array<std::string_view, 3> kLossPhaseNames{"open", "recovery", "loss"};

/// Of what is in flight, in bytes. Without SACK nothing is known of single bytes: all is pipe.
struct LossFigures {
  LossPhase phase = LossPhase::open;
  std::uint32_t pipe = 0;           // thought to be in the network (RFC 6675 §2)
  std::uint32_t sacked = 0;         // received out of order
  std::uint32_t lost = 0;           // taken for lost
  std::uint32_t retransmitted = 0;  // sent again since
};

}  // namespace millrace::tcp
