// SPDX-License-Identifier: BSD-3-Clause
//
// The I/O of the agent: accept, recv and send on the Unix socket, none of which waits.
#include "tests/conformance/agent/agent.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace millrace::agent {
namespace {

constexpr Duration kPause = 20us;  // between two looks at the Unix sockets
constexpr int kBufferBytes = 4 << 20;

[[nodiscard]] Error failure(const std::string& path, const char* what) {
  return {ErrorKind::environment,
          "The socket " + path + " could not be " + what + ": " + std::strerror(errno) + ".",
          "name another with --socket"};
}

}  // namespace

millrace::Result<int> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{ErrorKind::usage, "The name of the socket is too long: " + path + ".", {}};
  }
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(path, "made");
  (void)unlink(path.c_str());
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, 64) != 0) {
    const Error error = failure(path, "listened at");
    (void)::close(fd);
    return error;
  }
  return fd;
}

Agent::Agent(tcp::Endpoint& endpoint, SocketsConfig config, int listener)
    : sockets_(endpoint, std::move(config)),
      listener_(listener),
      buffer_(sizeof(RequestHeader) + kMaxDataBytes) {}

Agent::~Agent() {
  for (const auto& [caller, fd] : callers_) (void)::close(fd);
  (void)::close(listener_);
}

void Agent::on_events(tcp::Endpoint& /*endpoint*/, std::span<const tcp::Event> events,
                      Instant now) {
  sockets_.events(events, now);
  write_results();
  if (now - looked_at_ < kPause) return;
  looked_at_ = now;
  read_calls(now);  // first: a tool that went and one that came since are two
  take_new_callers();
  write_results();
}

void Agent::take_new_callers() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
    callers_[next_caller_++] = fd;
  }
}

void Agent::read_calls(Instant now) {
  std::vector<Caller> gone;
  for (const auto& [caller, fd] : callers_) {
    if (!read_call(caller, fd, now)) gone.push_back(caller);
  }
  for (const Caller caller : gone) drop(caller);
}

bool Agent::read_call(Caller caller, int fd, Instant now) {
  const ssize_t got = ::recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  RequestHeader request;
  const auto bytes = static_cast<std::size_t>(got);
  if (bytes < sizeof request) return false;
  std::memcpy(&request, buffer_.data(), sizeof request);
  if (request.data_bytes != bytes - sizeof request) return false;
  sockets_.begin(caller, request, std::span(buffer_).subspan(sizeof request, request.data_bytes),
                 now);
  return true;
}

void Agent::write_results() {
  std::vector<Caller> gone;
  for (const auto& [caller, fd] : callers_) {
    const std::optional<Result> result = sockets_.take_result(caller);
    if (!result) continue;
    const ReplyHeader header{result->value, result->error,
                             static_cast<std::uint32_t>(result->data.size())};
    std::vector<std::byte> record(sizeof header + result->data.size());
    std::memcpy(record.data(), &header, sizeof header);
    if (!result->data.empty()) {
      std::memcpy(record.data() + sizeof header, result->data.data(), result->data.size());
    }
    // One call at a time and a buffer of twenty records: a tool that has no room is no tool.
    const ssize_t sent = ::send(fd, record.data(), record.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != static_cast<ssize_t>(record.size())) gone.push_back(caller);
  }
  for (const Caller caller : gone) drop(caller);
}

void Agent::drop(Caller caller) {
  const auto it = callers_.find(caller);
  (void)::close(it->second);
  callers_.erase(it);
  sockets_.forget(caller);
  if (callers_.empty()) sockets_.abort_all();
}

}  // namespace millrace::agent
