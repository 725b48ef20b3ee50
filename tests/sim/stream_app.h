// SPDX-License-Identifier: BSD-3-Clause
//
// The application of one end of a simulation: opens what the plan says, sends its pattern, verifies
// every byte that arrives, reads at once, slowly, in parts or late, closes in every order, aborts.
// It keeps a record per connection, and complains about every event that the contract of
// tcp/endpoint/app.h does not allow.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tcp/endpoint/app.h"
#include "tcp/endpoint/endpoint.h"
#include "tests/sim/pattern.h"
#include "tests/sim/plan.h"

namespace millrace::sim {

/// Addresses of one end.
struct Host {
  Address v4, v6;
};

inline constexpr std::uint16_t kListenPort = 7;

/// What one end knows of one planned connection.
struct Talk {
  enum class Phase : std::uint8_t { unborn, opening, open, closed };
  Phase phase = Phase::unborn;
  tcp::ConnectionId id;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  bool blocked = false;  // wants a writable event
  bool unread = false;   // bytes may lie in the receive queue
  bool eof = false;
  bool shut = false;      // our FIN was asked for
  bool released = false;  // close() or abort() was called
  tcp::CloseReason reason = tcp::CloseReason::none;
  tcp::OpenError open_error = tcp::OpenError::none;  // of the last try
  bool skipped = false;                              // never opened, for a good reason
  Instant born{};
  Instant ended{};
  Instant next_write{};
  Instant next_read{};
  Instant let_go{};        // when close() was called
  Instant stirred{};       // the last event
  bool given_up = false;   // aborted, because nothing had happened for all its patience
  bool connected = false;  // it was open at some time
  Instant began{};         // by the time outside
  Instant over{};
};

/// Which connection a port of the opener belongs to: the accepting end looks here.
using PortBook = std::map<std::pair<int, std::uint16_t>, std::size_t>;

class StreamApp final : public tcp::App {
 public:
  /// `clock` is the time outside, which no fault can move.
  StreamApp(const Plan& plan, int side, const Host& own, const Host& peer, PortBook& ports,
            const Instant& clock);

  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) override;

  /// How long after the last on_events() it wants the next one, at the latest.
  [[nodiscard]] std::optional<Duration> next_wake() const;
  /// The time that the worker told last.
  [[nodiscard]] Instant last_now() const { return last_now_; }
  [[nodiscard]] const std::vector<Talk>& talks() const { return talks_; }
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
  /// True if no connection of ours is still open or to be opened.
  [[nodiscard]] bool finished() const;

 private:
  void on_event(tcp::Endpoint& endpoint, const tcp::Event& event, Instant now);
  void on_accepted(tcp::Endpoint& endpoint, const tcp::Event& event, Instant now);
  void on_data(tcp::Endpoint& endpoint, const tcp::Event& event, std::size_t index, Instant now);
  void on_closed(const tcp::Event& event, std::size_t index);
  void open_due(tcp::Endpoint& endpoint, Instant now);
  [[nodiscard]] bool may_open(std::size_t index, Instant now);
  void open(tcp::Endpoint& endpoint, std::size_t index, Instant now);
  void step(tcp::Endpoint& endpoint, std::size_t index, Instant now);
  void read(tcp::Endpoint& endpoint, std::size_t index, Instant now);
  void write(tcp::Endpoint& endpoint, std::size_t index, Instant now);
  void end(tcp::Endpoint& endpoint, std::size_t index, Instant now);
  std::size_t verify(tcp::Endpoint& endpoint, std::size_t index, std::span<const std::byte> bytes);
  void begin(std::size_t index, tcp::ConnectionId id, Instant now);
  void want(Instant at);
  void complain(std::size_t index, const std::string& what);
  [[nodiscard]] const SidePlan& mine(std::size_t index) const {
    return plan_.connections[index].side[side_];
  }
  [[nodiscard]] bool may_come_again() const {
    const tcp::TcpConfig& own = plan_.end[side_].tcp;
    return own.fast_open || own.syn_cookies != tcp::SynCookieUse::never;
  }
  [[nodiscard]] bool opens(std::size_t index) const {
    const ConnectionPlan& c = plan_.connections[index];
    return c.simultaneous || c.opener == side_;
  }

  const Plan& plan_;
  int side_;
  Host own_;
  Host peer_;
  PortBook& ports_;
  const Instant& clock_;
  Pattern pattern_;
  std::vector<Talk> talks_;
  std::vector<bool> had_data_;  // a data event in this batch
  std::vector<std::string> complaints_;
  std::optional<Instant> start_;
  Instant last_now_{};
  std::optional<Instant> wake_;
};

}  // namespace millrace::sim
