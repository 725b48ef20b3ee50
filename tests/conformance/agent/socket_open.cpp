// SPDX-License-Identifier: BSD-3-Clause
//
// How descriptors begin and end: socket, bind, listen, accept, connect, shutdown, close.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "tests/conformance/agent/sockets.h"

namespace millrace::agent {

using Phase = Socket::Phase;

namespace {

constexpr std::uint16_t kFirstPort = 32'768;
constexpr std::uint16_t kLastPort = 60'999;

[[nodiscard]] bool is_any(const Address& a) { return a.is_unspecified(); }

/// Whether two sockets that are bound to these could get the same segment.
[[nodiscard]] bool overlap(const Socket& a, const Address& at, const Socket& b) {
  if (!is_any(at) && !is_any(b.local.address)) return at == b.local.address;
  const auto takes = [](const Socket& s, const Address& own, bool v4) {
    if (!is_any(own)) return own.is_v4() == v4;
    return v4 ? s.family == AF_INET || !s.ipv6_only : s.family == AF_INET6;
  };
  for (const bool v4 : {false, true}) {
    if (takes(a, at, v4) && takes(b, b.local.address, v4)) return true;
  }
  return false;
}

[[nodiscard]] int error_of(tcp::OpenError error) {
  switch (error) {
    case tcp::OpenError::none:
      return 0;
    case tcp::OpenError::no_free_port:
    case tcp::OpenError::time_wait:
    case tcp::OpenError::in_use:
      return EADDRNOTAVAIL;
    case tcp::OpenError::no_memory:
      return ENOBUFS;
    case tcp::OpenError::bad_address:
      return ENETUNREACH;
  }
  return EINVAL;
}

}  // namespace

Sockets::Attempt Sockets::open_socket(const RequestHeader& q) {
  if (q.a != AF_INET && q.a != AF_INET6) return failed(EAFNOSUPPORT);
  if ((q.b & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) return failed(ESOCKTNOSUPPORT);
  if (q.c != 0 && q.c != IPPROTO_TCP) return failed(EPROTONOSUPPORT);
  Socket s;
  s.family = q.a;
  s.nonblocking = (q.b & SOCK_NONBLOCK) != 0;
  s.config = endpoint_.profile(0);
  const int fd = add(std::move(s));
  return fd < 0 ? failed(EMFILE) : done(fd);
}

bool Sockets::conflicts(const Socket& s, const SocketAddress& wanted) const {
  return std::any_of(sockets_.begin(), sockets_.end(), [&](const auto& entry) {
    const Socket& other = *entry.second;
    if (&other == &s || !other.bound || other.local.port != wanted.port) return false;
    if (!overlap(s, wanted.address, other)) return false;
    return !s.reuse_address || !other.reuse_address || other.phase == Phase::listening;
  });
}

std::uint16_t Sockets::free_port(const Socket& s, const Address& address) {
  for (int tries = kLastPort - kFirstPort; tries >= 0; --tries) {
    const std::uint16_t port = next_port_;
    next_port_ = port == kLastPort ? kFirstPort : static_cast<std::uint16_t>(port + 1);
    if (!conflicts(s, {address, port})) return port;
  }
  return 0;
}

Sockets::Attempt Sockets::bind(Socket& s, const Waiting& w) {
  SocketAddress wanted;
  if (const int error = read_address(s.family, w.data, wanted)) return failed(error);
  if (s.bound || s.phase != Phase::fresh) return failed(EINVAL);
  const auto& own = config_.addresses;
  if (!is_any(wanted.address) && std::find(own.begin(), own.end(), wanted.address) == own.end()) {
    return failed(EADDRNOTAVAIL);
  }
  if (wanted.port == 0) wanted.port = free_port(s, wanted.address);
  if (wanted.port == 0 || conflicts(s, wanted)) return failed(EADDRINUSE);
  s.bound = true;
  s.local = wanted;
  return done(0);
}

std::vector<Address> Sockets::covered_by(const Socket& s) const {
  if (!is_any(s.local.address)) return {s.local.address};
  std::vector<Address> covered;
  for (const Address& own : config_.addresses) {
    const bool takes = own.is_v4() ? s.family == AF_INET || !s.ipv6_only : s.family == AF_INET6;
    if (takes) covered.push_back(own);
  }
  return covered;
}

Sockets::Attempt Sockets::listen(Socket& s, const Waiting& w) {
  if (s.phase == Phase::listening) return done(0);
  if (s.phase != Phase::fresh) return failed(EINVAL);
  if (!s.bound) {
    s.local = {{}, free_port(s, {})};
    s.bound = s.local.port != 0;
  }
  // Another listener may have come to the port since both were bound with SO_REUSEADDR.
  if (!s.bound || conflicts(s, s.local)) {
    const bool listened = std::any_of(sockets_.begin(), sockets_.end(), [&](const auto& entry) {
      const Socket& other = *entry.second;
      return other.phase == Phase::listening && other.local.port == s.local.port &&
             overlap(s, s.local.address, other);
    });
    if (!s.bound || listened) return failed(EADDRINUSE);
  }
  const auto profile = endpoint_.add_profile(s.config);
  if (!profile) return failed(ENOBUFS);
  tcp::ListenRequest request;
  request.port = s.local.port;
  request.backlog = static_cast<std::uint32_t>(std::max(w.request.a, 0)) + 1;
  request.profile = profile.value();
  for (const Address& address : covered_by(s)) {
    request.local = address;
    const auto listener = endpoint_.listen(request);
    if (!listener) {
      stop_listening(s);
      return failed(EADDRINUSE);
    }
    s.listeners.push_back(listener.value());
  }
  s.phase = Phase::listening;
  return done(0);
}

void Sockets::stop_listening(Socket& s) {
  for (const tcp::ListenerId listener : s.listeners) endpoint_.stop_listening(listener);
  s.listeners.clear();
  for (const int fd : s.queue) {
    const Socket& child = *sockets_.at(fd);
    by_connection_.erase(child.connection.index);
    endpoint_.abort(child.connection);
    sockets_.erase(fd);
  }
  s.queue.clear();
  s.phase = Phase::fresh;
}

Sockets::Attempt Sockets::accept(Socket& s) {
  if (s.phase != Phase::listening) return failed(EINVAL);
  if (s.queue.empty()) return s.nonblocking ? Attempt(failed(EAGAIN)) : std::nullopt;
  const int fd = s.queue.front();
  s.queue.pop_front();
  Socket& child = *sockets_.at(fd);
  child.visible = true;
  Result result = done(fd);
  result.data = write_address(child.family, child.peer);
  return result;
}

Sockets::Attempt Sockets::begin_connect(Socket& s, const SocketAddress& to, Instant now) {
  tcp::OpenRequest request;
  request.remote = to.address;
  request.remote_port = to.port;
  if (!s.bound || is_any(s.local.address)) {
    const auto source = config_.source_for(to.address);
    if (!source) return failed(ENETUNREACH);
    request.local = *source;
  } else {
    request.local = s.local.address;
  }
  request.local_port = s.bound ? s.local.port : std::uint16_t{0};
  const auto profile = endpoint_.add_profile(s.config);
  if (!profile) return failed(ENOBUFS);
  request.profile = profile.value();
  if (to.port == 0) return failed(ECONNREFUSED);
  const tcp::OpenResult opened = endpoint_.connect(request, now);
  if (opened.error != tcp::OpenError::none) return failed(error_of(opened.error));
  const auto status = endpoint_.status(opened.connection);
  s.local = {status->tuple.local, status->tuple.local_port};
  s.bound = true;
  s.peer = to;
  s.connection = opened.connection;
  s.phase = Phase::connecting;
  s.reported = s.peer_closed = s.shut_read = s.shut_write = false;
  s.error = 0;
  for (const auto& [fd, socket] : sockets_) {
    if (socket.get() == &s) by_connection_[opened.connection.index] = fd;
  }
  return std::nullopt;
}

Sockets::Attempt Sockets::connect(Socket& s, Waiting& w, Instant now) {
  if (!w.begun && family_of(w.data) == AF_UNSPEC) {
    disconnect(s);
    return done(0);
  }
  if (!w.begun && s.phase == Phase::fresh) {
    SocketAddress to;
    if (const int error = read_address(s.family, w.data, to)) return failed(error);
    if (Attempt error = begin_connect(s, to, now)) return error;
    return s.nonblocking ? Attempt(failed(EINPROGRESS)) : std::nullopt;
  }
  switch (s.phase) {
    case Phase::fresh:
      return failed(ECONNABORTED);  // somebody disconnected it meanwhile
    case Phase::connecting:
      return s.nonblocking && !w.begun ? Attempt(failed(EALREADY)) : std::nullopt;
    case Phase::listening:
      return failed(EISCONN);
    case Phase::connected:
    case Phase::over:
      break;
  }
  if (s.reported) return failed(EISCONN);
  s.reported = true;
  if (s.phase == Phase::connected) return done(0);
  const int error = take_error(s);
  disconnect(s);
  return failed(error != 0 ? error : ECONNABORTED);
}

void Sockets::disconnect(Socket& s) {
  if (s.phase == Phase::listening) stop_listening(s);
  if (s.phase == Phase::connecting || s.phase == Phase::connected) {
    by_connection_.erase(s.connection.index);
    endpoint_.abort(s.connection);
  }
  s.connection = {};
  s.phase = Phase::fresh;
  s.bound = false;
  s.local = s.peer = {};
  s.reported = s.peer_closed = s.shut_read = s.shut_write = false;
}

Sockets::Attempt Sockets::shutdown(Socket& s, int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return failed(EINVAL);
  const bool reading = how != SHUT_WR;
  switch (s.phase) {
    case Phase::fresh:
    case Phase::over:
      return failed(ENOTCONN);
    case Phase::listening:
      if (reading) {
        const SocketAddress local = s.local;
        stop_listening(s);
        s.local = local;
      }
      return done(0);
    case Phase::connecting:
      disconnect(s);
      return done(0);
    case Phase::connected:
      break;
  }
  if (reading) s.shut_read = true;
  if (how != SHUT_RD && !s.shut_write) {
    s.shut_write = true;
    endpoint_.shutdown(s.connection);
  }
  return done(0);
}

Sockets::Attempt Sockets::close(int fd, Waiting& w, Instant now) {
  const auto it = sockets_.find(fd);
  if (w.begun) {
    // Lingering: the descriptor is gone, and the call returns when all is said or the time is over.
    const bool over = it == sockets_.end() || it->second->phase == Phase::over;
    bool delivered = over;
    if (!over) {
      const auto status = endpoint_.status(it->second->connection);
      delivered = !status || status->state == tcp::State::fin_wait_2;
    }
    if (!delivered && now < *w.until) return std::nullopt;
    if (it != sockets_.end()) {
      by_connection_.erase(it->second->connection.index);
      sockets_.erase(it);
    }
    return done(0);
  }
  if (it == sockets_.end() || !it->second->visible) return failed(EBADF);
  Socket& s = *it->second;
  if (s.phase == Phase::listening) stop_listening(s);
  const bool live = s.phase == Phase::connecting || s.phase == Phase::connected;
  if (live && s.linger && *s.linger == Duration::zero()) {
    endpoint_.abort(s.connection);
  } else if (live) {
    endpoint_.close(s.connection);
    if (s.linger && s.phase == Phase::connected) {
      s.visible = false;
      w.until = now + *s.linger;
      return std::nullopt;
    }
  }
  if (live) by_connection_.erase(s.connection.index);
  sockets_.erase(it);
  return done(0);
}

}  // namespace millrace::agent
