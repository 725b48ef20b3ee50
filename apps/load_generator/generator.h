// SPDX-License-Identifier: BSD-3-Clause
//
// The load generator of one core: an application on the endpoint. It offers connections or
// transactions by a schedule (open loop) or as earlier ones end (closed loop), speaks HTTP/1.1, and
// keeps books (ledger.h) and latency from the intended time. No allocation after construction but
// the first sight of a new response head.
//
// Phases as in RFC 9411: `init` opens the connections that a mode holds; `search` offers what it is
// told to, window by window, where a rate is searched for; `ramp_up`, `sustain` and
// `ramp_down` offer load; `collect` offers nothing and waits for what is under way, at most
// plan.drain; then `done`. Latency is of what was intended while the load was sustained.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/load_generator/latencies.h"
#include "apps/load_generator/ledger.h"
#include "apps/load_generator/plan.h"
#include "apps/load_generator/schedule.h"
#include "apps/load_generator/thinkers.h"
#include "apps/load_generator/transactions.h"
#include "dataplane/stats.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace::load {

enum class Phase : std::uint8_t { init, search, ramp_up, sustain, ramp_down, collect, done };
inline constexpr std::size_t kPhases = 7;
[[nodiscard]] std::string_view name_of(Phase phase);

/// What other threads may see while the run goes on.
struct Progress {
  Ledger ledger;
  Phase phase = Phase::init;
  std::uint64_t open_connections = 0;
  std::uint64_t schedule_lag_ns = 0;  // worst since the last publication
  Instant run_started{};
  Instant run_ended{};
};

/// Intended times in order, bounded: the open loop's queue in front of busy connections.
class Waiting {
 public:
  static constexpr std::size_t kCapacity = std::size_t{1} << 18;

  Waiting() : ring_(kCapacity) {}
  [[nodiscard]] bool push(Instant intended) {
    if (size() == kCapacity) return false;
    ring_[tail_++ % kCapacity] = intended;
    return true;
  }
  [[nodiscard]] Instant pop() { return ring_[head_++ % kCapacity]; }
  [[nodiscard]] std::size_t size() const { return tail_ - head_; }

 private:
  std::vector<Instant> ring_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

class Generator final : public tcp::App {
 public:
  explicit Generator(Plan plan);

  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant now) override;
  // The three parts of on_events, for several generators on one core.
  void begin_iteration(tcp::Endpoint& endpoint, Instant now) {
    endpoint_ = &endpoint;
    now_ = now;
  }
  void on_event(const tcp::Event& event);
  void pace();

  /// Before the workers start: wait for begin(), so that the clock of the run starts when packets
  /// can leave.
  void hold() { held_.store(true, std::memory_order_relaxed); }
  /// From any thread.
  void begin() { held_.store(false, std::memory_order_relaxed); }
  /// From any thread, of a plan that searches: from soon on this rate of all workers; latency is of
  /// what is intended in `window` after `settle`. What was due before and not launched is missed.
  void steer(double per_second, Duration settle, Duration window);
  /// From any thread: the search is over, and this rate is to be sustained; 0: nothing is.
  void sustain_at(double per_second);
  /// From any thread: ends the run as if its duration were over.
  void interrupt() { interrupted_.store(true, std::memory_order_relaxed); }
  /// One thread may take histograms while the run goes on; a turn comes with the next publication.
  [[nodiscard]] LatencyPair& live_latencies() { return latencies_; }
  /// From any thread, consistent, a few milliseconds old.
  [[nodiscard]] Progress progress() const { return board_.read(); }

  // After the workers have stopped.
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  /// What had happened when the load began to be sustained and when that ended: rates come from
  /// between.
  [[nodiscard]] const Ledger& ledger_at_start() const { return ledger_at_start_; }
  [[nodiscard]] const Ledger& ledger_at_end() const { return ledger_at_end_; }
  /// How long the load was sustained; zero if it never was.
  [[nodiscard]] Duration run_length() const { return run_ended_ - run_started_; }
  /// What no one took while the run went on.
  [[nodiscard]] const std::array<Latencies, 2>& latencies() const { return latencies_.both(); }
  [[nodiscard]] const Plan& plan() const { return plan_; }

 private:
  // generator.cpp: what happened
  void on_connected(std::uint32_t index);
  void on_data(std::uint32_t index, std::span<const std::byte> bytes);
  void on_peer_closed(std::uint32_t index);
  void on_closed(std::uint32_t index, tcp::CloseReason reason);
  [[nodiscard]] std::size_t read_answer(Transaction& t, std::span<const std::byte> bytes,
                                        bool only);
  void remember_head(const Transaction& t, std::span<const std::byte> whole);
  void finish_transaction(std::uint32_t index);
  void after_answer(std::uint32_t index, bool keep_alive);
  void give_up(std::uint32_t index, Failed cause);
  void close(std::uint32_t index);
  void end_connection(std::uint32_t index);
  void fail_outstanding(Client& client, Failed cause);
  void count_end(const Client& client, tcp::CloseReason reason);
  [[nodiscard]] bool measured(Instant intended) const {
    return intended >= sustain_from_ && intended < sustain_until_;
  }
  [[nodiscard]] bool offers() const { return phase_ > Phase::init && phase_ < Phase::collect; }
  [[nodiscard]] bool holds_connections() const { return plan_.mode != Mode::cps; }
  [[nodiscard]] bool schedules_transactions() const {
    return plan_.mode == Mode::tps || plan_.mode == Mode::throughput;
  }

  // pacing.cpp: what to start
  void init();
  void begin_offering();
  void begin_load();
  void retune();
  void offer();
  void collect();
  void launch_scheduled();
  void launch_closed();
  void serve_waiting();
  [[nodiscard]] bool holds_all() const;
  [[nodiscard]] std::uint32_t allowed() const;
  [[nodiscard]] bool clogged() const;
  void enter(Phase phase);
  void end_sustain();
  void miss_what_is_due();
  void expire();
  void end_idle_and_late();
  void publish();
  bool open(Instant intended);

  // asking.cpp: what a connection asks
  void go_on(std::uint32_t index);
  void think(std::uint32_t index);
  void end_thinking();
  void on_writable(std::uint32_t index);
  void start_request(std::uint32_t index, Instant intended);
  void send_early(Client& client, Transaction& t);
  [[nodiscard]] bool send_more(const Client& client, Transaction& t);
  void list(std::uint32_t index);
  void unlist(std::uint32_t index);
  [[nodiscard]] bool may_ask(const Client& client) const {
    return client.requests_left > 0 && client.outstanding < plan_.pipeline && !client.blocked &&
           client.phase != Client::Phase::closing;
  }
  [[nodiscard]] Transaction& first_of(const Client& client) {
    return transactions_[transactions_[client.transaction].behind];
  }

  /// The head of an answer that came whole, to one request.
  struct KnownHead {
    std::string text;
    std::uint64_t body_bytes = 0;
  };

  Plan plan_;
  Random random_;
  Pool<Client> clients_;
  Pool<Transaction> transactions_;
  StartOrder connecting_{transactions_};
  StartOrder active_{transactions_};
  http_parser_settings settings_{};

  tcp::Endpoint* endpoint_ = nullptr;  // during on_events
  Instant now_{};
  Instant started_{};
  Instant run_started_{};
  Instant run_ended_{};
  Phase phase_ = Phase::init;
  Instant offered_from_{};
  Instant sustain_from_ = Instant::max();  // as planned, to the nanosecond
  Instant sustain_until_ = Instant::max();
  Instant offered_until_ = Instant::max();
  Instant collected_from_{};
  Schedule schedule_;
  Waiting waiting_;  // offered transactions that found no idle connection
  Thinkers thinkers_;
  std::uint32_t idle_head_ = kNil;
  std::uint32_t idle_tail_ = kNil;
  std::vector<std::size_t> next_local_;  // of each target
  std::uint16_t early_request_ = 0;      // what went with the SYN
  std::uint32_t sweep_ = 0;              // where end_idle_and_late goes on
  std::vector<KnownHead> known_heads_;   // of each request

  Ledger ledger_;
  Ledger ledger_at_start_;
  Ledger ledger_at_end_;
  LatencyPair latencies_;
  std::uint64_t worst_lag_ns_ = 0;
  Instant next_publish_{};
  double searched_rate_ = 0;  // to be sustained
  std::atomic<bool> held_{false};
  struct Steering {
    double per_second = 0;
    Duration settle{};
    Duration window{};  // zero: sustain it
  };
  Steering asked_;  // written before asked_turn_, read behind it
  std::atomic<std::uint32_t> asked_turn_{0};
  std::atomic<std::uint32_t> turned_{0};
  std::atomic<bool> interrupted_{false};
  Board<Progress> board_;
};

}  // namespace millrace::load
