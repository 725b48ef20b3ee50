// SPDX-License-Identifier: BSD-3-Clause
//
// The table, what the endpoint's events mean to it, and the calls that wait.
#include "tests/conformance/agent/sockets.h"

#include <cerrno>
#include <utility>

namespace millrace::agent {

using tcp::CloseReason;
using tcp::EventKind;

namespace {

constexpr int kFirstDescriptor = 3;
constexpr std::size_t kMaxDescriptors = 4096;

[[nodiscard]] int error_of(CloseReason reason, const Socket& s) {
  switch (reason) {
    case CloseReason::none:
    case CloseReason::graceful:
      return 0;
    case CloseReason::reset:
      return s.peer_closed && !s.shut_write ? EPIPE : ECONNRESET;
    case CloseReason::refused:
      return ECONNREFUSED;
    case CloseReason::timeout:
    case CloseReason::keepalive:
      return ETIMEDOUT;
    case CloseReason::unreachable:
      return EHOSTUNREACH;
    case CloseReason::aborted:
    case CloseReason::unread_data:
      return ECONNABORTED;
    case CloseReason::no_memory:
      return ENOBUFS;
  }
  return 0;
}

}  // namespace

Sockets::Sockets(tcp::Endpoint& endpoint, SocketsConfig config)
    : endpoint_(endpoint), config_(std::move(config)) {}

void Sockets::begin(Caller caller, const RequestHeader& request, std::span<const std::byte> data,
                    Instant now) {
  results_.erase(caller);
  Waiting w{request, {data.begin(), data.end()}};
  if (Attempt result = attempt(w, now)) {
    results_[caller] = std::move(*result);
  } else {
    w.begun = true;
    waiting_.insert_or_assign(caller, std::move(w));
  }
  retry(now);  // a call may be what another waits for
}

std::optional<Result> Sockets::take_result(Caller caller) {
  const auto it = results_.find(caller);
  if (it == results_.end()) return std::nullopt;
  Result result = std::move(it->second);
  results_.erase(it);
  return result;
}

void Sockets::forget(Caller caller) {
  waiting_.erase(caller);
  results_.erase(caller);
}

void Sockets::abort_all() {
  for (auto& [fd, socket] : sockets_) {
    for (const tcp::ListenerId listener : socket->listeners) endpoint_.stop_listening(listener);
    endpoint_.abort(socket->connection);
  }
  sockets_.clear();
  by_connection_.clear();
  waiting_.clear();
  results_.clear();
}

void Sockets::events(std::span<const tcp::Event> events, Instant now) {
  for (const tcp::Event& event : events) {
    if (event.kind == EventKind::accepted) {
      on_accepted(event);
      continue;
    }
    Socket* s = of(event.connection);
    if (s == nullptr) continue;
    switch (event.kind) {
      case EventKind::connected:
        s->phase = Socket::Phase::connected;
        break;
      case EventKind::peer_closed:
        s->peer_closed = true;
        break;
      case EventKind::closed:
        by_connection_.erase(event.connection.index);
        on_closed(*s, event.reason);
        break;
      case EventKind::accepted:
      case EventKind::data:  // stays with the endpoint until somebody asks
      case EventKind::writable:
        break;
    }
  }
  retry(now);
}

std::size_t Sockets::open_count() const { return sockets_.size(); }

void Sockets::retry(Instant now) {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    Attempt result = attempt(it->second, now);
    if (!result) {
      ++it;
      continue;
    }
    results_[it->first] = std::move(*result);
    it = waiting_.erase(it);
  }
}

Sockets::Attempt Sockets::attempt(Waiting& w, Instant now) {
  const RequestHeader& q = w.request;
  if (q.call == Call::socket) return open_socket(q);
  if (q.call == Call::poll) return poll(w, now);
  if (q.call == Call::close) return close(q.fd, w, now);
  Socket* s = find(q.fd);
  if (s == nullptr) return failed(EBADF);
  return attempt_on(*s, w, now);
}

Sockets::Attempt Sockets::attempt_on(Socket& s, Waiting& w, Instant now) {
  const RequestHeader& q = w.request;
  switch (q.call) {
    case Call::bind:
      return bind(s, w);
    case Call::listen:
      return listen(s, w);
    case Call::accept:
      return accept(s);
    case Call::connect:
      return connect(s, w, now);
    case Call::recv:
      return recv(s, w);
    case Call::send:
      return send(s, w);
    case Call::shutdown:
      return shutdown(s, q.a);
    case Call::getsockopt:
      return get_option(s, q);
    case Call::setsockopt:
      return set_option(s, w);
    case Call::fcntl:
      return file_flags(s, q);
    case Call::ioctl:
      return ioctl(s, q.a);
    case Call::socket:
    case Call::close:
    case Call::poll:
      break;
  }
  return failed(ENOSYS);
}

void Sockets::on_accepted(const tcp::Event& event) {
  for (auto& [fd, listener] : sockets_) {
    for (const tcp::ListenerId id : listener->listeners) {
      if (id.index != event.listener.index) continue;
      const auto status = endpoint_.status(event.connection);
      if (!status) return;
      Socket child;
      child.family = listener->family;
      child.phase = Socket::Phase::connected;
      child.reported = true;
      child.visible = false;
      child.reuse_address = listener->reuse_address;
      child.linger = listener->linger;
      child.config = listener->config;
      child.bound = true;
      child.local = {status->tuple.local, status->tuple.local_port};
      child.peer = {status->tuple.remote, status->tuple.remote_port};
      child.connection = event.connection;
      const int number = add(std::move(child));
      if (number < 0) return endpoint_.abort(event.connection);
      by_connection_[event.connection.index] = number;
      listener->queue.push_back(number);
      return;
    }
  }
  endpoint_.abort(event.connection);  // its listener went in the same iteration
}

void Sockets::on_closed(Socket& s, CloseReason reason) {
  s.error = error_of(reason, s);
  s.phase = Socket::Phase::over;
  s.peer_closed = true;
  s.connection = {};
}

Socket* Sockets::find(int fd) {
  const auto it = sockets_.find(fd);
  return it == sockets_.end() || !it->second->visible ? nullptr : it->second.get();
}

int Sockets::add(Socket socket) {
  if (sockets_.size() >= kMaxDescriptors) return -1;
  int fd = kFirstDescriptor;
  for (auto it = sockets_.begin(); it != sockets_.end() && it->first == fd; ++it) ++fd;
  sockets_[fd] = std::make_unique<Socket>(std::move(socket));
  return fd;
}

Socket* Sockets::of(tcp::ConnectionId id) {
  const auto it = by_connection_.find(id.index);
  if (it == by_connection_.end()) return nullptr;
  const auto socket = sockets_.find(it->second);
  if (socket == sockets_.end() || socket->second->connection != id) return nullptr;
  return socket->second.get();
}

int Sockets::take_error(Socket& s) { return std::exchange(s.error, 0); }

}  // namespace millrace::agent
