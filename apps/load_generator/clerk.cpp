// SPDX-License-Identifier: BSD-3-Clause
//
// Intervals end on whole seconds, give or take the time between two looks, so that those of several
// runs that began together lie beside each other.
#include "apps/load_generator/clerk.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "apps/report/units.h"

namespace millrace::load {

namespace {

constexpr Duration kInterval = 1s;
/// For a generator to hand over its histograms: it does so some milliseconds after it is asked, and
/// what it does not hand over now comes with the next interval.
constexpr Duration kHandOver = 100ms;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

tcp::StateCounts states_of(const Fleet& fleet) {
  tcp::StateCounts states;
  for (std::size_t end = 0; end < fleet.ends(); ++end) {
    for (std::size_t worker = 0; worker < fleet.workers(end); ++worker) {
      const tcp::StateCounts of_worker = fleet.stats(end, worker).states;
      for (std::size_t i = 0; i < tcp::kStateCount; ++i) states.count[i] += of_worker.count[i];
    }
  }
  return states;
}

std::uint64_t unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace

Clerk::Clerk(Session& session, Summary& summary)
    : session_(session),
      summary_(summary),
      begun_(session.fleet.now()),
      last_(begun_),
      next_(begun_ + kInterval) {
  summary_.setup.started_unix_ms = unix_ms();
  session_.streams.start(summary_.setup);
  if (!session.quiet)
    std::printf("%s\n",
                interval_header(summary_.setup.mode, summary_.setup.ends_by_reset()).c_str());
}

Phase Clerk::phase() const {
  Phase earliest = Phase::done;
  for (const Generator* generator : session_.generators) {
    earliest = std::min(earliest, generator->progress().phase);
  }
  return earliest;
}

Ledger Clerk::books() const {
  Ledger all;
  for (const Generator* generator : session_.generators) all.add(generator->progress().ledger);
  return all;
}

void Clerk::note_states() {
  states_ = states_of(session_.fleet);
  summary_.time_wait_peak = std::max(summary_.time_wait_peak, states_.of(tcp::State::time_wait));
  if (phase() >= Phase::collect) return;
  summary_.states_at_end_of_run = states_;
  summary_.resident_bytes = report::resident_bytes();
}

void Clerk::take(const Generator& generator, const Latencies& taken) {
  latencies_.merge(taken);
  if (summary_.jobs.empty()) return;
  summary_.jobs[generator.plan().job].part.latencies.merge(taken);
}

void Clerk::take_latencies() {
  std::vector<Generator*> asked = session_.generators;
  for (Generator* generator : asked) generator->live_latencies().ask();
  const Instant until = session_.fleet.now() + kHandOver;
  while (!asked.empty() && session_.fleet.now() < until) {
    std::this_thread::sleep_for(1ms);
    std::erase_if(asked, [this](Generator* generator) {
      Latencies* taken = generator->live_latencies().resting();
      if (taken == nullptr) return false;
      take(*generator, *taken);
      taken->clear();
      return true;
    });
  }
}

double Clerk::second_of(Instant at) const { return seconds(at - begun_); }

void Clerk::begin_window() {
  window_.clear();
  window_began_ = seen_;
}

Ledger Clerk::window_books() const {
  Ledger books = seen_;
  books.subtract(window_began_);
  return books;
}

/// What an interval is called by.
Phase Clerk::most_seen() const {
  return static_cast<Phase>(std::max_element(looks_.begin(), looks_.end()) - looks_.begin());
}

void Clerk::look() {
  note_states();
  ++looks_.at(static_cast<std::size_t>(phase()));
}

void Clerk::note(Instant now) {
  look();
  if (now < next_) return;
  while (next_ <= now) next_ += kInterval;
  cut();
}

void Clerk::cut() {
  take_latencies();
  end_interval(session_.fleet.now(), books());  // the books are of this moment
}

void Clerk::finish(Instant now) {
  look();
  Ledger all;
  for (const Generator* generator : session_.generators) {
    all.add(generator->ledger());
    for (const Latencies& left : generator->latencies()) take(*generator, left);
  }
  end_interval(now, all);
}

void Clerk::end_interval(Instant now, const Ledger& books_now) {
  Interval interval;
  interval.start_s = seconds(last_ - begun_);
  interval.end_s = seconds(now - begun_);
  interval.phase = most_seen();
  interval.ledger = books_now;
  interval.ledger.subtract(seen_);
  interval.so_far = books_now;
  interval.states = states_;
  interval.schedule_lag_ns = latencies_[Measure::schedule_lag].max();
  interval.connect = report::digest_of(latencies_[Measure::connect]);
  interval.last_byte = report::digest_of(latencies_[Measure::last_byte]);
  if (!session_.quiet) {
    std::printf("%s\n", interval_line(summary_.setup.mode, interval, seconds(now - last_)).c_str());
    std::fflush(stdout);
  }
  session_.streams.interval(interval, latencies_);
  const bool interval_searched = phase() == Phase::search;
  summary_.intervals.push_back(std::move(interval));
  // What a search tried is no figure of the run.
  if (interval_searched) {
    window_.merge(latencies_);
  } else {
    summary_.latencies.merge(latencies_);
  }
  latencies_.clear();
  looks_.fill(0);
  seen_ = books_now;
  last_ = now;
}

}  // namespace millrace::load
