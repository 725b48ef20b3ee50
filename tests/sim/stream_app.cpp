// SPDX-License-Identifier: BSD-3-Clause
//
// Events first, then what time has made due.
#include "tests/sim/stream_app.h"

#include <algorithm>

namespace millrace::sim {

using tcp::CloseReason;
using tcp::Event;
using tcp::EventKind;
using Phase = Talk::Phase;

namespace {

/// The word of a connection that was accepted a second time: nobody talks on it.
constexpr std::uint32_t kOnceMore = 0xffff'ffff;

}  // namespace

StreamApp::StreamApp(const Plan& plan, int side, const Host& own, const Host& peer, PortBook& ports,
                     const Instant& clock)
    : plan_(plan),
      side_(side),
      own_(own),
      peer_(peer),
      ports_(ports),
      clock_(clock),
      pattern_(plan.seed),
      talks_(plan.connections.size()),
      had_data_(plan.connections.size()) {}

void StreamApp::complain(std::size_t index, const std::string& what) {
  if (complaints_.size() > 20) return;
  if (index < talks_.size() && plan_.is_unsafe(index)) return;
  complaints_.push_back("end " + std::to_string(side_) + ", connection " + std::to_string(index) +
                        ": " + what);
}

void StreamApp::want(Instant at) {
  if (!wake_ || at < *wake_) wake_ = at;
}

std::optional<Duration> StreamApp::next_wake() const {
  if (!wake_) return std::nullopt;
  return std::max(*wake_ - last_now_, Duration{1'000});
}

bool StreamApp::finished() const {
  for (std::size_t i = 0; i < talks_.size(); ++i) {
    const Phase phase = talks_[i].phase;
    if (phase == Phase::opening || phase == Phase::open) return false;
    if (phase == Phase::unborn && opens(i)) return false;
  }
  return true;
}

void StreamApp::on_events(tcp::Endpoint& endpoint, std::span<const Event> events, Instant now) {
  if (!start_) start_ = now;
  last_now_ = now;
  wake_.reset();
  std::fill(had_data_.begin(), had_data_.end(), false);
  for (const Event& e : events) on_event(endpoint, e, now);
  open_due(endpoint, now);
  for (std::size_t i = 0; i < talks_.size(); ++i) {
    if (talks_[i].phase == Phase::open || talks_[i].phase == Phase::opening) {
      step(endpoint, i, now);
    }
  }
}

void StreamApp::begin(std::size_t index, tcp::ConnectionId id, Instant now) {
  Talk& t = talks_[index];
  t.id = id;
  t.born = t.next_write = t.next_read = t.stirred = now;
  t.began = clock_;
}

void StreamApp::open_due(tcp::Endpoint& endpoint, Instant now) {
  for (std::size_t i = 0; i < talks_.size(); ++i) {
    if (talks_[i].phase == Phase::unborn && opens(i) && may_open(i, now)) open(endpoint, i, now);
  }
}

/// True if it is time, and the predecessor on the same tuple is out of the way.
bool StreamApp::may_open(std::size_t index, Instant now) {
  const ConnectionPlan& c = plan_.connections[index];
  Talk& t = talks_[index];
  Instant due = std::max(*start_ + c.open_at, t.next_write);
  if (c.after) {
    const Talk& previous = talks_[*c.after];
    if (previous.phase != Phase::closed) return false;  // its end will wake us
    if (previous.skipped || previous.reason != CloseReason::graceful) {
      // The peer may not have seen that one at all, and could not tell the two apart.
      t.phase = Phase::closed;
      t.skipped = true;
      return false;
    }
    // Only an ISN beyond the last one's bytes is let into the peer's TIME-WAIT: the ISN clock runs
    // at a byte in 4 us, that of timestamps in milliseconds (RFC 6191 §2, RFC 6528 §3), and an ISN
    // that had to go beyond our own TIME-WAIT is 64 KiB ahead of its clock.
    std::uint64_t ahead = 0;
    for (std::optional<std::size_t> i = c.after; i; i = plan_.connections[*i].after) {
      ahead += talks_[*i].sent + 65'540;
    }
    if (plan_.is_unsafe(index)) ahead = 0;
    due = std::max(due, previous.ended + static_cast<std::int64_t>(ahead) * 4us + 2ms);
  }
  if (now >= due) return true;
  want(due);
  return false;
}

void StreamApp::open(tcp::Endpoint& endpoint, std::size_t index, Instant now) {
  const ConnectionPlan& c = plan_.connections[index];
  Talk& t = talks_[index];
  tcp::OpenRequest request;
  request.local = c.ipv6 ? own_.v6 : own_.v4;
  request.remote = c.ipv6 ? peer_.v6 : peer_.v4;
  request.local_port = c.local_port;
  request.remote_port = c.simultaneous ? c.local_port : kListenPort;
  request.user = static_cast<std::uint32_t>(index);
  const tcp::OpenResult result = endpoint.connect(request, now);
  t.open_error = result.error;
  if (result.error != tcp::OpenError::none) {
    // The tuple waits for 2MSL, or there is no room: try again.
    const bool temporary = result.error == tcp::OpenError::time_wait ||
                           result.error == tcp::OpenError::in_use ||
                           result.error == tcp::OpenError::no_memory;
    if (!temporary) complain(index, "connect() refuses what the plan says");
    t.next_write = now + 50ms;
    want(t.next_write);
    return;
  }
  begin(index, result.connection, now);
  t.phase = Phase::opening;
  if (mine(index).nodelay) endpoint.set_nodelay(result.connection, true);
  const auto status = endpoint.status(result.connection);
  if (!status) {
    complain(index, "a connection just opened has no status");
  } else {
    ports_[{side_ * 2 + (c.ipv6 ? 1 : 0), status->tuple.local_port}] = index;
  }
}

void StreamApp::on_event(tcp::Endpoint& endpoint, const Event& e, Instant now) {
  if (e.kind == EventKind::accepted) {
    on_accepted(endpoint, e, now);
    return;
  }
  // An event that was recorded before set_user() still carries the word from before.
  const std::size_t index = endpoint.user(e.connection);
  if (index == kOnceMore) return;
  if (index >= talks_.size() || !(talks_[index].id == e.connection)) {
    complain(index, "event for a connection that is not ours");
    return;
  }
  Talk& t = talks_[index];
  if (t.phase == Phase::closed) {
    complain(index, "event after closed");
    return;
  }
  t.stirred = now;
  switch (e.kind) {
    case EventKind::accepted:
      break;
    case EventKind::connected:
      if (t.phase != Phase::opening) complain(index, "connected, but it was not opening");
      t.phase = Phase::open;
      t.connected = true;
      t.next_write = now;
      break;
    case EventKind::data:
      on_data(endpoint, e, index, now);
      break;
    case EventKind::peer_closed:
      if (t.eof) complain(index, "end of stream twice");
      t.eof = true;
      break;
    case EventKind::writable:
      if (!t.blocked) complain(index, "writable, but nothing was blocked");
      t.blocked = false;
      break;
    case EventKind::closed:
      on_closed(e, index);
      break;
  }
}

void StreamApp::on_accepted(tcp::Endpoint& endpoint, const Event& e, Instant now) {
  const auto status = endpoint.status(e.connection);
  if (!status) {
    complain(talks_.size(), "accepted, but it has no status");
    return;
  }
  const int v6 = status->tuple.local.is_v4() ? 0 : 1;
  const auto found = ports_.find({(1 - side_) * 2 + v6, status->tuple.remote_port});
  if (found == ports_.end()) {
    complain(talks_.size(), "accepted from a port that nobody opened");
    return;
  }
  const std::size_t index = found->second;
  if (talks_[index].phase != Phase::unborn && (may_come_again() || plan_.is_unsafe(index))) {
    // It ended before the handshake did, the peer has not heard of that and asks again. Or all has
    // been said, if not read, its cookie has come again, and nothing is remembered.
    endpoint.set_user(e.connection, kOnceMore);
    endpoint.abort(e.connection);
    return;
  }
  if (talks_[index].phase != Phase::unborn) {
    complain(index, "accepted twice");
    return;
  }
  begin(index, e.connection, now);
  talks_[index].phase = Phase::open;
  talks_[index].connected = true;
  endpoint.set_user(e.connection, static_cast<std::uint32_t>(index));
  if (mine(index).nodelay) endpoint.set_nodelay(e.connection, true);
}

std::size_t StreamApp::verify(tcp::Endpoint& endpoint, std::size_t index,
                              std::span<const std::byte> bytes) {
  Talk& t = talks_[index];
  if (t.eof) complain(index, "data after the end of the stream");
  if (!pattern_.matches(index, 1 - side_, t.received, bytes)) {
    complain(index, "wrong bytes at " + std::to_string(t.received));
  }
  t.received += bytes.size();
  if (t.received > plan_.connections[index].side[1 - side_].bytes) {
    complain(index, "more bytes than were sent");
  }
  endpoint.consume(t.id, bytes.size());
  return bytes.size();
}

void StreamApp::on_data(tcp::Endpoint& endpoint, const Event& e, std::size_t index, Instant now) {
  Talk& t = talks_[index];
  const bool first = !had_data_[index];
  had_data_[index] = true;
  if (t.phase != Phase::open) complain(index, "data before the connection is open");
  if (t.released) return;  // after close() nothing should come, and nothing is taken
  const Reading reading = mine(index).reading;
  const bool awake = reading == Reading::late && now >= t.born + mine(index).read_pause;
  if (!t.unread && (reading == Reading::at_once || awake)) {
    verify(endpoint, index, e.bytes);
    return;
  }
  if (reading == Reading::partially && !t.unread && first && e.bytes.size() > 1) {
    verify(endpoint, index, e.bytes.first(e.bytes.size() / 2));
  }
  if (!t.unread) t.next_read = now + mine(index).read_pause;
  t.unread = true;
}

void StreamApp::on_closed(const Event& e, std::size_t index) {
  Talk& t = talks_[index];
  t.phase = Phase::closed;
  t.reason = e.reason;
  t.over = clock_;
  t.ended = last_now_;
  if (e.reason == CloseReason::none) complain(index, "closed without a reason");
  want(last_now_ + 1us);  // for whoever waits for this one's tuple
}

void StreamApp::step(tcp::Endpoint& endpoint, std::size_t index, Instant now) {
  Talk& t = talks_[index];
  if (t.released) return;
  if (mine(index).ending == Ending::abort && now >= t.born + mine(index).abort_after) {
    endpoint.abort(t.id);
    t.released = true;
    return;
  }
  if (mine(index).ending == Ending::abort) want(t.born + mine(index).abort_after);
  if (const Duration patience = plan_.end[side_].patience; patience > Duration{0}) {
    if (now >= t.stirred + patience) {
      endpoint.abort(t.id);
      t.released = t.given_up = true;
      return;
    }
    want(t.stirred + patience);
  }
  read(endpoint, index, now);
  write(endpoint, index, now);
  end(endpoint, index, now);
}

void StreamApp::read(tcp::Endpoint& endpoint, std::size_t index, Instant now) {
  Talk& t = talks_[index];
  if (!t.unread) return;
  // What was lent in this batch is read in a later one, as the contract says.
  if (had_data_[index] || now < t.next_read) {
    want(std::max(t.next_read, now + 1us));
    return;
  }
  const bool all =
      mine(index).reading == Reading::late || mine(index).reading == Reading::partially;
  std::uint64_t budget = all ? ~std::uint64_t{0} : 1 + t.received % 3000;
  while (budget > 0) {
    const auto bytes = endpoint.readable(t.id);
    if (bytes.empty()) {
      t.unread = false;
      return;
    }
    budget -= verify(endpoint, index, bytes.first(std::min<std::uint64_t>(bytes.size(), budget)));
  }
  t.next_read = now + mine(index).read_pause;
  want(t.next_read);
}

void StreamApp::write(tcp::Endpoint& endpoint, std::size_t index, Instant now) {
  Talk& t = talks_[index];
  const SidePlan& p = mine(index);
  while (!t.blocked && !t.shut && t.sent < p.bytes) {
    if (now < t.next_write) {
      want(t.next_write);
      return;
    }
    const auto bytes =
        pattern_.at(index, side_, t.sent, std::min<std::uint64_t>(p.chunk, p.bytes - t.sent));
    const std::size_t taken =
        endpoint.send(t.id, bytes, p.fixed ? tcp::Lifetime::fixed : tcp::Lifetime::copied);
    if (taken > bytes.size()) complain(index, "send() took more than it was given");
    t.sent += taken;
    t.blocked = taken < bytes.size();
    if (p.pause > Duration{0}) t.next_write = now + p.pause;
  }
}

void StreamApp::end(tcp::Endpoint& endpoint, std::size_t index, Instant) {
  Talk& t = talks_[index];
  const SidePlan& p = mine(index);
  if (t.sent < p.bytes || t.phase != Phase::open) return;
  switch (p.ending) {
    case Ending::abort:
      return;
    case Ending::close_early:
      endpoint.close(t.id);
      t.released = true;
      t.let_go = last_now_;
      return;
    case Ending::half_close:
      if (!t.shut) endpoint.shutdown(t.id);
      t.shut = true;
      break;
    case Ending::close_last:
      break;
  }
  if (!t.eof) return;
  endpoint.close(t.id);
  t.shut = t.released = true;
  t.let_go = last_now_;
}

}  // namespace millrace::sim
