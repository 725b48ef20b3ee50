// SPDX-License-Identifier: BSD-3-Clause
//
// The attacker who knows every variable of an endpoint: makes segments that RFC 9293, 5961 and 7323
// say must not be believed, hands them in, and compares. Invariants 16 and 17: nothing has changed
// but counters and what is owed in answer; 18: at most one answer, and no second one to what is
// limited; 15: an ACK of unsent data has no effect.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tcp/endpoint/endpoint.h"
#include "tcp/endpoint/inspect.h"
#include "tests/sim/time_wait_watch.h"
#include "tests/support/random.h"

namespace millrace::sim {

class Forger {
 public:
  Forger(tcp::Endpoint& endpoint, TimeWaitWatch& watch, std::uint64_t seed)
      : endpoint_(endpoint), impl_(tcp::inspect(endpoint)), watch_(watch), random_(seed) {}

  /// One forged segment, against a connection, a half-open entry or one in TIME-WAIT. A sentence
  /// if it had an effect.
  [[nodiscard]] std::string strike(Instant now);
  [[nodiscard]] std::uint64_t strikes() const { return strikes_; }

 private:
  enum class Kind : std::uint8_t {
    reset_inside,
    reset_outside,
    syn,
    ack_of_unsent,
    ack_too_old,
    no_ack,
    beyond_window,
    old_text,
    old_timestamp,
    no_timestamp,
  };
  static constexpr std::uint64_t kKinds = 10;
  enum class Answer : std::uint8_t { none, limited, always };
  struct Forgery {
    tcp::SegmentIn segment;
    Answer answer = Answer::none;
    bool possible = true;
  };

  [[nodiscard]] std::string strike_connection(Instant now);
  [[nodiscard]] std::string strike_opening(std::uint32_t index, const FourTuple& tuple,
                                           Instant now);
  [[nodiscard]] std::string strike_half_open(Instant now);
  [[nodiscard]] std::string strike_time_wait(Instant now);
  [[nodiscard]] std::string compare(std::uint32_t index, const FourTuple& tuple, const Forgery& f,
                                    Instant now, const char* what);
  [[nodiscard]] Forgery forge(const tcp::Connection& c, Kind kind);
  void forge_ack(const tcp::Connection& c, Kind kind, Forgery& f);
  void forge_stamps(const tcp::Connection& c, Kind kind, Forgery& f);
  [[nodiscard]] std::vector<std::byte> everything(std::uint32_t index) const;
  Drop hand_in(const FourTuple& tuple, const tcp::SegmentIn& segment, Instant now);
  [[nodiscard]] std::uint32_t some(std::uint32_t bound) {
    return static_cast<std::uint32_t>(random_.below(bound));
  }

  tcp::Endpoint& endpoint_;
  const tcp::EndpointImpl& impl_;
  TimeWaitWatch& watch_;
  test::Random random_;
  std::uint64_t strikes_ = 0;
};

}  // namespace millrace::sim
