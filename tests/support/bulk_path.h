// SPDX-License-Identifier: BSD-3-Clause
//
// One bulk sender, a connection of ours, over one bottleneck to a receiver that does what a good
// one does: ACKs every second segment, SACK, DSACK, timestamps, a window that never closes. For
// asking what a congestion control makes of a path, in numbers. No payload is ever touched, so
// minutes of a gigabit take seconds.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "tcp/connection/calls.h"
#include "tcp/connection/context.h"
#include "tests/support/random.h"

namespace millrace::test {

struct PathPlan {
  std::uint64_t bytes_per_second = 1'250'000;
  Duration round_trip = 10ms;
  std::uint64_t buffer_bytes = 12'500;  // beside the segment that is being sent
  double loss = 0;                      // of each segment, independently
  std::uint64_t lose_each = 0;  // and of so many segments the last (RFC 9438 §5.1); 0: none
  std::uint64_t seed = 1;
  tcp::TcpConfig tcp;
};

class BulkPath {
 public:
  explicit BulkPath(const PathPlan& plan);

  /// Lets `time` pass.
  void run(Duration time);
  /// The next segment `count` from now on are lost, or late by `by`.
  void lose_next(std::uint32_t count) { lose_ = count; }
  void delay_next(std::uint32_t count, Duration by) {
    delay_ = count;
    delay_by_ = by;
  }
  /// Of each segment from now on; 1: the line is dead.
  void set_loss(double loss) { plan_.loss = loss; }
  void set_rate(std::uint64_t bytes_per_second) { plan_.bytes_per_second = bytes_per_second; }
  /// The application stops writing, or goes on.
  void set_writing(bool on);
  /// It writes `bytes` more, while not writing by itself.
  void write(std::size_t bytes);

  /// Of the time since begin_count().
  struct Figures {
    double bytes_per_second = 0;  // in order, at the receiver
    double mean_queue_bytes = 0;
    double mean_in_flight_bytes = 0;
    std::uint64_t most_queue_bytes = 0;
    std::uint64_t sent_segments = 0, lost_segments = 0, overflowed_segments = 0;
    std::uint64_t timeouts = 0;
  };
  void begin_count();
  [[nodiscard]] Figures figures() const;

  [[nodiscard]] tcp::Connection& connection() { return c_; }
  [[nodiscard]] const tcp::PathModel& model() { return tcp_stores_.models[c_.congestion.words[0]]; }
  [[nodiscard]] const tcp::Counters& counters() const { return counters_; }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] std::uint64_t received() const { return rcv_nxt_; }
  [[nodiscard]] tcp::Context context() { return {plan_.tcp, tcp_stores_, counters_, now_}; }
  /// Times and sizes of what has left, for whoever looks at bursts.
  struct Left {
    Instant at;
    std::uint32_t bytes;
  };
  std::vector<Left>* departures = nullptr;

 private:
  struct Flying {
    Instant at;
    std::uint64_t order = 0;
    tcp::Seq seq;
    std::uint32_t bytes = 0;
    std::uint32_t tsval = 0;
    bool operator>(const Flying& o) const { return at != o.at ? at > o.at : order > o.order; }
  };
  struct Answer {
    Instant at;
    tcp::SegmentIn segment;
  };

  void fill_queue();
  void flush();
  void transmit(const tcp::SegmentOut& out);
  void receive(const Flying& f);
  void answer(bool dsack, std::uint64_t left, std::uint64_t right);
  [[nodiscard]] Instant next_event() const;
  void account(Instant until);
  [[nodiscard]] std::uint64_t unwrap(tcp::Seq seq) const;

  PathPlan plan_;
  Random random_;
  tcp::Stores tcp_stores_;
  tcp::Counters counters_;
  tcp::Connection c_;
  Instant now_{100s};
  bool writing_ = true;

  std::vector<Flying> flying_;  // a heap, next first
  std::uint64_t order_ = 0;
  std::deque<Answer> answers_;
  Instant wire_free_{};
  std::uint32_t lose_ = 0;
  std::uint64_t since_loss_ = 0;
  std::uint32_t delay_ = 0;
  Duration delay_by_{0};

  // the receiver, counting from the first byte
  std::uint64_t rcv_nxt_ = 0;
  std::map<std::uint64_t, std::uint64_t> held_;
  std::deque<std::uint64_t> recent_;  // somewhere in the blocks that changed last
  std::uint32_t ts_recent_ = 0;
  unsigned unanswered_ = 0;
  std::optional<Instant> answer_by_;

  // figures
  Instant counting_since_{};
  Instant accounted_{};
  std::uint64_t received_before_ = 0;
  std::uint64_t timeouts_before_ = 0;
  double queue_integral_ = 0, flight_integral_ = 0;
  Figures sums_;
};

}  // namespace millrace::test
