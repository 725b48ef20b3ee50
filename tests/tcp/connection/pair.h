// SPDX-License-Identifier: BSD-3-Clause
//
// Two connections that talk to each other over a virtual link: one clock, a delay each way, and a
// script that may drop, delay, copy or change each segment. Deterministic.
#pragma once

#include <functional>
#include <map>
#include <random>
#include <vector>

#include "tests/tcp/connection/host.h"

namespace millrace::tcp::test {

class Pair {
 public:
  /// What becomes of a segment: one further delay for each copy that arrives; none: lost.
  using Fate = std::function<std::vector<Duration>(bool from_a, int nth, Segment& segment)>;

  explicit Pair(const TcpConfig& config = TcpConfig{}, const TcpConfig& of_b = TcpConfig{});

  /// Both ESTABLISHED, with the options that the configurations agree on.
  void establish(Seq iss_a = Seq(1000), Seq iss_b = Seq(5000), bool ipv6 = false);
  /// Runs until `done` holds (true) or `limit` has passed (false). What has to be sent is sent
  /// first.
  bool run(const std::function<bool()>& done, Duration limit = 600s);
  void run_for(Duration d) {
    (void)run([] { return false; }, d);
  }
  [[nodiscard]] bool quiet() const { return wire_.empty(); }

  Host a, b;
  Duration delay = 10ms;
  Fate fate;
  int sent_by_a = 0, sent_by_b = 0;
  std::uint64_t payload_by_a = 0, payload_by_b = 0;
  std::function<void()> each_step;  // the application's turn

 private:
  struct Flight {
    bool from_a;
    Segment segment;
  };
  void send(Host& from);
  void deliver_due();
  [[nodiscard]] bool step(Instant end);

  std::multimap<Instant, Flight> wire_;
};

/// Loses, delays and copies at random; the same seed does the same.
[[nodiscard]] Pair::Fate chaos(std::uint32_t seed, double loss, double reorder, double copy);

}  // namespace millrace::tcp::test
