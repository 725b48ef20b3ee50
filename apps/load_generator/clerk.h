// SPDX-License-Identifier: BSD-3-Clause
//
// Keeps the minutes of a run: each second an interval, from what the generators publish and from
// the histograms that they hand over; a line for people, and lines for the streams.
#pragma once

#include <array>
#include <vector>

#include "apps/load_generator/generator.h"
#include "apps/load_generator/session.h"
#include "apps/load_generator/streams.h"
#include "apps/load_generator/summary.h"

namespace millrace::load {

class Clerk {
 public:
  /// The workers begin now: seconds count from here.
  Clerk(Session& session, Summary& summary);

  /// The earliest phase of all generators.
  [[nodiscard]] Phase phase() const;
  /// Ends an interval if its second has passed.
  void note(Instant now);
  /// Ends one now.
  void cut();
  /// Ends the last one. The workers have stopped: it has all that they had not handed over.
  void finish(Instant now);
  /// Seconds of an instant, as intervals count them.
  [[nodiscard]] double second_of(Instant at) const;

  /// What was handed over since the window began, and what the books had then.
  void begin_window();
  [[nodiscard]] const Latencies& window() const { return window_; }
  [[nodiscard]] Ledger window_books() const;

 private:
  void look();
  void take(const Generator& generator, const Latencies& taken);
  void take_latencies();
  void end_interval(Instant now, const Ledger& books_now);
  [[nodiscard]] Ledger books() const;
  [[nodiscard]] Phase most_seen() const;
  void note_states();

  Session& session_;
  Summary& summary_;
  Latencies window_;  // of a search
  Ledger window_began_;
  Instant begun_;
  Instant last_;
  Instant next_;
  Ledger seen_;
  tcp::StateCounts states_;
  std::array<unsigned, kPhases> looks_{};  // how often each phase was seen in this interval
  Latencies latencies_;                    // of the interval that goes on
};

}  // namespace millrace::load
