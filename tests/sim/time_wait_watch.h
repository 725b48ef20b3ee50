// SPDX-License-Identifier: BSD-3-Clause
//
// Invariant 11: an entry leaves TIME-WAIT after 2MSL, begun anew by each FIN that comes again, or
// because a newer incarnation takes its place (RFC 6191), or because the store made room; never
// otherwise.
#pragma once

#include <string>
#include <vector>

#include "tcp/endpoint/inspect.h"
#include "tcp/endpoint/segment_arrives.h"

namespace millrace::sim {

class TimeWaitWatch {
 public:
  struct Watched {
    FourTuple tuple;
    tcp::TimeWaitState state;
    Tick earliest = 0;  // no expiry before this
    Instant entered{};
  };

  /// `every`: it hears of each entry in the iteration in which it enters.
  TimeWaitWatch(const tcp::EndpointImpl& impl, bool every) : impl_(impl), every_(every) {}

  [[nodiscard]] tcp::EntryRef find(const FourTuple& tuple) const {
    return find_entry(impl_, impl_.hasher(tuple), tuple);
  }
  /// A connection with this tuple is over since the last check: perhaps it waits.
  void has_ended(const FourTuple& tuple, Instant now);
  /// 2MSL has begun anew for it.
  void restarted(std::size_t which, Instant now);
  /// What does not hold, or nothing.
  [[nodiscard]] std::string check(Instant now);
  [[nodiscard]] const std::vector<Watched>& watched() const { return watched_; }

 private:
  [[nodiscard]] std::string judge_gone(const Watched& w, tcp::EntryRef now_there, Instant now);
  [[nodiscard]] Tick end_of(const tcp::TimeWaitState& state, Instant from) const {
    return deadline_after(from, impl_.config.profiles[state.profile].two_msl);
  }

  const tcp::EndpointImpl& impl_;
  bool every_;
  std::vector<Watched> watched_;
  std::uint64_t recycled_ = 0;
  std::uint64_t early_ = 0;  // accepted by Fast Open until the last look
};

}  // namespace millrace::sim
