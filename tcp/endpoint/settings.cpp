// SPDX-License-Identifier: BSD-3-Clause
//
// Profiles that are added while an endpoint runs, and connections and listeners that move to them
// (RFC 9293 §3.9.1). A connection has a number for its settings, so a change of one setting is a
// profile of its own: found if it exists, else added, 256 in all. None is ever removed, because
// whoever ended last may have left an entry in TIME_WAIT that still reads it.
#include <algorithm>
#include <string>

#include "tcp/connection/calls.h"
#include "tcp/endpoint/config_check.h"
#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/lifecycle.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] Error usage(std::string sentence) {
  return {ErrorKind::usage, std::move(sentence), {}};
}

/// What buffers and stores were sized for when the endpoint was made.
[[nodiscard]] Status fits(const EndpointImpl& e, const TcpConfig& config) {
  const auto given = std::span(e.profiles, e.given_profiles);
  const auto any = [&](auto&& holds) { return std::any_of(given.begin(), given.end(), holds); };
  if (!any([&](const TcpConfig& p) { return p.mtu >= config.mtu; })) {
    return usage("mtu is " + std::to_string(config.mtu) +
                 ", more than any profile had at the start.");
  }
  if (!any([&](const TcpConfig& p) { return p.max_segment_burst >= config.max_segment_burst; })) {
    return usage("max_segment_burst is " + std::to_string(config.max_segment_burst) +
                 ", more than any profile had at the start.");
  }
  if (!e.time_wait.has_two_msl(config.two_msl)) {
    return usage("two_msl is one that no profile had at the start: it cannot change.");
  }
  return Ok{};
}

}  // namespace

Result<std::uint8_t> Endpoint::add_profile(const TcpConfig& config) {
  EndpointImpl& e = impl();
  std::vector<TcpConfig>& all = e.config.profiles;
  const auto same = std::find(all.begin(), all.end(), config);
  if (same != all.end()) return static_cast<std::uint8_t>(same - all.begin());
  if (const Status good = check_profile(config); !good) return good.error();
  if (const Status good = fits(e, config); !good) return good.error();
  if (all.size() == kMaxProfiles) {
    return usage("There are " + std::to_string(kMaxProfiles) +
                 " profiles already, and none of them has these settings.");
  }
  all.push_back(config);  // within what was reserved: nothing moves
  e.half_open.add_profile(config);
  e.time_wait.add_profile(config.two_msl);
  return static_cast<std::uint8_t>(all.size() - 1);
}

const TcpConfig& Endpoint::profile(std::uint8_t number) const {
  MR_CHECK(number < impl_->config.profiles.size());
  return impl_->profile(number);
}

Status Endpoint::configure(ConnectionId id, const TcpConfig& config) {
  EndpointImpl& e = impl();
  Connection* c = e.resolve(id);
  if (c == nullptr || is_over(*c)) return Ok{};
  const auto number = add_profile(config);
  if (!number) return number.error();
  const TcpConfig& before = e.profile(c->profile);
  c->profile = number.value();
  const State state = c->state;
  Outcome outcome;
  on_profile_changed(*c, before, e.context_of(*c), outcome);
  apply(e, id.index, *c, state, outcome);
  file_timer(e, id.index, *c);
  return Ok{};
}

Status Endpoint::configure(ListenerId listener, const TcpConfig& config) {
  EndpointImpl& e = impl();
  if (!e.listeners.is_open(listener.index)) return Ok{};
  const auto number = add_profile(config);
  if (!number) return number.error();
  e.listeners[listener.index].profile = number.value();
  return Ok{};
}

const TcpConfig* Endpoint::settings(ConnectionId id) const {
  const Connection* c = impl_->resolve(id);
  return c == nullptr ? nullptr : &impl_->profile(c->profile);
}

const TcpConfig* Endpoint::settings(ListenerId listener) const {
  if (!impl_->listeners.is_open(listener.index)) return nullptr;
  return &impl_->profile(impl_->listeners[listener.index].profile);
}

}  // namespace millrace::tcp
