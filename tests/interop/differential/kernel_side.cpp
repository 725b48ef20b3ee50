// SPDX-License-Identifier: BSD-3-Clause
//
// System calls: the namespace, the device and the sockets.
#include "tests/interop/differential/kernel_side.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>
#include <system_error>
#include <utility>

#include "tests/interop/differential/ip_packet.h"

namespace millrace::differential {
namespace {

constexpr const char* kDevice = "mrdiff";
constexpr Duration kMoment = 1ms;  // in which the kernel does what it does at once

[[nodiscard]] Instant real_now() {
  timespec t{};
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return Instant{std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec)};
}

void check(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

/// A setting of the thread's namespace.
void set(const std::string& name, const std::string& value) {
  const int fd = open(("/proc/sys/net/" + name).c_str(), O_WRONLY | O_CLOEXEC);
  check(fd, name.c_str());
  const ssize_t n = write(fd, value.data(), value.size());
  (void)::close(fd);
  check(static_cast<int>(n), name.c_str());
}

struct SocketName {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
  [[nodiscard]] sockaddr* address() { return reinterpret_cast<sockaddr*>(&storage); }
};

[[nodiscard]] SocketName name_of(const Address& a, std::uint16_t port) {
  SocketName name;
  if (a.is_v4()) {
    auto* in = reinterpret_cast<sockaddr_in*>(&name.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    in->sin_addr.s_addr = a.to_v4_raw();
    name.bytes = sizeof *in;
  } else {
    auto* in = reinterpret_cast<sockaddr_in6*>(&name.storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    std::memcpy(&in->sin6_addr, a.bytes().data(), 16);
    name.bytes = sizeof *in;
  }
  return name;
}

[[nodiscard]] std::uint16_t port_of(const sockaddr_storage& storage) {
  // At the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

[[nodiscard]] ifreq request_for_device() {
  ifreq request{};
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  return request;
}

[[nodiscard]] int make_device() {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  check(fd, "/dev/net/tun");
  ifreq request = request_for_device();
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  check(ioctl(fd, TUNSETIFF, &request), "TUNSETIFF");
  return fd;
}

void give_addresses(std::uint16_t mtu) {
  const int v4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check(v4, "socket");
  ifreq request = request_for_device();
  request.ifr_mtu = mtu;
  check(ioctl(v4, SIOCSIFMTU, &request), "SIOCSIFMTU");
  const auto set_in = [&](unsigned long what, std::uint32_t network_order) {
    ifreq r = request_for_device();
    auto* in = reinterpret_cast<sockaddr_in*>(&r.ifr_addr);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = network_order;
    check(ioctl(v4, what, &r), "the IPv4 address");
  };
  set_in(SIOCSIFADDR, own_address(false).to_v4_raw());
  set_in(SIOCSIFNETMASK, htonl(0xffff'ff00));
  request = request_for_device();
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  check(ioctl(v4, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
  if (mtu >= 1280) {
    const int v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    in6_ifreq own{};
    std::memcpy(&own.ifr6_addr, own_address(true).bytes().data(), 16);
    own.ifr6_prefixlen = 64;
    own.ifr6_ifindex = static_cast<int>(if_nametoindex(kDevice));
    check(ioctl(v6, SIOCSIFADDR, &own), "the IPv6 address");
    // The kernel makes it usable in a thread of its own.
    SocketName name = name_of(own_address(true), 0);
    for (int i = 0; i < 10'000 && bind(v6, name.address(), name.bytes) != 0; ++i) usleep(1000);
    (void)::close(v6);
  }
  (void)::close(v4);
}

}  // namespace

std::string why_no_kernel_side() {
  if (geteuid() != 0) return "it needs root";
  if (access("/dev/net/tun", R_OK | W_OK) != 0) return "there is no /dev/net/tun";
  return {};
}

KernelSide::KernelSide(const tcp::TcpConfig& config, bool ipv6)
    : ipv6_(ipv6), nagle_(config.nagle), congestion_(congestion_name(config.congestion)) {
  if (congestion_ == "newreno") congestion_ = "reno";
  check(unshare(CLONE_NEWNET), "a new network namespace");
  set("ipv4/tcp_no_metrics_save", "1");
  set("ipv4/tcp_timestamps", config.timestamps ? "1" : "0");
  set("ipv4/tcp_sack", config.sack ? "1" : "0");
  set("ipv4/tcp_window_scaling", config.window_scaling ? "1" : "0");
  set("ipv4/tcp_ecn", config.ecn == tcp::EcnUse::never    ? "0"
                      : config.ecn == tcp::EcnUse::always ? "1"
                                                          : "2");
  if (config.fast_open) fast_open_backlog_ = config.fast_open_backlog;
  set("ipv4/tcp_fastopen", config.fast_open ? "3" : "0");
  set("ipv6/conf/all/accept_dad", "0");
  set("ipv6/conf/default/accept_dad", "0");
  set("ipv6/conf/default/router_solicitations", "0");
  device_ = make_device();
  give_addresses(config.mtu);
}

KernelSide::~KernelSide() {
  for (const Connection& c : connections_) (void)::close(c.fd);
  if (listener_ >= 0) (void)::close(listener_);
  if (device_ >= 0) (void)::close(device_);
}

KernelSide::Connection* KernelSide::find(const FourTuple& tuple) {
  for (auto it = connections_.rbegin(); it != connections_.rend(); ++it) {
    if (it->tuple == tuple && it->fd >= 0) return &*it;
  }
  return nullptr;
}

void KernelSide::prepare(int fd) const {
  const int nodelay = nagle_ ? 0 : 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay);
}

// What a namespace may have for a default is restricted, what a socket of root's may have is not.
int KernelSide::make_socket() const {
  const int fd = socket(ipv6_ ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  check(fd, "socket");
  const int on = 1;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  check(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion_.data(),
                   static_cast<socklen_t>(congestion_.size())),
        "TCP_CONGESTION");
  return fd;
}

void KernelSide::listen(std::uint16_t port, std::uint32_t backlog) {
  listener_ = make_socket();
  SocketName name = name_of(own_address(ipv6_), port);
  check(bind(listener_, name.address(), name.bytes), "bind");
  if (fast_open_backlog_ != 0) {
    check(setsockopt(listener_, IPPROTO_TCP, TCP_FASTOPEN, &fast_open_backlog_, sizeof(int)),
          "TCP_FASTOPEN");
  }
  check(::listen(listener_, static_cast<int>(backlog)), "listen");
}

void KernelSide::unlisten() {
  (void)::close(listener_);
  listener_ = -1;
}

void KernelSide::connect(const FourTuple& tuple, std::span<const std::byte> text) {
  const int fd = make_socket();
  SocketName own = name_of(tuple.local, tuple.local_port);
  check(bind(fd, own.address(), own.bytes), "bind");
  prepare(fd);
  SocketName peer = name_of(tuple.remote, tuple.remote_port);
  ssize_t taken = 0;
  if (fast_open_backlog_ == 0 || text.empty()) {
    (void)::connect(fd, peer.address(), peer.bytes);
  } else {
    taken = sendto(fd, text.data(), text.size(), MSG_FASTOPEN, peer.address(), peer.bytes);
  }
  connections_.push_back({tuple, fd});
  if (!text.empty()) send(tuple, text.subspan(static_cast<std::size_t>(std::max(taken, 0L))));
}

void KernelSide::accept_all() {
  while (listener_ >= 0) {
    sockaddr_storage peer{};
    socklen_t bytes = sizeof peer;
    const int fd = accept4(listener_, reinterpret_cast<sockaddr*>(&peer), &bytes,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    prepare(fd);
    sockaddr_storage own{};
    bytes = sizeof own;
    (void)getsockname(fd, reinterpret_cast<sockaddr*>(&own), &bytes);
    connections_.push_back(
        {{own_address(ipv6_), peer_address(ipv6_), port_of(own), port_of(peer)}, fd});
  }
}

void KernelSide::inject(const Packet& packet) {
  const std::vector<std::byte> bytes = to_bytes(packet);
  check(static_cast<int>(write(device_, bytes.data(), bytes.size())), "the tun device");
  pump(real_now() + kMoment);
}

void KernelSide::send(const FourTuple& tuple, std::span<const std::byte> bytes) {
  Connection* c = find(tuple);
  if (c == nullptr) return;
  c->unsent.insert(c->unsent.end(), bytes.begin(), bytes.end());
  work_sockets();
}

void KernelSide::read(const FourTuple& tuple, std::size_t bytes) {
  const Connection* c = find(tuple);
  if (c == nullptr) return;
  std::vector<std::byte> buffer(bytes);
  (void)recv(c->fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
}

void KernelSide::shutdown(const FourTuple& tuple) {
  if (const Connection* c = find(tuple)) (void)::shutdown(c->fd, SHUT_WR);
}

void KernelSide::close(const FourTuple& tuple) {
  if (Connection* c = find(tuple)) (void)::close(std::exchange(c->fd, -1));
}

void KernelSide::abort(const FourTuple& tuple) {
  Connection* c = find(tuple);
  if (c == nullptr) return;
  const linger none{1, 0};
  (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(tuple);
}

void KernelSide::nodelay(const FourTuple& tuple, bool on) {
  const int value = on ? 1 : 0;
  if (const Connection* c = find(tuple)) {
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
  }
}

void KernelSide::reading(bool on) { reading_ = on; }

void KernelSide::pass(Duration time) { pump(real_now() + std::max(time, kMoment)); }

bool KernelSide::read_device() {
  std::array<std::byte, 65'536> packet;
  const ssize_t n = ::read(device_, packet.data(), packet.size());
  if (n <= 0) return false;
  auto got = from_packet(std::span(packet).first(static_cast<std::size_t>(n)));
  if (got) sent_.push_back(*std::move(got));
  return true;
}

void KernelSide::work_sockets() {
  accept_all();
  for (Connection& c : connections_) {
    if (c.fd < 0) continue;
    const int on = 1;  // the kernel forgets it from time to time
    (void)setsockopt(c.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    std::array<std::byte, 65'536> buffer;
    while (reading_ && recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
    }
    if (c.unsent.empty()) continue;
    const ssize_t n = ::send(c.fd, c.unsent.data(), c.unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) c.unsent.erase(c.unsent.begin(), c.unsent.begin() + n);
  }
}

void KernelSide::pump(Instant until) {
  for (;;) {
    while (read_device()) {
    }
    work_sockets();
    const Duration left = until - real_now();
    if (left <= Duration::zero()) break;
    pollfd device{device_, POLLIN, 0};
    const timespec wait{left / Duration(1s), (left % Duration(1s)).count()};
    (void)ppoll(&device, 1, &wait, nullptr);
  }
  while (read_device()) {
  }
}

std::vector<Packet> KernelSide::take() { return std::exchange(sent_, {}); }

}  // namespace millrace::differential
