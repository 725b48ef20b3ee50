// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes and what there is of them: recv, send, ioctl, poll. Unread bytes stay in the endpoint, so
// that the window closes as it would for any application.
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/conformance/agent/sockets.h"

namespace millrace::agent {

using Phase = Socket::Phase;

bool Sockets::has_fin(const Socket& s) const {
  if (s.peer_closed) return true;
  const auto status = endpoint_.status(s.connection);
  if (!status) return false;
  switch (status->state) {
    case tcp::State::closed:  // over, but for what is unread
    case tcp::State::close_wait:
    case tcp::State::closing:
    case tcp::State::last_ack:
    case tcp::State::time_wait:
      return true;
    case tcp::State::listen:
    case tcp::State::syn_sent:
    case tcp::State::syn_received:
    case tcp::State::established:
    case tcp::State::fin_wait_1:
    case tcp::State::fin_wait_2:
      return false;
  }
  return false;
}

std::uint32_t Sockets::unread(const Socket& s) const {
  const auto status = endpoint_.status(s.connection);
  return status ? status->unread_bytes : 0;
}

Sockets::Attempt Sockets::recv(Socket& s, Waiting& w) {
  const RequestHeader& q = w.request;
  if ((q.b & MSG_OOB) != 0) return failed(EINVAL);
  if (q.a < 0) return failed(EINVAL);
  if (s.phase == Phase::fresh || s.phase == Phase::listening) return failed(ENOTCONN);
  const std::size_t wanted = std::min<std::size_t>(static_cast<std::uint32_t>(q.a), kMaxDataBytes);
  const bool peek = (q.b & MSG_PEEK) != 0;
  const bool blocks = !s.nonblocking && (q.b & MSG_DONTWAIT) == 0;
  const auto enough = [&] { return w.gathered.size() == wanted || (peek && !w.gathered.empty()); };
  if (wanted == 0) return done(0);
  while (!enough()) {
    const std::span<const std::byte> bytes = endpoint_.readable(s.connection);
    if (bytes.empty()) break;
    const auto part = bytes.first(std::min(bytes.size(), wanted - w.gathered.size()));
    w.gathered.insert(w.gathered.end(), part.begin(), part.end());
    if (!peek) endpoint_.consume(s.connection, part.size());
  }
  const bool all = (q.b & MSG_WAITALL) != 0 && blocks && !peek;
  const bool at_end = s.error != 0 || s.phase == Phase::over || s.shut_read || has_fin(s);
  if (enough() || (!w.gathered.empty() && (!all || at_end))) {
    Result result = done(static_cast<std::int64_t>(w.gathered.size()));
    result.data = std::move(w.gathered);
    return result;
  }
  if (!w.gathered.empty()) return std::nullopt;
  if (s.error != 0) return failed(take_error(s));
  if (at_end) return done(0);
  return blocks ? std::nullopt : Attempt(failed(EAGAIN));
}

Sockets::Attempt Sockets::send(Socket& s, Waiting& w) {
  const bool blocks = !s.nonblocking && (w.request.b & MSG_DONTWAIT) == 0;
  const auto stop = [&](int error) {
    // What was taken before counts; the trouble is for the next call.
    if (w.progress != 0) return done(static_cast<std::int64_t>(w.progress));
    return failed(error);
  };
  if ((w.request.b & MSG_OOB) != 0) return failed(EOPNOTSUPP);
  if (s.error != 0) return w.progress != 0 ? stop(0) : failed(take_error(s));
  switch (s.phase) {
    case Phase::connecting:
      return blocks ? std::nullopt : Attempt(failed(EAGAIN));
    case Phase::fresh:
    case Phase::listening:
    case Phase::over:
      return stop(EPIPE);
    case Phase::connected:
      break;
  }
  if (s.shut_write) return stop(EPIPE);
  const auto rest = std::span<const std::byte>(w.data).subspan(w.progress);
  w.progress += endpoint_.send(s.connection, rest, tcp::Lifetime::copied);
  if (w.progress == w.data.size()) return done(static_cast<std::int64_t>(w.progress));
  return blocks ? std::nullopt : Attempt(stop(EAGAIN));
}

Sockets::Attempt Sockets::ioctl(const Socket& s, int request) const {
  if (request != SIOCINQ && request != SIOCOUTQ) return failed(ENOTTY);
  if (s.phase == Phase::listening) return failed(EINVAL);
  std::uint32_t bytes = 0;
  if (const auto status = endpoint_.status(s.connection); status && s.phase != Phase::fresh) {
    const tcp::State state = status->state;
    const bool fin_out = state == tcp::State::fin_wait_1 || state == tcp::State::closing ||
                         state == tcp::State::last_ack;
    const bool opening = state == tcp::State::syn_sent;
    if (request == SIOCINQ) {
      bytes = status->unread_bytes;
    } else if (!opening) {
      bytes = status->unacked_bytes + (fin_out ? 1 : 0);
    }
  }
  Result result = done(0);
  result.data.resize(sizeof(int));
  std::memcpy(result.data.data(), &bytes, sizeof bytes);
  return result;
}

short Sockets::poll_events(const Socket& s) const {
  constexpr short kReadable = POLLIN | POLLRDNORM;
  constexpr short kWritable = POLLOUT | POLLWRNORM;
  const auto with = [](int bits) { return static_cast<short>(bits); };
  switch (s.phase) {
    case Phase::fresh:
      return with(POLLHUP | kWritable);
    case Phase::listening:
      return s.queue.empty() ? short{0} : kReadable;
    case Phase::connecting:
      return 0;
    case Phase::over:
      return with(POLLHUP | POLLRDHUP | kReadable | kWritable | (s.error != 0 ? POLLERR : 0));
    case Phase::connected:
      break;
  }
  const bool no_more = s.shut_read || has_fin(s);
  int bits = 0;
  if (no_more) bits |= kReadable | POLLRDHUP;
  if (no_more && s.shut_write) bits |= POLLHUP;
  if (unread(s) != 0) bits |= kReadable;
  // A third of the buffer is what a writable event waits for, too.
  const auto status = endpoint_.status(s.connection);
  if (s.shut_write || !status ||
      endpoint_.send_space(s.connection) >= status->send_buffer_bytes / 3) {
    bits |= kWritable;
  }
  if (s.error != 0) bits |= POLLERR;
  return with(bits);
}

Sockets::Attempt Sockets::poll(Waiting& w, Instant now) {
  if (w.data.size() % sizeof(pollfd) != 0) return failed(EINVAL);
  std::vector<pollfd> polled(w.data.size() / sizeof(pollfd));
  if (!polled.empty()) std::memcpy(polled.data(), w.data.data(), w.data.size());
  std::int64_t count = 0;
  for (pollfd& p : polled) {
    p.revents = 0;
    if (p.fd < 0) continue;
    constexpr int kAlways = POLLERR | POLLHUP;
    const Socket* s = find(p.fd);
    p.revents =
        s == nullptr ? short{POLLNVAL} : static_cast<short>(poll_events(*s) & (p.events | kAlways));
    if (p.revents != 0) ++count;
  }
  if (!w.until && w.request.a >= 0) w.until = now + std::chrono::milliseconds(w.request.a);
  if (count == 0 && (!w.until || now < *w.until)) return std::nullopt;
  Result result = done(count);
  result.data.resize(w.data.size());
  if (!polled.empty()) std::memcpy(result.data.data(), polled.data(), result.data.size());
  return result;
}

}  // namespace millrace::agent
