// SPDX-License-Identifier: BSD-3-Clause
//
// One connection on a virtual clock, with what an endpoint would do for it: hands in segments,
// pulls segments out, fires deadlines, delivers text to an application that reads. After every step
// the invariants that one connection can show are checked.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tcp/connection/calls.h"
#include "tcp/connection/handshake.h"
#include "tcp/connection/input.h"
#include "tcp/connection/input_syn_sent.h"
#include "tcp/connection/output.h"
#include "tcp/connection/pacing.h"
#include "tcp/connection/timers.h"

namespace millrace::tcp::test {

inline constexpr std::uint8_t kF = Flags::kFin, kS = Flags::kSyn, kR = Flags::kRst;
inline constexpr std::uint8_t kP = Flags::kPsh, kA = Flags::kAck, kU = Flags::kUrg;

/// A segment that owns its payload.
struct Segment {
  Seq seq;
  Seq ack;
  std::uint8_t flags = kA;
  std::uint16_t window = 0xffff;
  std::string data;
  Options options;
  std::uint16_t urgent = 0;
  std::uint8_t ecn = 0;

  [[nodiscard]] SegmentIn view() const;
  [[nodiscard]] std::uint32_t length() const { return view().length(); }
  [[nodiscard]] bool has(std::uint8_t bits) const { return (flags & bits) == bits; }
};
[[nodiscard]] Segment from_output(const SegmentOut& out);
[[nodiscard]] std::span<const std::byte> as_bytes(std::string_view text);
/// `bytes` of a pattern that no shift of itself repeats for long.
[[nodiscard]] std::string pattern(std::size_t bytes, std::size_t from = 0);

/// When the connection has to be looked at next, by its timers or by pacing.
[[nodiscard]] std::optional<Tick> earliest_event(const Connection& c, const Context& context);

struct HostSetup {
  Seq iss{1000};
  Seq irs{5000};
  std::uint32_t snd_wnd = 65535;
  std::uint32_t rcv_wnd = 65535;
  std::uint16_t peer_mss = 1460;
  std::uint8_t peer_scale = 0;
  bool timestamps = false;
  bool sack = true;
  bool window_scaling = false;
  bool ecn = false;
  std::uint32_t ts_recent = 0;
  std::uint32_t rtt_us = 0;
  bool ipv6 = false;
};

class Host {
 public:
  struct Sizes {
    std::uint32_t send = 4, receive = 4, chunks = 4096, blocks = 1024, models = 4;
  };
  explicit Host(const TcpConfig& config = TcpConfig{}, Sizes sizes = {4, 4, 4096, 1024, 4});

  /// ESTABLISHED by establish().
  void establish(const HostSetup& setup = HostSetup{});
  [[nodiscard]] bool open(Seq iss, bool ipv6 = false);

  Drop input(const Segment& segment);
  /// Everything that is due now.
  std::vector<Segment> flush();
  /// Lets time pass to `now + d`, firing deadlines at their ticks; what is sent meanwhile is
  /// returned.
  std::vector<Segment> pass(Duration d);
  void fire_due();

  std::size_t write(std::string_view text, bool copy = true);
  void shut_down();
  void close();
  void abort();
  /// Reads all that is unread.
  void read_all();

  [[nodiscard]] Context context() { return {config, stores, counters, now}; }
  [[nodiscard]] SendState& send() { return stores.send[c.send]; }
  [[nodiscard]] ReceiveState& receive() { return stores.receive[c.receive]; }
  /// Nothing cold is held.
  [[nodiscard]] bool cold_is_empty() const;
  void check_invariants();

  /// A segment from the peer: in order, acknowledging all, unless told otherwise.
  [[nodiscard]] Segment peer(std::string data = "", std::uint8_t flags = kA) const;

  TcpConfig config;
  Stores stores;
  Counters counters;
  Instant now{1000s};
  Connection c;

  // What the application saw.
  std::string received;
  bool reads = true;  // takes lent text; else it is parked
  /// Takes the straight paths where the endpoint would; without, the general ones alone.
  bool straight = true;
  int straight_taken = 0;
  int straight_opens = 0;
  int straight_ends = 0;  // segments that ended a connection, or began to
  bool connected = false;
  int ends_of_stream = 0;
  int writable = 0;
  bool time_wait = false;
  bool closed = false;
  CloseReason reason = CloseReason::none;
  std::vector<Seq> reset_replies;

 private:
  void apply(const Outcome& outcome);

  Seq last_rcv_nxt_, last_rcv_adv_;
  bool watching_ = false;
};

}  // namespace millrace::tcp::test
