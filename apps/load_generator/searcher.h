// SPDX-License-Identifier: BSD-3-Clause
//
// Leads a search: tells generators which rate to try, waits for the window and for what is still
// under way at its end, has the clerk close an interval, and judges.
#pragma once

#include "apps/load_generator/clerk.h"
#include "apps/load_generator/search.h"
#include "apps/load_generator/session.h"

namespace millrace::load {

class Searcher {
 public:
  Searcher(Session& session, Clerk& clerk, SearchResult& result);
  /// To be called often, until the search is over and the rate is sustained.
  void look(Instant now);

 private:
  void begin();
  void judge();
  void finish();

  enum class Step : std::uint8_t { waiting, trying, over };

  Session& session_;
  Clerk& clerk_;
  SearchResult& result_;
  report::Threshold target_;
  Bisection bisection_;
  Duration window_;
  Step step_ = Step::waiting;
  Instant counts_from_{};
  Instant until_{};
};

}  // namespace millrace::load
