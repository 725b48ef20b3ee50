// SPDX-License-Identifier: BSD-3-Clause
//
// One window after the other. A quarter of a window passes before it counts: queues of the rate
// before are gone by then, or it is bad.
#include "apps/load_generator/searcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "apps/report/units.h"

namespace millrace::load {

namespace {

constexpr Duration kShortestGrace = 100ms;  // a generator takes up a rate, publishes its books
constexpr Duration kLongestGrace = 1s;

}  // namespace

Searcher::Searcher(Session& session, Clerk& clerk, SearchResult& result)
    : session_(session),
      clerk_(clerk),
      result_(result),
      target_(*session.options.search),
      bisection_(session.options.rate),
      window_(session.options.search_window) {
  result_.target = target_.text;
}

void Searcher::look(Instant now) {
  switch (step_) {
    case Step::waiting:
      if (clerk_.phase() == Phase::search) begin();
      break;
    case Step::trying:
      if (now >= until_) judge();
      break;
    case Step::over:
      break;
  }
}

void Searcher::begin() {
  clerk_.cut();  // what the rate before left goes with it
  clerk_.begin_window();
  const Duration settle = window_ / 4;
  for (Generator* generator : session_.generators) {
    generator->steer(bisection_.rate(), settle, window_);
  }
  const auto limit = Duration{static_cast<std::int64_t>(target_.limit)};
  counts_from_ = session_.fleet.now() + settle;
  until_ = counts_from_ + window_ + std::clamp(2 * limit, kShortestGrace, kLongestGrace);
  step_ = Step::trying;
}

void Searcher::judge() {
  clerk_.cut();
  SearchTry found =
      judge_window(target_, bisection_.rate(), std::chrono::duration<double>(window_).count(),
                   clerk_.window()[measure_of(target_)], clerk_.window_books());
  found.start_s = clerk_.second_of(counts_from_);
  if (!session_.quiet) {
    std::printf("search: %s/s, %s: %s\n",
                report::group_digits(static_cast<std::uint64_t>(found.per_second)).c_str(),
                found.count == 0 ? "no answer" : report::nice_time(found.found_ns).c_str(),
                found.good ? "good" : "bad");
  }
  bisection_.note(found.good);
  result_.tries.push_back(found);
  if (bisection_.over()) return finish();
  begin();
}

void Searcher::finish() {
  result_.found_per_second = bisection_.found();
  step_ = Step::over;
  for (Generator* generator : session_.generators) generator->sustain_at(bisection_.found());
}

}  // namespace millrace::load
