// SPDX-License-Identifier: BSD-3-Clause
//
// Opening at a rate, and closing at the time agreed on.
#include "apps/time_wait/openers.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "apps/time_wait/lab.h"

namespace millrace::time_wait {

void Closer::begin(tcp::Endpoint& endpoint, tcp::ConnectionId id, Instant since) {
  switch (when_) {
    case Closes::at_once:
      endpoint.close(id);
      break;
    case Closes::after_a_while:
      turns_.push_back({since + kAWhile, id});
      break;
    case Closes::second:
      break;
  }
}

void Closer::close_due(tcp::Endpoint& endpoint, Instant now) {
  for (; !turns_.empty() && turns_.front().at <= now; turns_.pop_front()) {
    endpoint.close(turns_.front().id);
  }
}

std::uint64_t OpenerCounts::all_refused() const {
  return std::accumulate(refused.begin() + 1, refused.end(), std::uint64_t{0});
}

void Opener::open(tcp::Endpoint& endpoint, Instant now) {
  tcp::OpenRequest request;
  request.local = client_address(turn_++ % config_.addresses);
  request.remote = server_address();
  request.remote_port = kPort;
  ++counts_.offered;
  ++counts_.refused[static_cast<std::size_t>(endpoint.connect(request, now).error)];
}

void Opener::on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) {
  for (const tcp::Event& event : events) {
    if (event.kind == tcp::EventKind::connected) {
      ++counts_.connected;
      endpoint.set_user(event.connection, 1);
      closer_.begin(endpoint, event.connection, now);
    } else if (event.kind == tcp::EventKind::peer_closed) {
      endpoint.close(event.connection);
    } else if (event.kind == tcp::EventKind::closed) {
      ++counts_.closed;
      if (event.user == 0) ++counts_.failed;
      if (event.reason == tcp::CloseReason::reset) ++counts_.reset;
    }
  }
  closer_.close_due(endpoint, now);
  if (last_ == Instant{}) last_ = now;
  credit_ += config_.rate * std::chrono::duration<double>(now - last_).count();
  last_ = now;
  for (; credit_ >= 1 && counts_.offered < config_.most; --credit_) open(endpoint, now);
}

void Acceptor::on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) {
  for (const tcp::Event& event : events) {
    if (event.kind == tcp::EventKind::accepted) {
      ++accepted_;
      // The client knew of it a trip earlier, in the iteration before this one.
      closer_.begin(endpoint, event.connection, now - 1ms);
    } else if (event.kind == tcp::EventKind::peer_closed) {
      endpoint.close(event.connection);
    }
  }
  closer_.close_due(endpoint, now);
}

}  // namespace millrace::time_wait
