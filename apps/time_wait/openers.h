// SPDX-License-Identifier: BSD-3-Clause
//
// The two applications of most experiments: one opens connections at a rate, one accepts them, and
// each closes when it is told to. No text is exchanged: it is the end that counts.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "tcp/endpoint/app.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace::time_wait {

/// When an end closes a connection of its own accord; it always closes after the other has.
enum class Closes : std::uint8_t { at_once, after_a_while, second };

inline constexpr Duration kAWhile = 20ms;  // several round trips of the lab

/// Closes what has come, at the time that its role says.
class Closer {
 public:
  explicit Closer(Closes when) : when_(when) {}
  /// `since`: from when on both ends know of the connection, so that two may close at one time.
  void begin(tcp::Endpoint& endpoint, tcp::ConnectionId id, Instant since);
  void close_due(tcp::Endpoint& endpoint, Instant now);

 private:
  struct Turn {
    Instant at;
    tcp::ConnectionId id;
  };
  Closes when_;
  std::deque<Turn> turns_;
};

struct OpenerConfig {
  double rate = 1000;  // opens per second
  std::uint32_t addresses = 1;
  std::uint64_t most = ~std::uint64_t{0};  // connections in all
  Closes closes = Closes::at_once;
};

struct OpenerCounts {
  std::uint64_t offered = 0;
  std::uint64_t connected = 0;
  std::uint64_t failed = 0;  // ended without having been connected
  std::uint64_t reset = 0;   // ended by a reset
  std::uint64_t closed = 0;
  std::array<std::uint64_t, 6> refused{};  // by tcp::OpenError
  [[nodiscard]] std::uint64_t all_refused() const;
};

class Opener final : public tcp::App {
 public:
  explicit Opener(const OpenerConfig& config) : config_(config), closer_(config.closes) {}
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) override;
  void set_rate(double rate) { config_.rate = rate; }
  [[nodiscard]] const OpenerCounts& counts() const { return counts_; }

 private:
  void open(tcp::Endpoint& endpoint, Instant now);

  OpenerConfig config_;
  Closer closer_;
  OpenerCounts counts_;
  Instant last_{};
  double credit_ = 0;
  std::uint32_t turn_ = 0;
};

class Acceptor final : public tcp::App {
 public:
  explicit Acceptor(Closes closes) : closer_(closes) {}
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) override;
  [[nodiscard]] std::uint64_t accepted() const { return accepted_; }

 private:
  Closer closer_;
  std::uint64_t accepted_ = 0;
};

}  // namespace millrace::time_wait
