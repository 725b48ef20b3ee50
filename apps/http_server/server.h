// SPDX-License-Identifier: BSD-3-Clause
//
// The HTTP/1.1 server of one core (RFC 9110, RFC 9112): an application on the endpoint. Answers are
// given in the order of the requests; a pipelined request is read when the answer before it is
// wholly queued, so the receive window is what bounds a pipeline. Nothing is allocated after
// construction.
//
// Refuses to hold what a client could make long: a head beyond 8 KiB is answered 431 (or 414 if its
// first line alone is too long), one that is not complete after 10 s 408, an answer that nobody
// reads for 60 s ends with a reset.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "apps/http_server/buffers.h"
#include "apps/http_server/deadlines.h"
#include "apps/http_server/exchange.h"
#include "apps/http_server/head_memo.h"
#include "apps/http_server/pattern.h"
#include "apps/http_server/response.h"
#include "dataplane/stats.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace::http {

struct ServerConfig {
  std::uint32_t max_exchanges = 65'536;  // connections with a request or an answer under way
  Duration head_time = 10s;              // from the first byte of a request to the end of its head
  Duration stall_time = 60s;             // an answer or a body without any progress
  Duration linger_time = 2s;             // reading on after an answer that closes
};

/// Plain counts of one server since its start.
struct ServerStats {
  std::uint64_t connections = 0;           // accepted
  std::uint64_t requests = 0;              // whole heads, good and bad
  std::array<std::uint64_t, 6> answers{};  // by hundreds of their status
  std::uint64_t known_heads = 0;           // requests that needed no parser
  std::uint64_t bad_requests = 0;          // refused by framing or parser
  std::uint64_t slow_heads = 0;            // 408
  std::uint64_t stalled = 0;               // reset for want of progress
  std::uint64_t out_of_memory = 0;         // a bounded pool was empty: 503, or reset

  void add(const ServerStats& other);
};

class HttpServer final : public tcp::App {
 public:
  explicit HttpServer(const ServerConfig& config);

  /// Any local address, both families.
  [[nodiscard]] Status listen(tcp::Endpoint& endpoint, std::uint16_t port);
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) override;

  /// Stops accepting; answers from now on close their connections. On the worker's thread.
  void start_draining(tcp::Endpoint& endpoint);
  /// Closes up to `most` idle connections from index `from` on; where to go on, kNil at the end.
  std::uint32_t close_idle(tcp::Endpoint& endpoint, std::uint32_t from, std::size_t most);

  /// From any thread, a few milliseconds old.
  [[nodiscard]] ServerStats published() const { return board_.read(); }
  [[nodiscard]] const ServerStats& stats() const { return stats_; }
  [[nodiscard]] std::uint32_t live_exchanges() const { return exchanges_.live(); }
  [[nodiscard]] std::uint32_t live_buffers() const { return buffers_.live(); }

 private:
  // User words: what a connection is to the server.
  static constexpr std::uint32_t kIdle = 0;
  static constexpr std::uint32_t kOver = 0xffff'ffff;  // closed by us; others: exchange index + 1
  static constexpr std::size_t kMostHead = 8192;
  static constexpr int kMostExpiries = 256;  // per call

  /// One connection while its bytes are looked at.
  struct Talk {
    tcp::ConnectionId id;
    Exchange* exchange = nullptr;
    bool over = false;  // closed by us: what still comes is nobody's
  };

  // server.cpp: events, and the life of exchanges
  void on_event(const tcp::Event& event);
  void on_peer_closed(Talk& t);
  void on_closed(const tcp::Event& event);
  void expire();
  void on_deadline(Exchange& x);
  [[nodiscard]] Talk talk(const tcp::Event& event);
  [[nodiscard]] bool begin_exchange(Talk& t, Phase phase);
  void end_exchange(Talk& t);
  [[nodiscard]] std::uint32_t index_of(const Exchange& x) {
    return static_cast<std::uint32_t>(&x - &exchanges_[0]);
  }
  void set_user(tcp::ConnectionId id, std::uint32_t user);
  void arm(const Exchange& x, Duration time) { deadlines_.set(index_of(x), now_ + time); }
  void abort(Talk& t, std::uint64_t& cause);
  void close(Talk& t);

  // requests.cpp: bytes in. Each consumes what it takes and says how much; 0: not now.
  [[nodiscard]] bool take(Talk& t, Bytes bytes);
  [[nodiscard]] std::size_t take_request(Talk& t, Bytes bytes);
  [[nodiscard]] std::size_t take_head_part(Talk& t, Bytes bytes);
  [[nodiscard]] std::size_t keep_head(Talk& t, Bytes bytes);
  [[nodiscard]] std::size_t refuse(Talk& t, std::size_t used, std::uint16_t status);
  void handle_head(Talk& t, std::string_view head, std::size_t unread);
  [[nodiscard]] static std::uint16_t too_long(std::string_view head);
  void read_on(Talk& t);

  // answers.cpp: bytes out. The bools are true if all was queued.
  void answer(Talk& t, const Plan& plan);
  void answer_whole(Talk& t, const Plan& plan, Bytes whole);
  void answer_in_pieces(Talk& t, const Plan& plan);
  void start_delay(Talk& t, const Plan& plan);
  [[nodiscard]] bool put(Talk& t, Bytes bytes, tcp::Lifetime lifetime);
  [[nodiscard]] bool put_rest(Talk& t);
  [[nodiscard]] bool put_body(tcp::ConnectionId id, const Plan& plan, std::uint64_t& done);
  void wait_for_room(Talk& t, const Plan& plan, std::uint64_t done);
  void pump(Talk& t);
  void complete(Talk& t);
  void finish(Talk& t, bool linger);
  void count_answer(std::uint16_t status) { ++stats_.answers[status / 100U]; }

  // echo.cpp: bytes in and out
  void start_echo(Talk& t, const Plan& plan);
  [[nodiscard]] std::size_t take_body(Talk& t, Bytes bytes);
  [[nodiscard]] std::size_t take_plain_body(Talk& t, Bytes bytes);
  [[nodiscard]] std::size_t take_chunked_body(Talk& t, Bytes bytes);
  [[nodiscard]] bool put_echo_head(Talk& t);
  void end_echo(Talk& t);
  void break_echo(Talk& t);
  void publish();

  ServerConfig config_;
  Pool<Exchange> exchanges_;
  Buffers buffers_;
  Deadlines deadlines_;
  Pattern pattern_;
  PreparedAnswers prepared_;
  HeadMemo memo_;
  std::vector<tcp::ListenerId> listeners_;
  bool draining_ = false;

  tcp::Endpoint* endpoint_ = nullptr;  // during a call
  Instant now_{};
  bool users_moved_ =
      false;  // in this call: an event's user word may be older than the word itself
  Instant next_publish_{};
  ServerStats stats_;
  Board<ServerStats> board_;
};

}  // namespace millrace::http
