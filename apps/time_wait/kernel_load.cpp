// SPDX-License-Identifier: BSD-3-Clause
//
// A child process enters a namespace of its own, makes the connections, and writes what it found
// into a pipe, a number a word.
#include "apps/time_wait/kernel_load.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

namespace millrace::time_wait {
namespace {

constexpr std::uint16_t kServerPort = 8080;
constexpr std::uint32_t kFirstPort = 1024;
constexpr std::uint32_t kLastPort = 65'535;
constexpr std::uint32_t kAgain = 3;         // opens at the end, of any port
constexpr std::uint32_t kLookEvery = 5000;  // connections between two points of the curve

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) (void)::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

sockaddr_in server_of(std::uint32_t n) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kServerPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + n);
  return address;
}

const sockaddr* plain(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// The word behind `key` in the line of /proc that begins with `line`.
std::uint64_t word_behind(const std::string& path, const std::string& line,
                          const std::string& key) {
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    if (!text.starts_with(line)) continue;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      if (word != key) continue;
      std::uint64_t value = 0;
      words >> value;
      return value;
    }
  }
  return 0;
}

std::uint64_t entries_now() { return word_behind("/proc/thread-self/net/sockstat", "TCP:", "tw"); }

/// /proc/net/netstat has a line of names and one of values.
std::uint64_t overflows_now() {
  std::ifstream file("/proc/thread-self/net/netstat");
  std::string names;
  std::string values;
  while (std::getline(file, names) && std::getline(file, values)) {
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    std::string value;
    for (std::string name; name_words >> name && value_words >> value;) {
      if (name == "TCPTimeWaitOverflow") return std::stoull(value);
    }
  }
  return 0;
}

std::uint64_t entry_bytes() {
  std::ifstream file("/proc/slabinfo");
  for (std::string name; file >> name;) {
    std::uint64_t active = 0;
    std::uint64_t all = 0;
    std::uint64_t size = 0;
    if (name == "tw_sock_TCP" && file >> active >> all >> size) return size;
    std::getline(file, name);
  }
  return 0;
}

std::uint64_t number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  file >> value;
  return value;
}

bool write_setting(const std::string& path, const std::string& value) {
  std::ofstream file(path);
  file << value << std::flush;
  return file.good();
}

bool raise_loopback() {
  const Socket any(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (!any.ok() || ::ioctl(any.fd(), SIOCGIFFLAGS, &request) != 0) return false;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ::ioctl(any.fd(), SIOCSIFFLAGS, &request) == 0;
}

/// Empty, or what is not there.
std::string enter_namespace() {
  if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return fmt::format("a network namespace cannot be made: {}", std::strerror(errno));
  }
  if (!raise_loopback()) return "the loopback of a new network namespace cannot be raised";
  const std::string base = "/proc/sys/net/ipv4/";
  if (!write_setting(base + "ip_local_port_range", "1024 65535") ||
      !write_setting(base + "tcp_tw_reuse", "0")) {
    return "the settings of a new network namespace cannot be written";
  }
  return {};
}

/// One connection from `port`, closed by the client first; false where that port is not to be had.
/// Ports are named, because the kernel's search for a free one takes longer the fewer there are; 0
/// makes it search. (Who names a port may have it out of TIME_WAIT whatever tcp_tw_reuse says.)
bool make_one(const Socket& listener, std::uint16_t port, const sockaddr_in& to) {
  std::optional<Socket> client(std::in_place, ::socket(AF_INET, SOCK_STREAM, 0));
  const int on = 1;
  sockaddr_in from = server_of(0);
  from.sin_port = htons(port);
  if (!client->ok() || ::setsockopt(client->fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(client->fd(), plain(from), sizeof from) != 0 ||
      ::connect(client->fd(), plain(to), sizeof to) != 0) {
    return false;
  }
  const Socket server(::accept(listener.fd(), nullptr, nullptr));
  client.reset();
  char end = 0;
  return server.ok() && ::recv(server.fd(), &end, 1, 0) == 0;
}

std::string run_load(const KernelLoad& load) {
  if (std::string missing = enter_namespace(); !missing.empty()) return "! " + missing;
  const Socket listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in any = server_of(0);
  any.sin_addr.s_addr = INADDR_ANY;
  if (!listener.ok() || ::bind(listener.fd(), plain(any), sizeof any) != 0 ||
      ::listen(listener.fd(), 16) != 0) {
    return "! the server's socket cannot listen";
  }
  std::string curve;
  std::uint64_t made = 0;
  std::uint64_t again = 0;
  // Every port towards every address; the one that the server listens on is not the client's.
  for (std::uint32_t port = kFirstPort; port <= kLastPort && made < load.connections; ++port) {
    for (std::uint32_t n = 0; n < load.addresses && made < load.connections; ++n) {
      if (!make_one(listener, static_cast<std::uint16_t>(port), server_of(n))) continue;
      if (++made % kLookEvery == 0) curve += fmt::format(" {} {}", made, entries_now());
    }
  }
  for (std::uint32_t i = 0; load.addresses == 1 && i < kAgain; ++i) {
    again += make_one(listener, 0, server_of(0)) ? 1U : 0U;
  }
  return fmt::format("{} {} {} {} {} {} {}{}", made, kLastPort - kFirstPort, again, entries_now(),
                     overflows_now(), number_in("/proc/sys/net/ipv4/tcp_max_tw_buckets"),
                     entry_bytes(), curve);
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> piece;
  for (ssize_t got = 0; (got = ::read(fd, piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return text;
}

Error no_kernel(const std::string& why) {
  return {ErrorKind::environment, why,
          "run it as root, or where unprivileged namespaces are allowed"};
}

}  // namespace

Result<KernelFound> load_kernel(const KernelLoad& load) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return no_kernel("no pipe can be made");
  const pid_t child = ::fork();
  if (child == 0) {
    (void)::close(ends[0]);
    const std::string text = run_load(load);
    const bool whole =
        ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::_exit(whole ? 0 : 1);
  }
  (void)::close(ends[1]);
  const std::string text = child > 0 ? read_all(ends[0]) : std::string();
  (void)::close(ends[0]);
  if (child > 0) (void)::waitpid(child, nullptr, 0);
  if (text.starts_with("! ")) return no_kernel(text.substr(2));
  std::istringstream words(text);
  KernelFound found;
  words >> found.made >> found.ports >> found.again >> found.entries >> found.overflows >>
      found.max_buckets >> found.entry_bytes;
  if (!words) return no_kernel("the process that loads the kernel said nothing");
  for (std::pair<std::uint64_t, std::uint64_t> point; words >> point.first >> point.second;) {
    found.curve.push_back(point);
  }
  return found;
}

}  // namespace millrace::time_wait
