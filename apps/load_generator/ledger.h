// SPDX-License-Identifier: BSD-3-Clause
//
// Every connection and every transaction accounted for. At the end of a run
//   offered  = launched + the sum of not_launched
//   launched = completed + the sum of failed
// holds for both books, and a test of every mode checks it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::load {

/// Why something that the schedule offered was not started.
enum class NotLaunched : std::uint8_t {
  no_free_port,      // every port towards the target is in use
  time_wait,         // the free ones wait out 2MSL and the reuse policy says so
  no_memory,         // a bounded pool is empty
  connection_limit,  // --connections are open already
  no_connection,     // every connection was busy until the end
  behind_schedule,   // due before the end, but the generator did not get to it
};
inline constexpr std::array<std::string_view, 6> kNotLaunchedNames{
    "no_free_port",     "time_wait",     "no_memory",
    "connection_limit", "no_connection", "behind_schedule"};

/// Why something that was started did not complete.
enum class Failed : std::uint8_t {
  refused,          // RST in answer to SYN
  reset,            // RST later
  connect_timeout,  // --connect-timeout, or SYN retries used up
  timeout,          // --timeout, or retransmissions used up
  peer_closed,      // FIN before the answer was complete
  bad_response,     // not HTTP, or not what was asked for
  bad_status,       // an answer, but 4xx or 5xx
  unreachable,      // ICMP said so
  no_memory,        // a bounded pool was empty
  drain,            // not over when --drain ended
};
inline constexpr std::array<std::string_view, 10> kFailedNames{
    "refused",      "reset",      "connect_timeout", "timeout",   "peer_closed",
    "bad_response", "bad_status", "unreachable",     "no_memory", "drain"};

struct Book {
  std::uint64_t offered = 0;
  std::uint64_t launched = 0;
  std::array<std::uint64_t, kNotLaunchedNames.size()> not_launched{};
  std::uint64_t completed = 0;
  std::array<std::uint64_t, kFailedNames.size()> failed{};

  void miss(NotLaunched cause) { ++not_launched[static_cast<std::size_t>(cause)]; }
  void fail(Failed cause) { ++failed[static_cast<std::size_t>(cause)]; }
  [[nodiscard]] std::uint64_t total_not_launched() const { return sum(not_launched); }
  [[nodiscard]] std::uint64_t total_failed() const { return sum(failed); }
  /// True at the end of a run: nothing is unaccounted for.
  [[nodiscard]] bool balances() const {
    return offered == launched + total_not_launched() && launched == completed + total_failed();
  }
  void add(const Book& other) {
    combine(other, [](std::uint64_t& to, std::uint64_t value) { to += value; });
  }
  void subtract(const Book& other) {
    combine(other, [](std::uint64_t& to, std::uint64_t value) { to -= value; });
  }

 private:
  template <typename Operation>
  void combine(const Book& other, const Operation& apply) {
    apply(offered, other.offered);
    apply(launched, other.launched);
    apply(completed, other.completed);
    for (std::size_t i = 0; i < not_launched.size(); ++i) {
      apply(not_launched[i], other.not_launched[i]);
    }
    for (std::size_t i = 0; i < failed.size(); ++i) apply(failed[i], other.failed[i]);
  }
  template <std::size_t N>
  static std::uint64_t sum(const std::array<std::uint64_t, N>& values) {
    std::uint64_t total = 0;
    for (const std::uint64_t v : values) total += v;
    return total;
  }
};

struct Ledger {
  Book connections;
  Book transactions;
  std::uint64_t received_bytes = 0;  // of responses, heads included
  std::uint64_t sent_bytes = 0;      // of requests

  void add(const Ledger& other) {
    connections.add(other.connections);
    transactions.add(other.transactions);
    received_bytes += other.received_bytes;
    sent_bytes += other.sent_bytes;
  }
  void subtract(const Ledger& other) {
    connections.subtract(other.connections);
    transactions.subtract(other.transactions);
    received_bytes -= other.received_bytes;
    sent_bytes -= other.sent_bytes;
  }
};

}  // namespace millrace::load
