// SPDX-License-Identifier: BSD-3-Clause
//
// Two endpoints with an application each, joined by a path that may lose, double and delay, under a
// clock that the experiment turns: minutes of 2MSL pass in moments, and a seed repeats a run. The
// endpoints are those that `serve` and `load` run on; only frames and cores are left out.
#pragma once

#include <cstdint>
#include <memory>
#include <queue>
#include <vector>

#include "tcp/endpoint/app.h"
#include "tcp/endpoint/endpoint.h"

namespace millrace::time_wait {

/// What a path does to packets: shares of one, drawn for each packet alone.
struct Faults {
  double loss = 0;
  double duplicate = 0;  // a second copy, late by up to `late`
  double reorder = 0;    // the packet itself is late by up to `late`
  Duration late{};
};

/// A small generator of its own for each path: splitmix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  [[nodiscard]] std::uint64_t next();
  /// From 0 to 1, without 1.
  [[nodiscard]] double share() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

/// One direction.
class Path {
 public:
  Path(Duration one_way, const Faults& faults, std::uint64_t seed)
      : one_way_(one_way), faults_(faults), dice_(seed) {}

  void carry(const tcp::SegmentOut& segment, Instant now);
  /// Hands over what has arrived by `now`.
  void deliver(tcp::Endpoint& to, Instant now);
  /// The receiver has taken what was delivered.
  void release();
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::uint64_t carried() const { return order_; }

  /// A FIN as it arrived, the receiver's tuple before it.
  struct Fin {
    FourTuple tuple;
    tcp::SegmentIn segment;  // without payload
  };
  void keep_fins() { keeps_fins_ = true; }
  [[nodiscard]] std::span<const Fin> fins() const { return fins_; }

 private:
  struct Packet {
    FourTuple tuple;
    tcp::SegmentIn segment;
    std::vector<std::byte> payload;
  };
  struct Turn {
    Instant at;
    std::uint64_t order;
    std::uint32_t slot;
    friend bool operator>(const Turn& a, const Turn& b) {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };
  [[nodiscard]] Packet& new_packet(Instant at);

  Duration one_way_;
  Faults faults_;
  Dice dice_;
  std::uint64_t order_ = 0;
  bool keeps_fins_ = false;
  std::vector<Fin> fins_;
  std::vector<std::unique_ptr<Packet>> packets_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> delivered_;
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> heap_;
};

/// Keys that differ from each other, the same for a seed.
[[nodiscard]] tcp::Secrets secrets_of(std::uint64_t seed);

inline constexpr std::uint16_t kPort = 80;
/// The n-th client, 198.18.1.0 and on; the server is 198.18.0.1.
[[nodiscard]] Address client_address(std::uint32_t n);
[[nodiscard]] Address server_address();

struct LabConfig {
  LabConfig();
  tcp::EndpointConfig client;
  tcp::EndpointConfig server = client;
  Duration tick = 1ms;     // an iteration of both ends
  Duration one_way = 1ms;  // of the path
  Faults faults;
  std::uint64_t seed = 1;
};

class Lab {
 public:
  /// Errors: those of tcp::Endpoint::create.
  [[nodiscard]] static Result<std::unique_ptr<Lab>> create(const LabConfig& config,
                                                           tcp::App& client, tcp::App& server);

  /// One iteration of both ends, a tick later.
  void step();
  void run_for(Duration time);
  /// From here on the FINs that the server sends are kept.
  void keep_fins() { to_client_.keep_fins(); }
  /// The clock goes on without iterations between: nothing may be under way.
  void jump(Instant to) { now_ = to; }
  /// One iteration of both ends at `now`, for an experiment with a clock of its own.
  void step_at(Instant now);
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] tcp::Endpoint& client() { return *client_; }
  [[nodiscard]] tcp::Endpoint& server() { return *server_; }
  [[nodiscard]] const Path& to_server() const { return to_server_; }
  [[nodiscard]] const Path& to_client() const { return to_client_; }

 private:
  Lab(const LabConfig& config, tcp::App& client, tcp::App& server);
  void iterate(tcp::Endpoint& endpoint, tcp::App& app, Path& in, Path& out) const;

  Duration tick_;
  tcp::App& client_app_;
  tcp::App& server_app_;
  Path to_server_;
  Path to_client_;
  std::unique_ptr<tcp::Endpoint> client_;
  std::unique_ptr<tcp::Endpoint> server_;
  Instant now_{1000s};
};

}  // namespace millrace::time_wait
