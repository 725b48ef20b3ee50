// SPDX-License-Identifier: BSD-3-Clause
//
// getsockopt, setsockopt and fcntl. What TCP is told lives in the socket's TcpConfig: before there
// is a connection it waits there, afterwards the endpoint is told at once.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/conformance/agent/sockets.h"

namespace millrace::agent {

using Phase = Socket::Phase;

namespace {

constexpr int kLeastSegment = 88;  // as Linux has it
constexpr int kMostSegment = 32'767;
constexpr std::int32_t kMostKeepalive = 32'767;  // seconds

[[nodiscard]] std::int32_t whole_seconds(Duration d) {
  return static_cast<std::int32_t>(std::chrono::duration_cast<std::chrono::seconds>(d).count());
}

/// As much of the value as the caller has room for.
[[nodiscard]] std::vector<std::byte> cut(const void* value, std::size_t bytes, int room) {
  std::vector<std::byte> data(std::min(bytes, static_cast<std::size_t>(room)));
  if (!data.empty()) std::memcpy(data.data(), value, data.size());
  return data;
}

/// The segment size that TCP_MAXSEG tells.
[[nodiscard]] std::int32_t segment_of(const Socket& s, const tcp::Endpoint& endpoint) {
  if (const auto status = endpoint.status(s.connection)) {
    return static_cast<std::int32_t>(status->mss);
  }
  return s.config.max_segment != 0 ? s.config.max_segment : 536;
}

/// A buffer as large as it is now, or as it will begin.
[[nodiscard]] std::int32_t buffer_of(const Socket& s, const tcp::Endpoint& endpoint,
                                     std::uint32_t tcp::ConnectionStatus::*now,
                                     std::uint32_t initial) {
  const auto status = endpoint.status(s.connection);
  return static_cast<std::int32_t>(status ? (*status).*now : initial);
}

[[nodiscard]] std::optional<std::int32_t> socket_level(const Socket& s, int name,
                                                       const tcp::Endpoint& endpoint) {
  switch (name) {
    case SO_TYPE:
      return SOCK_STREAM;
    case SO_DOMAIN:
      return s.family;
    case SO_PROTOCOL:
      return IPPROTO_TCP;
    case SO_REUSEADDR:
      return s.reuse_address ? 1 : 0;
    case SO_ACCEPTCONN:
      return s.phase == Phase::listening ? 1 : 0;
    case SO_KEEPALIVE:
      return s.config.keepalive ? 1 : 0;
    case SO_RCVBUF:
      return buffer_of(s, endpoint, &tcp::ConnectionStatus::receive_buffer_bytes,
                       tcp::initial_receive_buffer(s.config));
    case SO_SNDBUF:
      return buffer_of(
          s, endpoint, &tcp::ConnectionStatus::send_buffer_bytes,
          s.config.send_buffer != 0 ? s.config.send_buffer : s.config.send_buffer_initial);
    default:
      return std::nullopt;
  }
}

[[nodiscard]] std::optional<std::int32_t> tcp_level(const Socket& s, int name) {
  const tcp::TcpConfig& c = s.config;
  switch (name) {
    case TCP_NODELAY:
      return c.nagle ? 0 : 1;
    case TCP_KEEPIDLE:
      return whole_seconds(c.keepalive_idle);
    case TCP_KEEPINTVL:
      return whole_seconds(c.keepalive_interval);
    case TCP_KEEPCNT:
      return c.keepalive_probes;
    case TCP_USER_TIMEOUT:
      return static_cast<std::int32_t>(c.user_timeout / Duration(1ms));
    case TCP_DEFER_ACCEPT:
      return whole_seconds(c.defer_accept);
    case TCP_QUICKACK:
      return c.delayed_ack == Duration::zero() ? 1 : 0;
    case TCP_SYNCNT:
      return c.syn_retries;
    default:
      return std::nullopt;
  }
}

/// Sets a field of `c` that TCP reads; 0, or an errno. ENOPROTOOPT: not such an option.
[[nodiscard]] int set_field(tcp::TcpConfig& c, int level, int name, std::int32_t value,
                            const tcp::TcpConfig& usual) {
  const auto within = [&](std::int32_t least, std::int32_t most) {
    return value >= least && value <= most ? 0 : EINVAL;
  };
  if (level == SOL_SOCKET) {
    // The kernel doubles what is asked for, for its own bookkeeping; we have none in the buffer.
    const auto bytes = static_cast<std::uint32_t>(std::clamp(value, 2048, 1 << 24));
    if (name == SO_KEEPALIVE) return c.keepalive = value != 0, 0;
    if (name == SO_RCVBUF) return c.receive_buffer = bytes, 0;
    if (name == SO_SNDBUF) return c.send_buffer = bytes, 0;
    return ENOPROTOOPT;
  }
  switch (name) {
    case TCP_NODELAY:
      return c.nagle = value == 0, 0;
    case TCP_MAXSEG:
      c.max_segment = static_cast<std::uint16_t>(value);
      return value == 0 ? 0 : within(kLeastSegment, kMostSegment);
    case TCP_KEEPIDLE:
      return c.keepalive_idle = std::chrono::seconds(value), within(1, kMostKeepalive);
    case TCP_KEEPINTVL:
      return c.keepalive_interval = std::chrono::seconds(value), within(1, kMostKeepalive);
    case TCP_KEEPCNT:
      return c.keepalive_probes = static_cast<std::uint8_t>(value), within(1, 60);
    case TCP_USER_TIMEOUT:
      return c.user_timeout = std::chrono::milliseconds(value), within(0, INT32_MAX);
    case TCP_DEFER_ACCEPT:
      return c.defer_accept = std::chrono::seconds(std::clamp(value, 0, 3600)), 0;
    case TCP_QUICKACK:
      return c.delayed_ack = value != 0 ? Duration::zero() : usual.delayed_ack, 0;
    case TCP_SYNCNT:
      return c.syn_retries = static_cast<std::uint8_t>(value), within(1, 15);
    default:
      return ENOPROTOOPT;
  }
}

/// States as tcp_info numbers them.
[[nodiscard]] std::uint8_t number_of(tcp::State state) {
  switch (state) {
    case tcp::State::closed:
      return TCP_CLOSE;
    case tcp::State::listen:
      return TCP_LISTEN;
    case tcp::State::syn_sent:
      return TCP_SYN_SENT;
    case tcp::State::syn_received:
      return TCP_SYN_RECV;
    case tcp::State::established:
      return TCP_ESTABLISHED;
    case tcp::State::fin_wait_1:
      return TCP_FIN_WAIT1;
    case tcp::State::fin_wait_2:
      return TCP_FIN_WAIT2;
    case tcp::State::close_wait:
      return TCP_CLOSE_WAIT;
    case tcp::State::closing:
      return TCP_CLOSING;
    case tcp::State::last_ack:
      return TCP_LAST_ACK;
    case tcp::State::time_wait:
      return TCP_CLOSE;  // its socket is no longer that connection's
  }
  return TCP_CLOSE;
}

/// What of tcp_info there is to tell; windows in segments, as Linux counts them.
[[nodiscard]] tcp_info info_of(const Socket& s, const tcp::Endpoint& endpoint) {
  tcp_info info{};
  info.tcpi_state = s.phase == Phase::listening ? TCP_LISTEN : TCP_CLOSE;
  const auto status = endpoint.status(s.connection);
  if (!status) return info;
  const std::uint32_t mss = std::max(status->mss, 1U);
  info.tcpi_state = number_of(status->state);
  info.tcpi_retransmits = status->unanswered;
  if (status->timestamps) info.tcpi_options |= TCPI_OPT_TIMESTAMPS;
  if (status->sack) info.tcpi_options |= TCPI_OPT_SACK;
  if (status->window_scaling) info.tcpi_options |= TCPI_OPT_WSCALE;
  info.tcpi_rto = status->rto_us;
  info.tcpi_snd_mss = status->mss;
  info.tcpi_unacked = (status->flight_bytes + mss - 1) / mss;
  info.tcpi_rtt = status->srtt_us;
  info.tcpi_rttvar = status->rttvar_us;
  info.tcpi_snd_cwnd = status->cwnd_bytes / mss;
  info.tcpi_snd_ssthresh = status->ssthresh_bytes / mss;
  return info;
}

}  // namespace

Sockets::Attempt Sockets::get_option(Socket& s, const RequestHeader& q) {
  if (q.c < 0) return failed(EINVAL);
  Result result = done(0);
  if (q.a == SOL_SOCKET && q.b == SO_LINGER) {
    const linger value{s.linger ? 1 : 0, s.linger ? whole_seconds(*s.linger) : 0};
    result.data = cut(&value, sizeof value, q.c);
    return result;
  }
  if (q.a == IPPROTO_TCP && q.b == TCP_CONGESTION) {
    std::array<char, 16> name{};
    congestion_name(s.config.congestion).copy(name.data(), name.size() - 1);
    result.data = cut(name.data(), name.size(), q.c);
    return result;
  }
  if (q.a == IPPROTO_TCP && q.b == TCP_INFO) {
    const tcp_info info = info_of(s, endpoint_);
    result.data = cut(&info, sizeof info, q.c);
    return result;
  }
  std::optional<std::int32_t> value;
  if (q.a == SOL_SOCKET) {
    value = q.b == SO_ERROR ? take_error(s) : socket_level(s, q.b, endpoint_);
  } else if (q.a == IPPROTO_TCP) {
    value = q.b == TCP_MAXSEG ? segment_of(s, endpoint_) : tcp_level(s, q.b);
  } else if (q.a == IPPROTO_IPV6 && q.b == IPV6_V6ONLY && s.family == AF_INET6) {
    value = s.ipv6_only ? 1 : 0;
  }
  if (!value) return failed(q.a == SOL_SOCKET || q.a == IPPROTO_TCP ? ENOPROTOOPT : EOPNOTSUPP);
  result.data = cut(&*value, sizeof *value, q.c);
  return result;
}

int Sockets::configure(Socket& s, const tcp::TcpConfig& config) {
  switch (s.phase) {
    case Phase::fresh:
    case Phase::over:
      break;
    case Phase::listening:
      for (const tcp::ListenerId listener : s.listeners) {
        if (!endpoint_.configure(listener, config)) return ENOBUFS;
      }
      break;
    case Phase::connecting:
    case Phase::connected:
      if (!endpoint_.configure(s.connection, config)) return ENOBUFS;
      break;
  }
  s.config = config;
  return 0;
}

Sockets::Attempt Sockets::set_profile_option(Socket& s, int level, int name, std::int32_t value) {
  tcp::TcpConfig config = s.config;
  if (const int error = set_field(config, level, name, value, endpoint_.profile(0))) {
    return failed(error);
  }
  if (const int error = configure(s, config)) return failed(error);
  if (name == TCP_QUICKACK && level == IPPROTO_TCP && value != 0) {
    endpoint_.acknowledge(s.connection);
  }
  return done(0);
}

Sockets::Attempt Sockets::set_option(Socket& s, const Waiting& w) {
  const int level = w.request.a;
  const int name = w.request.b;
  if (level == SOL_SOCKET && name == SO_LINGER) {
    linger value{};
    if (w.data.size() < sizeof value) return failed(EINVAL);
    std::memcpy(&value, w.data.data(), sizeof value);
    s.linger.reset();
    if (value.l_onoff != 0) s.linger = std::chrono::seconds(value.l_linger);
    return done(0);
  }
  if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
    const std::string_view text(reinterpret_cast<const char*>(w.data.data()), w.data.size());
    const auto algorithm = tcp::congestion_from_name(text.substr(0, text.find('\0')));
    if (!algorithm) return failed(ENOENT);
    tcp::TcpConfig config = s.config;
    config.congestion = *algorithm;
    const int error = configure(s, config);
    return error != 0 ? failed(error) : done(0);
  }
  std::int32_t value = 0;
  if (w.data.size() < sizeof value) return failed(EINVAL);
  std::memcpy(&value, w.data.data(), sizeof value);
  if (level == SOL_SOCKET && name == SO_REUSEADDR) {
    s.reuse_address = value != 0;
    return done(0);
  }
  if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && s.family == AF_INET6) {
    if (s.bound) return failed(EINVAL);
    s.ipv6_only = value != 0;
    return done(0);
  }
  if (level == SOL_SOCKET || level == IPPROTO_TCP) {
    return set_profile_option(s, level, name, value);
  }
  return failed(ENOPROTOOPT);
}

Sockets::Attempt Sockets::file_flags(Socket& s, const RequestHeader& q) {
  if (q.a == F_GETFL) return done(O_RDWR | (s.nonblocking ? O_NONBLOCK : 0));
  if (q.a != F_SETFL) return failed(EINVAL);
  s.nonblocking = (q.b & O_NONBLOCK) != 0;
  return done(0);
}

}  // namespace millrace::agent
