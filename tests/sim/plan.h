// SPDX-License-Identifier: BSD-3-Clause
//
// What happens in one simulated run, all of it drawn from one seed: the network and its faults, the
// configuration of both ends, and for every connection who opens, who sends how much, how it reads
// and how it ends. Nothing else in a run is random.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/net/interface.h"
#include "tcp/endpoint/endpoint.h"
#include "tests/support/link.h"

namespace millrace::sim {

enum class Ending : std::uint8_t {
  half_close,   // FIN when all is sent, go on reading to the peer's end, then close
  close_last,   // wait for the peer's end first, then close
  close_early,  // close when all is sent, whatever may still come: unread data mean RST
  abort,        // RST after `abort_after` bytes in either direction, or when that time comes
};
enum class Reading : std::uint8_t {
  at_once,    // everything, in the event
  slowly,     // nothing in the event; a little every few milliseconds
  partially,  // a part in the event, the rest later
  late,       // nothing for a while (the window closes), then everything
};

struct SidePlan {
  std::uint64_t bytes = 0;
  std::uint32_t chunk = 1460;  // bytes per send()
  Duration pause{0};           // between sends
  bool fixed = false;          // Lifetime::fixed instead of copied
  bool nodelay = false;
  Ending ending = Ending::half_close;
  Reading reading = Reading::at_once;
  Duration read_pause{0};
  Duration abort_after{0};
};

struct ConnectionPlan {
  int opener = 0;
  bool ipv6 = false;
  Duration open_at{0};
  std::uint16_t local_port = 0;  // 0: the endpoint chooses
  bool simultaneous = false;     // both open towards each other at the same time
  /// Opens only when that one has ended well, from the same port: TIME-WAIT and its rules.
  std::optional<std::size_t> after;
  std::array<SidePlan, 2> side;
};

/// One local fault on one end.
enum class FaultKind : std::uint8_t {
  none,
  allocate_fails,  // one allocation in ten
  pool_dry,        // 5 s without any buffer, either way
  tx_full,         // 1 s in which the port takes nothing
  tx_partial,      // bursts cut at random places
  link_down,       // 3 s
  clock_forward,   // the worker's clock jumps an hour ahead
  clock_second,    // and by one second
  clock_back,      // and back by one
  stall,           // 500 ms without a poll
  gone,            // the whole end is dead for 40 s
};
inline constexpr std::string_view kFaultNames[] = {
    "none",          "allocate_fails", "pool_dry",   "tx_full", "tx_partial", "link_down",
    "clock_forward", "clock_second",   "clock_back", "stall",   "gone"};
inline constexpr std::size_t kFaultKinds = 11;

struct Fault {
  FaultKind kind = FaultKind::none;
  int side = 0;
  Duration at{0};
  [[nodiscard]] Duration length() const;
};

struct EndPlan {
  tcp::TcpConfig tcp;
  bool tx_checksum = false, tx_tso = false, rx_checksums = false;
  std::uint32_t hold_tx_frames = 0;
  std::size_t rx_piece_bytes =
      0;  // 0: frames arrive whole; else in pieces, as from scattering ports
  tcp::TimeWaitReuse reuse = tcp::TimeWaitReuse::timestamp;
  tcp::TimeWaitOverflow overflow = tcp::TimeWaitOverflow::recycle_oldest;
  std::uint32_t backlog = 4096;  // of the listener
  std::uint32_t scarcity = 0;    // 0: plenty of everything; else pools of about this many objects
  std::uint32_t blocks = 0;      // 0: plenty; else the budget of payload, 2 KiB each
  // Without keepalive the application itself gives up what has been silent for so long; 0: never.
  Duration patience{0};
  [[nodiscard]] bool is_scarce() const { return scarcity > 0 || blocks > 0; }
};

struct Plan {
  std::uint64_t seed = 0;
  std::array<Impairment, 2> way;
  std::array<EndPlan, 2> end;
  std::vector<Fault> faults;
  std::vector<ConnectionPlan> connections;
  double forged = 0;    // how often an iteration is followed by a forged segment
  Duration heal_at{0};  // from here on the network does no harm

  /// Looking at everything after every iteration would take large runs too long: how often it is
  /// done.
  [[nodiscard]] std::size_t check_every() const { return 1 + connections.size() / 200; }
  [[nodiscard]] bool scarce() const { return end[0].is_scarce() || end[1].is_scarce(); }
  /// It takes its tuple out of TIME-WAIT at once, whatever may still be on the way: its stream may
  /// have bytes of the one before it, and nobody can hold it to anything but that it ends.
  [[nodiscard]] bool is_unsafe(std::size_t index) const {
    const ConnectionPlan& c = connections[index];
    return c.after &&
           end[static_cast<std::size_t>(c.opener)].reuse == tcp::TimeWaitReuse::immediate;
  }
  [[nodiscard]] std::string describe() const;
};

/// The run of `seed`.
[[nodiscard]] Plan make_plan(std::uint64_t seed);
/// A run without any harm, for tests that add their own.
[[nodiscard]] Plan calm_plan(std::uint64_t seed);

}  // namespace millrace::sim
