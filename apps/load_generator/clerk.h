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
  /// Ends the last one. The workers have stopped: it has all that they had not handed over.
  void finish(Instant now);

 private:
  void look();
  void take_latencies();
  void end_interval(Instant now, const Ledger& books_now);
  [[nodiscard]] Ledger books() const;
  [[nodiscard]] Phase most_seen() const;
  void note_states();

  Session& session_;
  Summary& summary_;
  Instant begun_;
  Instant last_;
  Instant next_;
  Ledger seen_;
  tcp::StateCounts states_;
  std::array<unsigned, kPhases> looks_{};  // how often each phase was seen in this interval
  Latencies latencies_;                    // of the interval that goes on
};

}  // namespace millrace::load
