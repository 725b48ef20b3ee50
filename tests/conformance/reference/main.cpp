// SPDX-License-Identifier: BSD-3-Clause
//
// reference_agent: the calls of socket_calls.h on the kernel's own sockets. It is what socket_agent
// is compared with: the same calls must have the same results.
//
//   reference_agent PATH
//
// A thread for each connection of the tool makes its calls one after the other.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/conformance/calls/socket_calls.h"

namespace millrace::agent {
namespace {

/// The kernel's sockets that were opened for the tool. The last of its connections resets them.
class Descriptors {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    ++callers_;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    if (--callers_ != 0) return;
    for (const int fd : open_) {
      const linger none{1, 0};
      (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
      (void)close(fd);
    }
    open_.clear();
  }
  void add(std::int64_t fd) {
    const std::lock_guard lock(mutex_);
    if (fd >= 0) open_.insert(static_cast<int>(fd));
  }
  void remove(int fd) {
    const std::lock_guard lock(mutex_);
    open_.erase(fd);
  }

 private:
  std::mutex mutex_;
  std::set<int> open_;
  int callers_ = 0;
};

std::int64_t make(const RequestHeader& q, std::span<std::byte> in, std::vector<std::byte>& out,
                  Descriptors& descriptors) {
  const auto* address = reinterpret_cast<const sockaddr*>(in.data());
  const auto address_bytes = static_cast<socklen_t>(in.size());
  switch (q.call) {
    case Call::socket: {
      const int fd = socket(q.a, q.b, q.c);
      descriptors.add(fd);
      return fd;
    }
    case Call::bind:
      return bind(q.fd, address, address_bytes);
    case Call::listen:
      return listen(q.fd, q.a);
    case Call::accept: {
      sockaddr_storage peer{};
      socklen_t bytes = sizeof peer;
      const int fd = accept(q.fd, reinterpret_cast<sockaddr*>(&peer), &bytes);
      descriptors.add(fd);
      if (fd >= 0) {
        out.resize(bytes);
        std::memcpy(out.data(), &peer, bytes);
      }
      return fd;
    }
    case Call::connect:
      return connect(q.fd, address, address_bytes);
    case Call::recv: {
      out.resize(std::min<std::size_t>(static_cast<std::uint32_t>(q.a), kMaxDataBytes));
      const ssize_t got = recv(q.fd, out.data(), out.size(), q.b);
      out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
      return got;
    }
    case Call::send:
      return send(q.fd, in.data(), in.size(), q.b | MSG_NOSIGNAL);
    case Call::close:
      descriptors.remove(q.fd);
      return close(q.fd);
    case Call::shutdown:
      return shutdown(q.fd, q.a);
    case Call::getsockopt: {
      auto bytes = static_cast<socklen_t>(q.c);
      out.resize(std::min<std::size_t>(bytes, kMaxDataBytes));
      const int result = getsockopt(q.fd, q.a, q.b, out.data(), &bytes);
      out.resize(result == 0 ? bytes : 0);
      return result;
    }
    case Call::setsockopt:
      return setsockopt(q.fd, q.a, q.b, in.data(), address_bytes);
    case Call::fcntl:
      return fcntl(q.fd, q.a, static_cast<long>(q.b));
    case Call::ioctl: {
      out.resize(sizeof(int));
      const int result = ioctl(q.fd, static_cast<unsigned>(q.a), out.data());
      if (result != 0) out.clear();
      return result;
    }
    case Call::poll: {
      auto* polled = reinterpret_cast<pollfd*>(in.data());
      const int count = poll(polled, in.size() / sizeof(pollfd), q.a);
      out.assign(in.begin(), in.end());
      return count;
    }
  }
  errno = ENOSYS;
  return -1;
}

void serve(int tool, Descriptors& descriptors) {
  constexpr int kBufferBytes = 4 << 20;
  (void)setsockopt(tool, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  std::vector<std::byte> in(sizeof(RequestHeader) + kMaxDataBytes);
  for (;;) {
    const ssize_t got = recv(tool, in.data(), in.size(), 0);
    RequestHeader q;
    if (got < static_cast<ssize_t>(sizeof q)) break;
    std::memcpy(&q, in.data(), sizeof q);
    // A copy, so that addresses and pollfds are where the machine wants them.
    std::vector<std::byte> data(in.begin() + sizeof q, in.begin() + got);
    std::vector<std::byte> out;
    errno = 0;
    ReplyHeader reply;
    reply.value = make(q, data, out, descriptors);
    reply.error = reply.value < 0 ? errno : 0;
    reply.data_bytes = static_cast<std::uint32_t>(out.size());
    std::vector<std::byte> record(sizeof reply + out.size());
    std::memcpy(record.data(), &reply, sizeof reply);
    if (!out.empty()) std::memcpy(record.data() + sizeof reply, out.data(), out.size());
    if (send(tool, record.data(), record.size(), MSG_NOSIGNAL) < 0) break;
  }
  descriptors.end();
  (void)close(tool);
}

int run(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return 2;
  path.copy(address.sun_path, path.size());
  const int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  (void)unlink(address.sun_path);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 64) != 0) {
    std::perror("reference_agent");
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  Descriptors descriptors;
  for (;;) {
    const int tool = accept(listener, nullptr, nullptr);
    if (tool < 0) return 1;
    descriptors.begin();
    std::thread(serve, tool, std::ref(descriptors)).detach();
  }
}

}  // namespace
}  // namespace millrace::agent

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: reference_agent PATH\n", stderr);
    return 2;
  }
  return millrace::agent::run(argv[1]);
}
