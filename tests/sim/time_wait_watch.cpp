// SPDX-License-Identifier: BSD-3-Clause
//
// Asks the index for each tuple that entered, after every iteration.
#include "tests/sim/time_wait_watch.h"

#include "tcp/connection/fast_open.h"

namespace millrace::sim {

using tcp::EntryKind;
using tcp::EntryRef;
using tcp::TimeWaitState;

void TimeWaitWatch::has_ended(const FourTuple& tuple, Instant now) {
  const EntryRef ref = find(tuple);
  if (!ref || ref.kind() != EntryKind::time_wait) return;
  for (const Watched& w : watched_) {
    if (w.tuple == tuple) return;
  }
  const TimeWaitState& state = impl_.time_wait.state(ref);
  const Tick earliest = every_ ? end_of(state, now) : impl_.time_wait.expiry(ref);
  watched_.push_back({tuple, state, earliest, now});
}

void TimeWaitWatch::restarted(std::size_t which, Instant now) {
  watched_[which].earliest = end_of(watched_[which].state, now);
}

std::string TimeWaitWatch::check(Instant now) {
  std::string wrong;
  std::erase_if(watched_, [&](Watched& w) {
    const EntryRef ref = find(w.tuple);
    if (ref && ref.kind() == EntryKind::time_wait) {
      // It may be another by now, of the next incarnation on this tuple.
      const bool same = impl_.time_wait.state(ref).rcv_nxt == w.state.rcv_nxt;
      if (same && tick_before(impl_.time_wait.expiry(ref), w.earliest)) {
        wrong = "11: an entry that leaves TIME-WAIT before 2MSL is over";
      }
      return !same;
    }
    if (std::string why = judge_gone(w, ref, now); !why.empty()) wrong = std::move(why);
    return true;
  });
  recycled_ = impl_.time_wait.stats().recycled;
  early_ = impl_.counters.TCPFastOpenPassive;
  return wrong;
}

std::string TimeWaitWatch::judge_gone(const Watched& w, EntryRef now_there, Instant now) {
  // What has come and gone between two looks is not told apart.
  if (!every_ || !tick_before(tick_of(now), w.earliest)) return {};
  if (impl_.time_wait.stats().recycled != recycled_) return {};
  if (!now_there) {
    // What was accepted with the text of its SYN may be over already.
    const bool accepted = impl_.counters.TCPFastOpenPassive != early_;
    return accepted ? "" : "11: an entry left TIME-WAIT before its time";
  }
  const auto judge_syn = [&](tcp::Seq irs, bool stamps, std::uint32_t tsval) {
    const bool stamped = w.state.has(TimeWaitState::kTimestamps) && stamps;
    const bool newer = stamped && static_cast<std::int32_t>(tsval - w.state.ts_recent) > 0;
    return newer || !before(irs, w.state.rcv_nxt)
               ? ""
               : "11: TIME-WAIT reopened by a SYN that is not newer";
  };
  if (now_there.kind() == EntryKind::half_open) {
    const tcp::HalfOpenState& s = impl_.half_open.state(now_there);
    return judge_syn(s.irs, s.has(tcp::HalfOpenState::kTimestamps), s.ts_recent);
  }
  const tcp::Connection& c = impl_.connections[now_there.index()];
  if (tcp::is_early(c)) {
    return judge_syn(c.snd_wl1, c.has(tcp::Connection::kTimestamps), c.ts_recent);
  }
  if (!c.has(tcp::Connection::kActiveOpen)) return {};
  const tcp::TimeWaitReuse reuse = impl_.config.time_wait_reuse;
  if (reuse == tcp::TimeWaitReuse::immediate) return {};  // its rule is that there is none
  if (reuse == tcp::TimeWaitReuse::none) return "11: TIME-WAIT reused against its rule";
  if (reuse == tcp::TimeWaitReuse::timestamp &&
      (!w.state.has(TimeWaitState::kTimestamps) || now - w.entered < 1s)) {
    return "11: TIME-WAIT reused without a newer timestamp";
  }
  if (!after(c.snd_una, w.state.snd_nxt)) return "11: reused with an ISN that is not beyond";
  return {};
}

}  // namespace millrace::sim
