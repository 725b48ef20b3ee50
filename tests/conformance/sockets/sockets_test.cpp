// SPDX-License-Identifier: BSD-3-Clause
//
// Socket calls over two endpoints joined by function calls, on a virtual clock: what each call
// returns, when it blocks, and what its errno is. The same calls on the kernel's own sockets are
// compared in tests/interop/test_socket_agent.py.
#include "tests/conformance/agent/sockets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "tests/support/endpoint_pair.h"

namespace millrace::agent {
namespace {

using Bytes = std::vector<std::byte>;

[[nodiscard]] Bytes bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}
[[nodiscard]] std::string text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
template <typename T>
[[nodiscard]] Bytes raw(const T& value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
template <typename T>
[[nodiscard]] T read(const Bytes& bytes) {
  T value{};
  EXPECT_EQ(bytes.size(), sizeof value);
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

[[gnu::noinline]] tcp::EndpointConfig config(std::uint64_t seed) {
  tcp::EndpointConfig c;
  c.max_connections = 64;
  c.max_half_open = 64;
  c.max_time_wait = 64;
  c.secrets = test::fixed_secrets(seed);
  return c;
}

/// The application of one end: a table of sockets.
class Host final : public tcp::App {
 public:
  void on_events(tcp::Endpoint&, std::span<const tcp::Event> events, Instant now) override {
    sockets->events(events, now);
  }
  std::unique_ptr<Sockets> sockets;
};

class SocketCalls : public testing::TestWithParam<bool> {
 protected:
  SocketCalls() {
    for (unsigned i = 0; i < 2; ++i) {
      SocketsConfig config;
      config.addresses = {address(false, i + 1), address(true, i + 1)};
      config.source_for = [i](const Address& remote) -> std::optional<Address> {
        const auto& b = remote.bytes();
        const bool near = remote.is_v4() ? (remote.to_v4() >> 8) == 0xC61200
                                         : b[0] == 0x20 && b[1] == 0x01 && b[3] == 0x02;
        if (!near) return std::nullopt;
        return address(!remote.is_v4(), i + 1);
      };
      hosts[i].sockets = std::make_unique<Sockets>(i == 0 ? pair.client() : pair.server(), config);
    }
  }
  static Address address(bool ipv6, unsigned host) {
    if (!ipv6) return Address::v4(0xC6120000U + host);
    return Address::v6(
        {0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(host)});
  }
  [[nodiscard]] int family() const { return GetParam() ? AF_INET6 : AF_INET; }
  [[nodiscard]] Bytes name(unsigned host, std::uint16_t port) const {
    return write_address(family(), {host == 0 ? Address{} : address(GetParam(), host), port});
  }

  /// Begins a call on host 0 or 1; the result may be there at once.
  void begin(unsigned host, Call call, int fd, int a = 0, int b = 0, int c = 0, Bytes data = {},
             Caller caller = 0) {
    const RequestHeader q{call, fd, a, b, c, static_cast<std::uint32_t>(data.size())};
    hosts[host].sockets->begin(caller, q, data, pair.now());
  }
  [[nodiscard]] std::optional<Result> take(unsigned host, Caller caller = 0) {
    return hosts[host].sockets->take_result(caller);
  }
  /// A call that has its result within ten seconds of virtual time.
  Result call(unsigned host, Call what, int fd, int a = 0, int b = 0, int c = 0, Bytes data = {}) {
    begin(host, what, fd, a, b, c, std::move(data), 9);
    for (int i = 0; i < 10'000; ++i) {
      if (auto result = take(host, 9)) return *std::move(result);
      pair.pass(1ms);
    }
    ADD_FAILURE() << "call " << static_cast<int>(what) << " blocks";
    return {-1, ETIME, {}};
  }
  void expect_error(unsigned host, int error, Call what, int fd, int a = 0, int b = 0, int c = 0,
                    Bytes data = {}) {
    const Result r = call(host, what, fd, a, b, c, std::move(data));
    EXPECT_EQ(r.value, -1);
    EXPECT_EQ(r.error, error) << strerrorname_np(r.error);
  }
  void expect_good(unsigned host, Call what, int fd, int a = 0, int b = 0, int c = 0,
                   Bytes data = {}) {
    const Result r = call(host, what, fd, a, b, c, std::move(data));
    EXPECT_EQ(r.value, 0) << strerrorname_np(r.error);
  }
  void expect_blocked(unsigned host, Caller caller = 0) {
    pair.pass(1s);
    EXPECT_FALSE(take(host, caller).has_value());
  }

  int open(unsigned host) {
    return static_cast<int>(call(host, Call::socket, -1, family(), SOCK_STREAM).value);
  }
  int listener(std::uint16_t port = 80) {
    const int fd = open(1);
    expect_good(1, Call::bind, fd, 0, 0, 0, name(0, port));
    expect_good(1, Call::listen, fd, 5);
    return fd;
  }
  struct Ends {
    int listener, client, server;
  };
  Ends connected() {
    Ends e{};
    e.listener = listener();
    e.client = open(0);
    expect_good(0, Call::connect, e.client, 0, 0, 0, name(2, 80));
    e.server = static_cast<int>(call(1, Call::accept, e.listener).value);
    EXPECT_GE(e.server, 3);
    return e;
  }
  void nonblocking(unsigned host, int fd) {
    expect_good(host, Call::fcntl, fd, F_SETFL, O_RDWR | O_NONBLOCK);
  }
  std::int64_t send(unsigned host, int fd, const std::string& text) {
    return call(host, Call::send, fd, 0, 0, 0, bytes_of(text)).value;
  }
  std::string recv(unsigned host, int fd, int length = 1000, int flags = 0) {
    return text_of(call(host, Call::recv, fd, length, flags).data);
  }
  int option(unsigned host, int fd, int level, int which) {
    return read<int>(call(host, Call::getsockopt, fd, level, which, 4).data);
  }
  int amount(unsigned host, int fd, int which) {
    return read<int>(call(host, Call::ioctl, fd, which).data);
  }
  short polled(unsigned host, int fd, int timeout_ms = 0) {
    constexpr short kAll = POLLIN | POLLOUT | POLLRDHUP;
    const Result r = call(host, Call::poll, -1, timeout_ms, 0, 0, raw(pollfd{fd, kAll, 0}));
    const short got = read<pollfd>(r.data).revents;
    EXPECT_EQ(r.value, got == 0 ? 0 : 1);
    return got;
  }

  Host hosts[2];
  test::EndpointPair pair{config(1), hosts[0], config(2), hosts[1]};
};
INSTANTIATE_TEST_SUITE_P(Families, SocketCalls, testing::Values(false, true),
                         [](const auto& family) { return family.param ? "v6" : "v4"; });

TEST_P(SocketCalls, ConnectAcceptEchoClose) {
  const Ends e = connected();
  EXPECT_EQ(send(0, e.client, "ping"), 4);
  EXPECT_EQ(recv(1, e.server), "ping");
  EXPECT_EQ(send(1, e.server, "pong"), 4);
  EXPECT_EQ(recv(0, e.client), "pong");
  expect_good(0, Call::close, e.client);
  EXPECT_EQ(recv(1, e.server), "");
  expect_good(1, Call::close, e.server);
  expect_good(1, Call::close, e.listener);
  pair.pass(1s);
  EXPECT_EQ(pair.client().states().of(tcp::State::time_wait), 1u);
  EXPECT_EQ(pair.server().states().of(tcp::State::listen), 0u);
  EXPECT_EQ(hosts[0].sockets->open_count() + hosts[1].sockets->open_count(), 0u);
}

TEST_P(SocketCalls, AcceptTellsThePeersAddress) {
  const int l = listener();
  const int c = open(0);
  expect_good(0, Call::bind, c, 0, 0, 0, name(1, 5555));
  begin(1, Call::accept, l);
  expect_blocked(1);
  expect_good(0, Call::connect, c, 0, 0, 0, name(2, 80));
  pair.pass(1ms);
  const auto accepted = take(1);
  ASSERT_TRUE(accepted.has_value());
  EXPECT_EQ(accepted->data, name(1, 5555));
}

TEST_P(SocketCalls, UnknownDescriptorsAndKinds) {
  for (const Call call :
       {Call::bind, Call::listen, Call::accept, Call::connect, Call::recv, Call::send, Call::close,
        Call::shutdown, Call::getsockopt, Call::setsockopt, Call::fcntl, Call::ioctl}) {
    expect_error(0, EBADF, call, 77);
  }
  expect_error(0, ENOSYS, static_cast<Call>(15), open(0));
  expect_error(0, EAFNOSUPPORT, Call::socket, -1, AF_UNIX, SOCK_STREAM);
  expect_error(0, ESOCKTNOSUPPORT, Call::socket, -1, family(), SOCK_DGRAM);
  expect_error(0, EPROTONOSUPPORT, Call::socket, -1, family(), SOCK_STREAM, IPPROTO_UDP);
  const auto fd = call(0, Call::socket, -1, family(), SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
  EXPECT_EQ(call(0, Call::fcntl, static_cast<int>(fd.value), F_GETFL).value, O_RDWR | O_NONBLOCK);
}

TEST_P(SocketCalls, BindAndListenRefuse) {
  const int a = open(1);
  expect_error(1, EINVAL, Call::bind, a, 0, 0, 0, Bytes(4));
  expect_error(1, EADDRNOTAVAIL, Call::bind, a, 0, 0, 0, name(9, 80));
  expect_good(1, Call::bind, a, 0, 0, 0, name(2, 80));
  expect_error(1, EINVAL, Call::bind, a, 0, 0, 0, name(2, 81));
  const int b = open(1);
  expect_error(1, EADDRINUSE, Call::bind, b, 0, 0, 0, name(2, 80));
  expect_error(1, EADDRINUSE, Call::bind, b, 0, 0, 0, name(0, 80));
  expect_good(1, Call::listen, a, 1);
  const int on = 1;
  expect_good(1, Call::setsockopt, a, SOL_SOCKET, SO_REUSEADDR, 0, raw(on));
  expect_good(1, Call::setsockopt, b, SOL_SOCKET, SO_REUSEADDR, 0, raw(on));
  expect_error(1, EADDRINUSE, Call::bind, b, 0, 0, 0, name(2, 80));  // somebody listens
  const int other = family() == AF_INET ? AF_INET6 : AF_INET;
  const int c = open(1);
  expect_error(1, other == AF_INET ? EINVAL : EAFNOSUPPORT, Call::bind, c, 0, 0, 0,
               write_address(other, {{}, 90}));
  expect_good(1, Call::bind, c, 0, 0, 0, name(0, 0));
  const int d = open(1);
  expect_good(1, Call::listen, d, 1);
  expect_good(1, Call::listen, d, 2);
}

TEST_P(SocketCalls, TwoBoundWithReuseOneListens) {
  const int on = 1;
  int fds[2];
  for (int& fd : fds) {
    fd = open(1);
    expect_good(1, Call::setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, 0, raw(on));
    expect_good(1, Call::bind, fd, 0, 0, 0, name(0, 80));
  }
  expect_good(1, Call::listen, fds[0], 1);
  expect_error(1, EADDRINUSE, Call::listen, fds[1], 1);
  expect_good(1, Call::close, fds[0]);
  expect_good(1, Call::listen, fds[1], 1);
}

TEST_P(SocketCalls, ConnectIsRefused) {
  const int c = open(0);
  expect_error(0, ECONNREFUSED, Call::connect, c, 0, 0, 0, name(2, 81));
  (void)listener();
  expect_good(0, Call::connect, c, 0, 0, 0, name(2, 80));  // the socket is as new
  expect_error(0, EISCONN, Call::connect, c, 0, 0, 0, name(2, 80));
}

TEST_P(SocketCalls, ConnectToNowhere) {
  const int c = open(0);
  Bytes far = write_address(AF_INET, {Address::v4(0x08080808), 80});
  if (GetParam()) {
    far = write_address(AF_INET6, {Address::v6({0x24, 1}), 80});
  }
  expect_error(0, ENETUNREACH, Call::connect, c, 0, 0, 0, far);
  expect_error(0, EINVAL, Call::connect, c, 0, 0, 0, Bytes(1));
}

TEST_P(SocketCalls, NonblockingConnect) {
  const int c = open(0);
  const int l = listener();
  nonblocking(0, c);
  begin(0, Call::connect, c, 0, 0, 0, name(2, 80));
  EXPECT_EQ(take(0)->error, EINPROGRESS);
  begin(0, Call::connect, c, 0, 0, 0, name(2, 80));
  EXPECT_EQ(take(0)->error, EALREADY);
  begin(0, Call::send, c, 0, 0, 0, bytes_of("x"));
  EXPECT_EQ(take(0)->error, EAGAIN);
  begin(0, Call::recv, c, 10);
  EXPECT_EQ(take(0)->error, EAGAIN);
  EXPECT_EQ(polled(0, c, 1000) & POLLOUT, POLLOUT);
  EXPECT_EQ(option(0, c, SOL_SOCKET, SO_ERROR), 0);
  expect_good(0, Call::connect, c, 0, 0, 0, name(2, 80));  // tells how it ended, once
  expect_error(0, EISCONN, Call::connect, c, 0, 0, 0, name(2, 80));
  EXPECT_GE(call(1, Call::accept, l).value, 3);
}

TEST_P(SocketCalls, NonblockingConnectThatFails) {
  const int c = open(0);
  nonblocking(0, c);
  expect_error(0, EINPROGRESS, Call::connect, c, 0, 0, 0, name(2, 80));
  EXPECT_EQ(polled(0, c, 1000), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
  EXPECT_EQ(option(0, c, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(option(0, c, SOL_SOCKET, SO_ERROR), 0);
  expect_error(0, ECONNABORTED, Call::connect, c, 0, 0, 0, name(2, 80));
  expect_error(0, EINPROGRESS, Call::connect, c, 0, 0, 0, name(2, 80));
}

TEST_P(SocketCalls, ReadingBeforeThereIsAConnection) {
  const int c = open(0);
  expect_error(0, ENOTCONN, Call::recv, c, 10);
  expect_error(0, EPIPE, Call::send, c, 0, 0, 0, bytes_of("x"));
  expect_error(0, ENOTCONN, Call::shutdown, c, SHUT_WR);
  expect_error(0, EINVAL, Call::accept, c);
  EXPECT_EQ(polled(0, c), POLLOUT | POLLHUP);
  EXPECT_EQ(amount(0, c, SIOCINQ), 0);
  const int l = listener();
  expect_error(1, ENOTCONN, Call::recv, l, 10);
  expect_error(1, EPIPE, Call::send, l, 0, 0, 0, bytes_of("x"));
  expect_error(1, EINVAL, Call::ioctl, l, SIOCINQ);
  expect_error(1, EISCONN, Call::connect, l, 0, 0, 0, name(1, 80));
  EXPECT_EQ(polled(1, l), 0);
}

TEST_P(SocketCalls, AcceptWithoutWaiting) {
  const int l = listener();
  nonblocking(1, l);
  expect_error(1, EAGAIN, Call::accept, l);
  const int c = open(0);
  expect_good(0, Call::connect, c, 0, 0, 0, name(2, 80));
  pair.pass(1ms);
  EXPECT_EQ(polled(1, l), POLLIN);
  const auto s = static_cast<int>(call(1, Call::accept, l).value);
  EXPECT_EQ(call(1, Call::fcntl, s, F_GETFL).value, O_RDWR) << "not inherited";
  EXPECT_EQ(option(1, l, SOL_SOCKET, SO_ACCEPTCONN), 1);
  EXPECT_EQ(option(1, s, SOL_SOCKET, SO_ACCEPTCONN), 0);
}

TEST_P(SocketCalls, RecvBlocksForItsOwnCallerAlone) {
  const Ends e = connected();
  begin(0, Call::recv, e.client, 10, 0, 0, {}, 1);
  expect_blocked(0, 1);
  EXPECT_EQ(send(0, e.client, "others go on"), 12);
  EXPECT_EQ(send(1, e.server, "now"), 3);
  pair.pass(1ms);
  const auto result = take(0, 1);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(text_of(result->data), "now");
}

TEST_P(SocketCalls, PeekDontwaitWaitall) {
  const Ends e = connected();
  expect_error(0, EAGAIN, Call::recv, e.client, 10, MSG_DONTWAIT);
  (void)send(1, e.server, "abcdef");
  pair.pass(1ms);
  EXPECT_EQ(recv(0, e.client, 3, MSG_PEEK), "abc");
  EXPECT_EQ(amount(0, e.client, SIOCINQ), 6);
  EXPECT_EQ(recv(0, e.client, 2), "ab");
  EXPECT_EQ(amount(0, e.client, SIOCINQ), 4);
  begin(0, Call::recv, e.client, 8, MSG_WAITALL);
  expect_blocked(0);
  (void)send(1, e.server, "ghijk");
  pair.pass(1ms);
  EXPECT_EQ(text_of(take(0)->data), "cdefghij");
  begin(0, Call::recv, e.client, 8, MSG_WAITALL);
  expect_blocked(0);
  expect_good(1, Call::shutdown, e.server, SHUT_WR);
  pair.pass(1ms);
  EXPECT_EQ(text_of(take(0)->data), "k");
  expect_error(0, EINVAL, Call::recv, e.client, 8, MSG_OOB);
}

TEST_P(SocketCalls, HalfCloseBothWays) {
  const Ends e = connected();
  expect_good(0, Call::shutdown, e.client, SHUT_WR);
  expect_error(0, EPIPE, Call::send, e.client, 0, 0, 0, bytes_of("x"));
  EXPECT_EQ(recv(1, e.server), "");
  EXPECT_EQ(send(1, e.server, "still"), 5);
  EXPECT_EQ(recv(0, e.client), "still");
  EXPECT_EQ(polled(0, e.client), POLLOUT);
  EXPECT_EQ(polled(1, e.server), POLLIN | POLLOUT | POLLRDHUP);
  expect_good(1, Call::shutdown, e.server, SHUT_RDWR);
  EXPECT_EQ(recv(0, e.client), "");
  expect_error(0, ENOTCONN, Call::shutdown, e.client, SHUT_WR);
  expect_error(0, EINVAL, Call::shutdown, e.client, 3);
}

TEST_P(SocketCalls, ShutdownOfReadingEndsReads) {
  const Ends e = connected();
  begin(0, Call::recv, e.client, 10, 0, 0, {}, 1);
  expect_good(0, Call::shutdown, e.client, SHUT_RD);
  EXPECT_EQ(take(0, 1)->value, 0);
  EXPECT_EQ(polled(0, e.client), POLLIN | POLLOUT | POLLRDHUP);
  EXPECT_EQ(send(0, e.client, "goes"), 4);
  EXPECT_EQ(recv(1, e.server), "goes");
}

TEST_P(SocketCalls, TheEndIsSeenWhileBytesAreUnread) {
  const Ends e = connected();
  (void)send(1, e.server, "last");
  expect_good(1, Call::close, e.server);
  pair.pass(1s);
  EXPECT_EQ(polled(0, e.client), POLLIN | POLLOUT | POLLRDHUP);
  EXPECT_EQ(amount(0, e.client, SIOCINQ), 4);
  EXPECT_EQ(recv(0, e.client), "last");
  EXPECT_EQ(recv(0, e.client), "");
}

TEST_P(SocketCalls, LingerZeroResets) {
  const Ends e = connected();
  expect_good(0, Call::setsockopt, e.client, SOL_SOCKET, SO_LINGER, 0, raw(linger{1, 0}));
  const Result told = call(0, Call::getsockopt, e.client, SOL_SOCKET, SO_LINGER, 8);
  EXPECT_EQ(read<linger>(told.data).l_onoff, 1);
  expect_good(0, Call::close, e.client);
  expect_error(1, ECONNRESET, Call::recv, e.server, 10);
  EXPECT_EQ(call(1, Call::recv, e.server, 10).value, 0);
  expect_error(1, EPIPE, Call::send, e.server, 0, 0, 0, bytes_of("x"));
  EXPECT_EQ(polled(1, e.server), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
}

TEST_P(SocketCalls, ResetInCloseWaitIsABrokenPipe) {
  const Ends e = connected();
  expect_good(0, Call::shutdown, e.client, SHUT_WR);
  EXPECT_EQ(recv(1, e.server), "");
  expect_good(0, Call::setsockopt, e.client, SOL_SOCKET, SO_LINGER, 0, raw(linger{1, 0}));
  expect_good(0, Call::close, e.client);
  pair.pass(1ms);
  EXPECT_EQ(option(1, e.server, SOL_SOCKET, SO_ERROR), EPIPE);
}

TEST_P(SocketCalls, TimedLingerReturnsWhenAllIsDelivered) {
  const Ends e = connected();
  expect_good(0, Call::setsockopt, e.client, SOL_SOCKET, SO_LINGER, 0, raw(linger{1, 5}));
  begin(0, Call::close, e.client);
  EXPECT_FALSE(take(0).has_value()) << "the FIN is not acknowledged yet";
  expect_error(0, EBADF, Call::recv, e.client, 1);
  pair.pass(100ms);
  EXPECT_EQ(take(0)->value, 0);
}

TEST_P(SocketCalls, ClosingWithUnreadBytesResets) {
  const Ends e = connected();
  (void)send(0, e.client, "unread");
  pair.pass(1ms);
  expect_good(1, Call::close, e.server);
  expect_error(0, ECONNRESET, Call::recv, e.client, 10);
}

TEST_P(SocketCalls, SendBlocksWhileThereIsNoRoom) {
  const Ends e = connected();
  expect_good(0, Call::setsockopt, e.client, SOL_SOCKET, SO_SNDBUF, 0, raw(262'144));
  expect_good(1, Call::setsockopt, e.server, SOL_SOCKET, SO_RCVBUF, 0, raw(262'144));
  const std::string much(180'000, 'm');
  for (int i = 0; i < 2; ++i) {
    begin(0, Call::send, e.client, 0, 0, 0, bytes_of(much));
    if (i == 0) {
      pair.pass(1s);
      EXPECT_EQ(take(0)->value, 180'000);
    }
  }
  pair.pass(1s);
  (void)take(0);
  begin(0, Call::send, e.client, 0, 0, 0, bytes_of(much));
  pair.pass(1s);
  begin(0, Call::send, e.client, 0, 0, 0, bytes_of(much), 2);
  expect_blocked(0, 2);
  EXPECT_EQ(polled(0, e.client) & POLLOUT, 0);
  expect_error(0, EAGAIN, Call::send, e.client, 0, MSG_DONTWAIT, 0, bytes_of("x"));
  EXPECT_GT(amount(0, e.client, SIOCOUTQ), 180'000);
  std::size_t got = 0;
  while (got < 4 * much.size()) {
    const std::size_t n = recv(1, e.server, 100'000).size();
    ASSERT_NE(n, 0u);
    got += n;
  }
  pair.pass(1s);
  EXPECT_EQ(take(0, 2)->value, 180'000);
  EXPECT_EQ(amount(0, e.client, SIOCOUTQ), 0);
}

TEST_P(SocketCalls, BuffersGrowUntilTheyAreFixed) {
  const Ends e = connected();
  EXPECT_EQ(option(0, e.client, SOL_SOCKET, SO_SNDBUF), 65'536);
  EXPECT_EQ(option(1, e.server, SOL_SOCKET, SO_RCVBUF), 65'536);
  const std::string much(400'000, 'm');
  begin(0, Call::send, e.client, 0, 0, 0, bytes_of(much));
  std::size_t got = 0;
  while (got < much.size()) {
    const std::size_t n = recv(1, e.server, 100'000).size();
    ASSERT_NE(n, 0u);
    got += n;
  }
  EXPECT_EQ(take(0)->value, 400'000);
  EXPECT_GT(option(0, e.client, SOL_SOCKET, SO_SNDBUF), 65'536);
  EXPECT_GT(option(1, e.server, SOL_SOCKET, SO_RCVBUF), 65'536);
  expect_good(0, Call::setsockopt, e.client, SOL_SOCKET, SO_SNDBUF, 0, raw(20'000));
  expect_good(1, Call::setsockopt, e.server, SOL_SOCKET, SO_RCVBUF, 0, raw(30'000));
  EXPECT_EQ(option(0, e.client, SOL_SOCKET, SO_SNDBUF), 20'000);
  EXPECT_EQ(option(1, e.server, SOL_SOCKET, SO_RCVBUF), 30'000);
}

TEST_P(SocketCalls, OptionsAreKeptAndReachTcp) {
  const int c = open(0);
  EXPECT_EQ(option(0, c, IPPROTO_TCP, TCP_MAXSEG), 536);
  expect_error(0, EINVAL, Call::setsockopt, c, IPPROTO_TCP, TCP_MAXSEG, 0, raw(87));
  expect_error(0, EINVAL, Call::setsockopt, c, IPPROTO_TCP, TCP_MAXSEG, 0, Bytes(2));
  expect_good(0, Call::setsockopt, c, IPPROTO_TCP, TCP_MAXSEG, 0, raw(700));
  EXPECT_EQ(option(0, c, IPPROTO_TCP, TCP_MAXSEG), 700);
  expect_good(0, Call::setsockopt, c, IPPROTO_TCP, TCP_NODELAY, 0, raw(1));
  const int l = listener();
  expect_good(0, Call::connect, c, 0, 0, 0, name(2, 80));
  EXPECT_EQ(option(0, c, IPPROTO_TCP, TCP_MAXSEG), 688);
  EXPECT_EQ(option(0, c, IPPROTO_TCP, TCP_NODELAY), 1);
  expect_good(0, Call::setsockopt, c, SOL_SOCKET, SO_KEEPALIVE, 0, raw(1));
  expect_good(0, Call::setsockopt, c, IPPROTO_TCP, TCP_KEEPIDLE, 0, raw(3));
  EXPECT_EQ(option(0, c, IPPROTO_TCP, TCP_KEEPIDLE), 3);
  pair.pass(4s);
  EXPECT_EQ(pair.client().counters().TCPKeepAlive, 1u);
  expect_error(0, EINVAL, Call::setsockopt, c, IPPROTO_TCP, TCP_KEEPCNT, 0, raw(0));
  expect_error(0, ENOPROTOOPT, Call::setsockopt, c, IPPROTO_TCP, 9999, 0, raw(1));
  expect_error(0, ENOPROTOOPT, Call::getsockopt, c, SOL_SOCKET, 9999, 4);
  expect_error(0, EINVAL, Call::getsockopt, c, SOL_SOCKET, SO_TYPE, -1);
  EXPECT_EQ(option(0, c, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  expect_good(1, Call::setsockopt, l, IPPROTO_TCP, TCP_CONGESTION, 0, bytes_of("cubic"));
  expect_error(1, ENOENT, Call::setsockopt, l, IPPROTO_TCP, TCP_CONGESTION, 0, bytes_of("none"));
  EXPECT_EQ(text_of(call(1, Call::getsockopt, l, IPPROTO_TCP, TCP_CONGESTION, 5).data), "cubic");
}

TEST_P(SocketCalls, InfoInTheMannerOfTheKernel) {
  const Ends e = connected();
  (void)send(0, e.client, std::string(5000, 'x'));
  const Result told = call(0, Call::getsockopt, e.client, IPPROTO_TCP, TCP_INFO, sizeof(tcp_info));
  const auto info = read<tcp_info>(told.data);
  EXPECT_EQ(info.tcpi_state, TCP_ESTABLISHED);
  EXPECT_EQ(info.tcpi_options, TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE);
  EXPECT_EQ(info.tcpi_snd_mss, GetParam() ? 1428U : 1448U);
  EXPECT_GE(info.tcpi_snd_cwnd, 10U);
  EXPECT_GT(info.tcpi_rtt, 0U);
  EXPECT_EQ(call(0, Call::getsockopt, e.client, IPPROTO_TCP, TCP_INFO, 1).data.size(), 1U);
}

TEST_P(SocketCalls, PollWaits) {
  const Ends e = connected();
  const Bytes both = [&] {
    Bytes bytes = raw(pollfd{e.client, POLLIN, 0});
    const Bytes more = raw(pollfd{55, POLLIN, 0});
    bytes.insert(bytes.end(), more.begin(), more.end());
    return bytes;
  }();
  EXPECT_EQ(call(0, Call::poll, -1, -1, 0, 0, both).value, 1) << "POLLNVAL";
  begin(0, Call::poll, -1, 300, 0, 0, raw(pollfd{e.client, POLLIN, 0}));
  pair.pass(250ms);
  EXPECT_FALSE(take(0).has_value());
  pair.pass(100ms);
  EXPECT_EQ(take(0)->value, 0);
  begin(0, Call::poll, -1, -1, 0, 0, raw(pollfd{e.client, POLLIN, 0}));
  pair.pass(10s);
  EXPECT_FALSE(take(0).has_value());
  (void)send(1, e.server, "x");
  pair.pass(1ms);
  EXPECT_EQ(take(0)->value, 1);
  EXPECT_EQ(call(0, Call::poll, -1, 0, 0, 0, raw(pollfd{-1, POLLIN, 0})).value, 0);
  expect_error(0, EINVAL, Call::poll, -1, 0, 0, 0, Bytes(3));
}

TEST_P(SocketCalls, WhenTheToolGoesEverythingIsReset) {
  const Ends e = connected();
  const int waiting = open(0);
  expect_good(0, Call::connect, waiting, 0, 0, 0, name(2, 80));
  hosts[0].sockets->abort_all();
  pair.pass(1ms);
  expect_error(1, ECONNRESET, Call::recv, e.server, 10);
  EXPECT_EQ(hosts[0].sockets->open_count(), 0u);
  hosts[1].sockets->abort_all();
  pair.pass(1ms);
  EXPECT_EQ(pair.server().states().of(tcp::State::listen), 0u);
}

TEST_P(SocketCalls, ClosingAListenerResetsWhatNobodyAccepted) {
  const int l = listener();
  const int c = open(0);
  expect_good(0, Call::connect, c, 0, 0, 0, name(2, 80));
  pair.pass(1ms);
  expect_good(1, Call::close, l);
  expect_error(0, ECONNRESET, Call::recv, c, 10);
}

TEST_P(SocketCalls, DisconnectMakesASocketNew) {
  const Ends e = connected();
  expect_good(0, Call::connect, e.client, 0, 0, 0, Bytes(16));  // AF_UNSPEC
  expect_error(1, ECONNRESET, Call::recv, e.server, 10);
  expect_good(0, Call::connect, e.client, 0, 0, 0, name(2, 80));
}

}  // namespace
}  // namespace millrace::agent
