// SPDX-License-Identifier: BSD-3-Clause
//
// Socket calls with POSIX meaning over an Endpoint: a table of descriptors, and calls that wait. No
// I/O and no clock, so that it is tested on a virtual one; agent.h carries the calls to it.
//
// A call that would block is kept and tried again after each batch of events, until it has a
// result: callers never hold each other up. What POSIX leaves open is as Linux does it, since the
// tools that drive this were written on Linux: a socket whose connect failed may connect again, the
// second connect() after one in progress says 0 once, a reset in CLOSE-WAIT is EPIPE.
//
// Refuses: datagrams, out-of-band data, credentials, and options that nobody asked for
// (ENOPROTOOPT). The accept queue is not bounded by the backlog, which bounds half-open
// connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tcp/endpoint/endpoint.h"
#include "tests/conformance/agent/socket_address.h"
#include "tests/conformance/calls/socket_calls.h"

namespace millrace::agent {

/// Names who makes a call: one connection of the tool.
using Caller = std::uint32_t;

struct Result {
  std::int64_t value = 0;
  int error = 0;  // where value is -1
  std::vector<std::byte> data{};
};

struct SocketsConfig {
  std::vector<Address> addresses;  // our own, each of them
  /// The source of a connection to there; nothing: the network is unreachable.
  std::function<std::optional<Address>(const Address& remote)> source_for;
};

/// What a descriptor names, or a connection that waits to be accepted.
struct Socket {
  enum class Phase : std::uint8_t { fresh, listening, connecting, connected, over };

  int family = 0;
  Phase phase = Phase::fresh;
  bool visible = true;  // false while nobody has accepted it
  bool nonblocking = false, reuse_address = false, ipv6_only = false;
  std::optional<Duration> linger;
  tcp::TcpConfig config;

  bool bound = false;
  SocketAddress local;
  SocketAddress peer;
  std::vector<tcp::ListenerId> listeners;  // one for each address of ours that it covers
  std::deque<int> queue;                   // descriptors of what it has accepted
  tcp::ConnectionId connection;
  bool reported = false;     // connect() has told how it ended
  bool peer_closed = false;  // the peer's FIN has come
  bool shut_read = false, shut_write = false;
  int error = 0;  // SO_ERROR
};

class Sockets {
 public:
  Sockets(tcp::Endpoint& endpoint, SocketsConfig config);

  /// Makes the call. Its result is there at once or, where it blocks, after some later events().
  void begin(Caller caller, const RequestHeader& request, std::span<const std::byte> data,
             Instant now);
  /// Takes the result of the caller's call, if it has one.
  [[nodiscard]] std::optional<Result> take_result(Caller caller);
  /// The caller is gone, and what it waited for is of no interest.
  void forget(Caller caller);
  /// Every descriptor is closed, and every connection reset.
  void abort_all();

  /// What the endpoint tells its application, and then whatever waited for it or for the time.
  void events(std::span<const tcp::Event> events, Instant now);

  [[nodiscard]] std::size_t open_count() const;

 private:
  struct Waiting {
    RequestHeader request;
    std::vector<std::byte> data;
    bool begun = false;
    std::size_t progress = 0;           // of send
    std::vector<std::byte> gathered{};  // of recv with MSG_WAITALL
    std::optional<Instant> until{};     // of poll and close
  };
  /// Nothing: not yet.
  using Attempt = std::optional<Result>;
  static Result done(std::int64_t value) { return {value, 0, {}}; }
  static Result failed(int error) { return {-1, error, {}}; }

  Attempt attempt(Waiting& w, Instant now);
  Attempt attempt_on(Socket& s, Waiting& w, Instant now);
  void retry(Instant now);

  // socket_open.cpp
  Attempt open_socket(const RequestHeader& q);
  Attempt bind(Socket& s, const Waiting& w);
  Attempt listen(Socket& s, const Waiting& w);
  Attempt accept(Socket& s);
  Attempt connect(Socket& s, Waiting& w, Instant now);
  Attempt begin_connect(Socket& s, const SocketAddress& to, Instant now);
  Attempt close(int fd, Waiting& w, Instant now);
  Attempt shutdown(Socket& s, int how);
  void disconnect(Socket& s);
  void stop_listening(Socket& s);
  [[nodiscard]] bool conflicts(const Socket& s, const SocketAddress& wanted) const;
  [[nodiscard]] std::uint16_t free_port(const Socket& s, const Address& address);
  [[nodiscard]] std::vector<Address> covered_by(const Socket& s) const;

  // socket_data.cpp
  Attempt recv(Socket& s, Waiting& w);
  Attempt send(Socket& s, Waiting& w);
  Attempt ioctl(const Socket& s, int request) const;
  Attempt poll(Waiting& w, Instant now);
  [[nodiscard]] short poll_events(const Socket& s) const;
  [[nodiscard]] std::uint32_t unread(const Socket& s) const;
  [[nodiscard]] bool has_fin(const Socket& s) const;

  // socket_options.cpp
  Attempt get_option(Socket& s, const RequestHeader& q);
  Attempt set_option(Socket& s, const Waiting& w);
  Attempt set_profile_option(Socket& s, int level, int name, std::int32_t value);
  Attempt file_flags(Socket& s, const RequestHeader& q);
  int configure(Socket& s, const tcp::TcpConfig& config);

  void on_accepted(const tcp::Event& event);
  void on_closed(Socket& s, tcp::CloseReason reason);
  [[nodiscard]] Socket* find(int fd);
  [[nodiscard]] int add(Socket socket);
  [[nodiscard]] Socket* of(tcp::ConnectionId id);
  int take_error(Socket& s);

  tcp::Endpoint& endpoint_;
  SocketsConfig config_;
  std::map<int, std::unique_ptr<Socket>> sockets_;  // by descriptor
  std::map<std::uint32_t, int> by_connection_;      // index of the connection: descriptor
  std::map<Caller, Waiting> waiting_;
  std::map<Caller, Result> results_;
  std::uint16_t next_port_ = 32'768;
};

}  // namespace millrace::agent
