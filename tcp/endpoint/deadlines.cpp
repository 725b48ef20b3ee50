// SPDX-License-Identifier: BSD-3-Clause
//
// Time: connections' deadlines, half-open retransmissions and expiries, TIME_WAIT expiries, path
// MTUs that are tried again, each bounded per call. What is left over waits for the next iteration.
#include <algorithm>

#include "tcp/connection/path_mtu.h"
#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/lifecycle.h"
#include "tcp/endpoint/listen.h"
#include "tcp/endpoint/pressure.h"
#include "tcp/endpoint/time_wait_rules.h"

namespace millrace::tcp {
namespace {

constexpr std::uint32_t kWheelSteps = 256;

void fire(EndpointImpl& e, std::uint32_t index) {
  Connection& c = e.connections[index];
  if (is_over(c)) [[unlikely]] {
    on_held_deadline(e, index, c);
    return;
  }
  const State before = c.state;
  Outcome outcome;
  on_deadline(c, e.context_of(c), outcome);
  apply(e, index, c, before, outcome);
  if (!is_over(c)) file_timer(e, index, c);
}

void end_lingering(EndpointImpl& e) {
  // Bounded: as many as one call lets expire of half-open entries.
  for (std::size_t i = 0; i < e.due.size(); ++i) {
    const std::optional<ConnectionId> id = e.lingering.pop_due(e.now);
    if (!id) return;
    Connection* c = e.resolve(*id);
    if (c != nullptr && !is_over(*c)) abort_by_endpoint(e, id->index, *c, CloseReason::aborted);
  }
}

// The segments that a router made smaller, in their old size.
void try_larger_segments(EndpointImpl& e) {
  for (std::size_t i = 0; i < e.due.size(); ++i) {
    const std::optional<LoweredPaths::Path> path = e.lowered.pop_due(e.now);
    if (!path) return;
    Connection* c = e.resolve(path->id);
    if (c == nullptr || is_over(*c)) continue;
    if (!raise_path_mtu(*c, path->mss, e.context_of(*c))) e.lowered.add(path->id, path->mss, e.now);
  }
}

[[gnu::noinline]] void advance_rare(EndpointImpl& e) {
  end_lingering(e);
  try_larger_segments(e);
}

bool expire_time_wait(EndpointImpl& e) {
  if (e.time_wait.size() + e.time_wait.tombstones() == 0) return true;
  const TimeWait::Progress progress = e.time_wait.expire(e.now, e.gone);
  for (const TimeWaitGone& gone : std::span(e.gone).first(progress.gone)) {
    if ((gone.flags & TimeWaitState::kActiveOpen) != 0) e.ports.released(gone.tuple);
  }
  e.states.of(State::time_wait) -= progress.gone;
  e.counters.TW += progress.gone;
  return !progress.more;
}

/// The instant at which `tick` begins, for a tick less than 39 hours from `now`.
[[nodiscard]] Instant instant_of(Tick tick, Instant now) {
  const auto ahead = static_cast<std::int32_t>(tick - tick_of(now));
  if (ahead <= 0) return now;
  const std::int64_t begin = now.time_since_epoch().count() >> kTickShift << kTickShift;
  return Instant{Duration{begin} + ticks_to_duration(static_cast<Tick>(ahead))};
}

}  // namespace

void EndpointImpl::set_clock() {
  // Ticks are modular: a wheel that slept longer than half their circle could not tell past from
  // future. It sleeps only while nothing is armed.
  constexpr Duration kLongest = 12h;
  if (wheel.armed() == 0 && (!clock_started || now - wheel_time > kLongest)) {
    wheel.restart(tick_of(now));
  }
  clock_started = true;
  wheel_time = now;
  wheel_limit = now + 1h;
}

bool Endpoint::advance(Instant now) {
  EndpointImpl& e = impl();
  e.observe(now);
  bool done = true;
  if (e.wheel.armed() != 0) {
    done &= !e.wheel.advance(tick_of(now), kWheelSteps, [&](std::uint32_t i) { fire(e, i); }).more;
  }
  if (!e.lingering.empty() || !e.lowered.empty()) [[unlikely]]
    advance_rare(e);
  if (has_to_shed(e.shedding, e.stores, e.connections)) [[unlikely]]
    shed_some(e);
  done &= advance_half_open(e);
  done &= expire_time_wait(e);
  return done;
}

std::optional<Instant> Endpoint::next_deadline(Instant now) const {
  EndpointImpl& e = impl();
  if (e.events.size() != 0) return now;  // for the application
  std::optional<Instant> earliest;
  const auto consider = [&](Instant at) {
    if (!earliest || at < *earliest) earliest = at;
  };
  if (const auto tick = e.wheel.next_tick()) consider(instant_of(*tick, now));
  if (!e.lingering.empty()) consider(e.lingering.next());
  if (!e.lowered.empty()) consider(e.lowered.next());
  if (const auto at = e.half_open.next_due(now)) consider(*at);
  if (e.shedding.pressed.any()) [[unlikely]]
    consider(std::max(e.shedding.rests_until, now));
  if (const auto tick = e.time_wait.next_expiry()) consider(instant_of(*tick, now));
  return earliest;
}

}  // namespace millrace::tcp
