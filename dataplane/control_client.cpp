// SPDX-License-Identifier: BSD-3-Clause
//
// One question to a running instance, and its answer, within 2 s.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include "dataplane/control.h"
#include "dataplane/control_path.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{2};
constexpr std::size_t kMaxReplyBytes = std::size_t{64} << 20;

/// Waits until `fd` is ready for `events`. Signals do not end the wait: net_tap sends them often.
bool wait_for(int fd, short events, Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) return false;
    pollfd p{fd, events, 0};
    const int ready = poll(&p, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

/// errno values after which the call is to be made again once the socket is ready.
bool try_again() { return errno == EAGAIN || errno == EINTR; }

bool send_all(int fd, std::string_view line, Clock::time_point until) {
  while (!line.empty()) {
    const ssize_t sent = send(fd, line.data(), line.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      line.remove_prefix(static_cast<std::size_t>(sent));
    } else if (sent < 0 && try_again()) {
      if (!wait_for(fd, POLLOUT, until)) return false;
    } else {
      // The server may have answered and hung up; its answer says more than our failure.
      return errno == EPIPE || errno == ECONNRESET;
    }
  }
  return true;
}

/// Reads up to the first newline; false if it does not come.
bool receive_line(int fd, std::string& line, Clock::time_point until) {
  char chunk[16 * 1024];
  while (line.size() < kMaxReplyBytes) {
    if (!wait_for(fd, POLLIN, until)) return false;
    const ssize_t got = recv(fd, chunk, sizeof chunk, 0);
    if (got < 0 && try_again()) continue;
    if (got <= 0) return false;
    const std::string_view piece(chunk, static_cast<std::size_t>(got));
    const std::size_t end = piece.find('\n');
    line.append(piece.substr(0, end));
    if (end != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

Result<std::string> control_ask(const std::string& path, const std::string& request) {
  const auto until = Clock::now() + kPatience;
  sockaddr_un address;
  if (!control::make_address(path, address)) {
    return Error{ErrorKind::usage, "control socket path is empty or too long: " + path, {}};
  }
  const control::Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid() ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error{
        ErrorKind::environment, "no running instance at " + path + ": " + std::strerror(errno), {}};
  }
  if (request.find('\n') != std::string::npos) {
    return Error{ErrorKind::usage, "a request to an instance is one line", {}};
  }
  std::string reply;
  if (!send_all(fd.get(), request + "\n", until) || !receive_line(fd.get(), reply, until)) {
    return Error{ErrorKind::failed, "the instance at " + path + " did not answer within 2 s", {}};
  }
  return reply;
}

}  // namespace millrace
