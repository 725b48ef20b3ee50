// SPDX-License-Identifier: BSD-3-Clause
//
// All connections of one core: index, half-open table, TIME_WAIT store, listeners, ports, timer
// wheel and counters behind one face. Applications use the calls (RFC 9293 §3.9.1); the worker that
// owns the core feeds it segments and pulls segments out. A pure machine: same segments, calls,
// times and secrets give the same behaviour.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tcp/base/counters.h"
#include "tcp/base/drop.h"
#include "tcp/base/flow_steering.h"
#include "tcp/base/four_tuple.h"
#include "tcp/base/result.h"
#include "tcp/base/siphash.h"
#include "tcp/base/state.h"
#include "tcp/base/time.h"
#include "tcp/connection/config.h"
#include "tcp/connection/loss_figures.h"
#include "tcp/endpoint/app.h"
#include "tcp/endpoint/tuple_hash.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp {

/// Independent random keys, from getrandom() in production and from the seed in simulation. Never
/// printed or exported.
struct Secrets {
  SipKey numbers, table, ports, cookies;  // `numbers`: ISNs and timestamp offsets
  SipKey fast_open{};  // the same for all cores of a server: a client's SYNs come to any of them
};

/// What an active open may do with a tuple of its own that is in TIME_WAIT (notes: RFC 6191).
enum class TimeWaitReuse : std::uint8_t { none, timestamp, sequence, immediate };
/// What happens when the TIME_WAIT store is full.
enum class TimeWaitOverflow : std::uint8_t { refuse, recycle_oldest, reset };

struct EndpointConfig {
  std::uint32_t max_connections = 65'536;
  std::uint32_t max_half_open = 16'384;
  std::uint32_t max_time_wait = 262'144;
  std::uint32_t max_ipv6_pairs = 65'536;   // IPv6 connections and half-opens
  std::uint32_t max_send_states = 65'536;  // connections with data in flight at once
  std::uint32_t max_receive_states = 16'384;
  std::uint32_t max_models = 65'536;  // connections with BBR; further ones have CUBIC
  // 2 KiB each: copied, unread and out-of-order payload. From nine tenths of these, or of the send
  // or receive states, what stands still is ended (pressure.h); at the end who is new is refused.
  std::uint32_t max_blocks = 32'768;
  std::uint32_t max_fast_open_paths = 1024;  // servers whose cookies are remembered
  std::uint16_t first_port = 1024;           // ephemeral range, inclusive: 64,512 ports
  std::uint16_t last_port = 65'535;
  TimeWaitReuse time_wait_reuse = TimeWaitReuse::timestamp;
  TimeWaitOverflow time_wait_overflow = TimeWaitOverflow::recycle_oldest;
  std::vector<TcpConfig> profiles = {TcpConfig{}};  // listeners and opens name one; 1 to 256
  Secrets secrets;
  /// How the port spreads segments over its workers, and which of them this endpoint is: an active
  /// open takes a port that brings the replies here. Null: every segment arrives here.
  std::shared_ptr<const FlowSteering> steering;
  std::uint16_t worker = 0;
};

struct ListenRequest {
  Address local{};  // unspecified: any local address of either family
  std::uint16_t port = 0;
  std::uint32_t backlog = 4096;  // half-open plus accepted in this iteration
  std::uint8_t profile = 0;
};

struct OpenRequest {
  Address local{};
  Address remote{};
  std::uint16_t remote_port = 0;
  std::uint16_t local_port = 0;  // 0: chosen by keyed hash (RFC 6056 §3.3.4)
  std::uint8_t profile = 0;
  std::uint32_t user = 0;
};

enum class OpenError : std::uint8_t {
  none,
  no_free_port,  // every port of the range is in use towards this destination
  time_wait,     // the free ones are all in TIME_WAIT and the policy says wait
  in_use,        // the local_port asked for is in use, or its replies arrive at another core
  no_memory,     // a bounded pool is empty
  bad_address,   // unspecified, multicast, broadcast or of two families
};

struct OpenResult {
  ConnectionId connection;
  OpenError error = OpenError::none;
};

/// Whose memory the bytes given to send() are.
enum class Lifetime : std::uint8_t {
  copied,  // the endpoint copies them
  fixed,   // they outlive the endpoint (a pattern, a prepared response)
};

/// In the manner of TCP_INFO.
struct ConnectionStatus {
  ConnectionId id;
  std::uint32_t user = 0;
  FourTuple tuple;
  State state = State::closed;
  std::uint32_t mss = 0;
  std::uint32_t srtt_us = 0;
  std::uint32_t rttvar_us = 0;
  std::uint32_t rto_us = 0;
  std::uint32_t cwnd_bytes = 0;
  std::uint32_t ssthresh_bytes = 0;
  std::uint32_t snd_wnd_bytes = 0;
  std::uint32_t rcv_wnd_bytes = 0;
  std::uint32_t flight_bytes = 0;
  LossFigures loss;
  std::uint32_t unsent_bytes = 0;
  std::uint32_t unacked_bytes = 0;         // queued, sent or not
  std::uint32_t unread_bytes = 0;          // lent and not consumed included
  std::uint32_t receive_buffer_bytes = 0;  // as large as they are now
  std::uint32_t send_buffer_bytes = 0;
  bool timestamps = false, sack = false, window_scaling = false, ecn = false;
  CongestionAlgorithm congestion{};
  std::uint8_t profile = 0;
  std::uint8_t unanswered = 0;             // retransmissions and probes in a row
  SoftError soft_error = SoftError::none;  // of what is in flight
  /// In CLOSE_WAIT, which only the application's close() ends: since the peer's FIN.
  Duration close_wait{0};
};

/// Of connections in CLOSE_WAIT: how many have been so for longer than was asked, and the longest.
struct CloseWaits {
  std::uint64_t longer = 0;
  Duration longest{0};
};

/// An ICMP error about a segment of ours (RFC 5927): validated against the connection's window.
struct IcmpError {
  enum class Kind : std::uint8_t { unreachable, too_big, time_exceeded } kind = Kind::unreachable;
  bool hard = false;      // protocol or port unreachable, administratively prohibited
  Seq seq;                // from the embedded header
  std::uint16_t mtu = 0;  // too_big
};

/// A segment whose checksum is good and whose local address is ours, with the hash of its tuple.
struct Arrival {
  std::uint64_t hash;
  FourTuple tuple;
  SegmentIn segment;
};

struct EndpointImpl;

class Endpoint {
 public:
  /// Reserves all memory. Errors: usage (a bound out of range, no profile), environment (no
  /// memory).
  [[nodiscard]] static Result<std::unique_ptr<Endpoint>> create(const EndpointConfig& config);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // ---- calls of the application
  [[nodiscard]] Result<ListenerId> listen(const ListenRequest& request);
  /// Stops accepting; half-open connections of the listener are dropped.
  void stop_listening(ListenerId listener);
  [[nodiscard]] OpenResult connect(const OpenRequest& request, Instant now);
  /// Queues up to bytes.size() bytes and says how many; fewer means full: a writable event follows.
  [[nodiscard]] std::size_t send(ConnectionId id, std::span<const std::byte> bytes,
                                 Lifetime lifetime);
  /// Free bytes of the send queue; 0 for a stale id or after shutdown.
  [[nodiscard]] std::size_t send_space(ConnectionId id) const;
  /// The application took `bytes` of what data events and readable() showed, in the order of the
  /// stream: the window may open again. Bytes of an event stay where they are until on_events
  /// returns.
  void consume(ConnectionId id, std::size_t bytes);
  /// The first contiguous bytes that are not consumed, empty if there are none; valid until the
  /// next consume(). For reading on later, or ahead of the events: those that follow shrink
  /// accordingly.
  [[nodiscard]] std::span<const std::byte> readable(ConnectionId id) const;
  /// FIN after what is queued; reading goes on (half-close).
  void shutdown(ConnectionId id);
  /// FIN after what is queued, no more reading: unread or later data are answered with RST. How
  /// long that may take is TcpConfig::linger.
  void close(ConnectionId id);
  /// RST now; queued data are discarded.
  void abort(ConnectionId id);
  /// Fetches the connection into the cache: for an application that knows a while ahead which ones
  /// it is about to call, among so many that they lie in memory. A stale id does no harm.
  void prefetch(ConnectionId id) const;
  void set_user(ConnectionId id, std::uint32_t user);
  /// The word of now; an event holds the word of when it happened. 0 for a stale id.
  [[nodiscard]] std::uint32_t user(ConnectionId id) const;
  void set_nodelay(ConnectionId id, bool on);
  /// An ACK that waits goes now. For quick ACKs in general: a profile with delayed_ack 0.
  void acknowledge(ConnectionId id);
  [[nodiscard]] std::optional<ConnectionStatus> status(ConnectionId id) const;

  // ---- settings while it runs
  /// The number of a profile that equals `config`, added if there is none. A profile stays for
  /// ever, and there are 256 at most: settings are choices, not values that differ with each
  /// connection. Its mtu and max_segment_burst may not exceed the largest of those that the
  /// endpoint was made with, and its two_msl must be that of one of them.
  [[nodiscard]] Result<std::uint8_t> add_profile(const TcpConfig& config);
  [[nodiscard]] const TcpConfig& profile(std::uint8_t number) const;
  /// Moves a connection to the profile that equals `config`. What the handshake agreed on stays:
  /// the window scale, so a window beyond 65,535 << scale is not offered, and the options. A stale
  /// id does nothing.
  [[nodiscard]] Status configure(ConnectionId id, const TcpConfig& config);
  /// The same for connections that the listener is yet to accept; those that are half-open keep
  /// what their SYN-ACK said.
  [[nodiscard]] Status configure(ListenerId listener, const TcpConfig& config);
  /// The settings of a connection, nullptr for a stale id; of an open listener.
  [[nodiscard]] const TcpConfig* settings(ConnectionId id) const;
  [[nodiscard]] const TcpConfig* settings(ListenerId listener) const;

  // ---- questions
  [[nodiscard]] const Counters& counters() const;
  [[nodiscard]] const StateCounts& states() const;
  /// Connections from index `from` on, at most out.size() of them: a bounded slice for `ss`.
  /// Returns the index to go on from; kNil at the end. `count` says how many were written.
  std::uint32_t list(std::uint32_t from, std::span<ConnectionStatus> out, std::size_t& count) const;
  /// Looks at the state of `slots` connections from index `from` on, and adds those in CLOSE_WAIT
  /// to `sum`. Returns as list() does.
  std::uint32_t survey_close_wait(std::uint32_t from, std::uint32_t slots, Duration longer_than,
                                  CloseWaits& sum) const;
  /// Bytes of address space reserved, and of these how many lie below each pool's high-water mark.
  struct Memory {
    std::uint64_t reserved_bytes = 0;
    std::uint64_t touched_bytes = 0;
  };
  [[nodiscard]] Memory memory() const;

  /// Connections that wait for their turn to send. An application that starts work faster than this
  /// shrinks only makes its own segments queue: see what is waiting before starting more.
  [[nodiscard]] std::size_t output_backlog() const;

  // ---- the worker's side, in the order of an iteration
  /// Keyed hash of a tuple; computed once per segment and handed to prefetch() and input().
  [[nodiscard]] std::uint64_t hash(const FourTuple& tuple) const;
  /// The same for a worker that does so in line.
  [[nodiscard]] TupleHasher hasher() const;
  void prefetch(std::uint64_t hash) const;
  /// One segment, as Arrival says. `segment.payload` must stay valid until settle().
  Drop input(std::uint64_t hash, const FourTuple& tuple, const SegmentIn& segment, Instant now);
  /// The same for all of a burst in their order; what became of each is counted in `drops`.
  void input(std::span<const Arrival> burst, Instant now, DropCounters& drops);
  /// An ICMP error that embeds a segment of ours. Drop::none if it changed something.
  Drop icmp_error(const FourTuple& tuple, const IcmpError& error, Instant now);
  /// The time for calls of an application that is asked before advance() or input() told it.
  void observe(Instant now);
  /// Fires what is due, bounded; returns false if some is left for the next iteration.
  bool advance(Instant now);
  /// Events since the last settle(), for App::on_events.
  [[nodiscard]] std::span<const Event> events() const;
  /// Ends what was lent: bytes that were not consumed are copied aside. Call after on_events and
  /// before the received frames are released.
  void settle(Instant now);
  /// Writes up to out.size() segments that are due and returns how many; 0: nothing left to send.
  /// What a SegmentOut borrows stays valid until the next call of anything else on this endpoint.
  [[nodiscard]] std::size_t flush(std::span<SegmentOut> out, Instant now);
  /// The earliest time at which advance() has work, `now` if events wait for the application;
  /// nothing if no timer is armed.
  [[nodiscard]] std::optional<Instant> next_deadline(Instant now) const;
  /// True if flush() would send something: for a worker that may sleep.
  [[nodiscard]] bool has_output() const;

 private:
  friend const EndpointImpl& inspect(const Endpoint& endpoint);  // inspect.h: for tests

  explicit Endpoint(std::unique_ptr<EndpointImpl> impl);
  [[nodiscard]] EndpointImpl& impl() const { return *impl_.get(); }  // without asking for null
  std::unique_ptr<EndpointImpl> impl_;
};

}  // namespace millrace::tcp
