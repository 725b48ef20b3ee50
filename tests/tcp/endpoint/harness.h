// SPDX-License-Identifier: BSD-3-Clause
//
// Two ways to drive an endpoint in tests. Pair: two endpoints joined by function call, through real
// headers (emit, then parse), on a virtual clock. Solo: one endpoint and a peer that the test plays
// by hand, segment by segment. Received payload is overwritten after settle(), so that whoever
// keeps a lent span is found out.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tcp/endpoint/endpoint.h"
#include "tcp/wire/segment.h"

namespace millrace::tcp::test {

inline constexpr std::uint16_t kPort = 80;

/// Names the two instances of a test over both families.
[[nodiscard]] inline std::string family_name(const testing::TestParamInfo<bool>& family) {
  return family.param ? "v6" : "v4";
}

[[nodiscard]] Address address_of(bool ipv6, unsigned host);
[[nodiscard]] EndpointConfig small_config();
[[nodiscard]] std::span<const std::byte> as_bytes(const std::string& s);
[[nodiscard]] std::string as_string(std::span<const std::byte> bytes);

/// An event, with its bytes copied.
struct Record {
  EventKind kind = EventKind::closed;
  ConnectionId id;
  std::uint32_t user = 0;
  CloseReason reason = CloseReason::none;
  ListenerId listener;
  std::string bytes;
};

/// One segment on its way, as its receiver sees it.
struct Packet {
  FourTuple tuple;
  std::vector<std::byte> bytes;  // header and payload
  SegmentIn segment;             // parsed; its payload lies in `bytes`
};

/// An endpoint with an application that records everything. Unless `greedy` is off it consumes all
/// that it is shown; `react` may do more.
class Host {
 public:
  Host(const EndpointConfig& config, Address address);

  Endpoint& operator*() { return *endpoint_; }
  Endpoint* operator->() { return endpoint_.get(); }

  /// One iteration: what is in the inbox, timers, application, settle, flush to `peer`.
  void iterate(Host& peer, Instant now);
  /// Nothing to do at `now`; timers may be armed.
  [[nodiscard]] bool is_idle(Instant now) const {
    const auto next = endpoint_->next_deadline(now);
    return inbox.empty() && !endpoint_->has_output() && (!next || *next > now);
  }

  [[nodiscard]] std::size_t count(EventKind kind) const;
  [[nodiscard]] std::vector<Record> of(EventKind kind) const;
  /// Bytes consumed from a connection so far.
  [[nodiscard]] const std::string& received(ConnectionId id);
  /// Ends the test if any connection has more than one closed event, or events after it.
  void check_log() const;

  Address address;
  std::vector<Record> log;
  std::deque<Packet> inbox;
  std::map<Drop, std::size_t> drops;
  bool greedy = true;
  std::function<void(Host&, const Event&)> react;
  std::function<bool(const Packet&)> pass_out;  // false: the packet is lost

 private:
  void on_event(const Event& event);

  std::unique_ptr<Endpoint> endpoint_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> received_;
};

class Pair {
 public:
  explicit Pair(bool ipv6, EndpointConfig client_config = small_config(),
                EndpointConfig server_config = small_config());

  /// Iterates until nothing is under way; time passes by 10 us per iteration.
  void exchange();
  /// Iterates for `d`, jumping from deadline to deadline.
  void run_for(Duration d);

  [[nodiscard]] ListenerId listen(std::uint32_t backlog = 128);
  [[nodiscard]] OpenResult connect(std::uint32_t user = 0, std::uint16_t local_port = 0);
  /// connect() and the handshake; both ends' ids.
  struct Ends {
    ConnectionId client, server;
  };
  [[nodiscard]] Ends open();

  Host client;
  Host server;
  Instant now{1s};
};

/// What an endpoint sent, with its payload copied.
struct Sent {
  SegmentOut segment;
  std::string payload;
  [[nodiscard]] bool is(std::uint8_t flags) const { return segment.flags.bits == flags; }
};

class Solo {
 public:
  explicit Solo(bool ipv6, EndpointConfig config = small_config());

  Endpoint& operator*() { return *endpoint_; }
  Endpoint* operator->() { return endpoint_.get(); }

  [[nodiscard]] FourTuple tuple(std::uint16_t remote_port = 4000,
                                std::uint16_t local_port = kPort) const;
  Drop in(const FourTuple& tuple, const SegmentIn& segment);
  /// Everything that flush() gives now.
  [[nodiscard]] std::vector<Sent> out();
  /// advance(), the events that are there, settle(). Consumes nothing.
  std::vector<Record> events();
  void pass(Duration d) { now += d; }

  /// A connection opened by the peer, as far as ESTABLISHED.
  struct Opened {
    FourTuple tuple;
    ConnectionId id;
    Seq ours;    // the next that the endpoint will send
    Seq theirs;  // the next that the peer will send
  };
  [[nodiscard]] Opened accept(std::uint16_t remote_port = 4000, Seq isn = Seq{1000});
  /// The endpoint closes first: as far as TIME-WAIT, with all events shown.
  [[nodiscard]] Opened accept_and_close(std::uint16_t remote_port = 4000, Seq isn = Seq{1000});

  bool timestamps = false;  // whether the peer that accept() plays has them
  std::uint32_t peer_tsval = 5000;
  Instant now{1s};

 private:
  bool ipv6_;
  std::unique_ptr<Endpoint> endpoint_;
};

[[nodiscard]] SegmentIn segment(std::uint8_t flags, Seq seq, Seq ack = Seq{},
                                const std::string* payload = nullptr);
[[nodiscard]] SegmentIn with_timestamps(SegmentIn s, std::uint32_t tsval, std::uint32_t tsecr = 0);

inline constexpr std::uint8_t kFin = Flags::kFin, kSyn = Flags::kSyn, kRst = Flags::kRst;
inline constexpr std::uint8_t kAck = Flags::kAck, kPsh = Flags::kPsh;

/// Objects that must be gone when nothing is under way: all but TIME_WAIT entries and listeners.
[[nodiscard]] std::uint64_t live_connections(const Endpoint& endpoint);

}  // namespace millrace::tcp::test
