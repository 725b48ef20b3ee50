// SPDX-License-Identifier: BSD-3-Clause
//
// Segments out of one end become segments into the other.
#include "apps/time_wait/lab.h"

#include <array>
#include <utility>

#include "tcp/base/check.h"

namespace millrace::time_wait {

std::uint64_t Dice::next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

Path::Packet& Path::new_packet(Instant at) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(packets_.size()));
    packets_.push_back(std::make_unique<Packet>());
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  heap_.push({at, order_++, slot});
  return *packets_[slot];
}

void Path::carry(const tcp::SegmentOut& out, Instant now) {
  MR_CHECK(out.segment_size == 0);
  const auto late = [&] {
    return Duration(
        static_cast<Duration::rep>(static_cast<double>(faults_.late.count()) * dice_.share()));
  };
  const bool lost = dice_.share() < faults_.loss;
  const bool again = dice_.share() < faults_.duplicate;
  const bool held = dice_.share() < faults_.reorder;
  for (int copy = 0; copy < 2; ++copy) {
    if (copy == 0 ? lost : !again) continue;
    const bool delayed = copy == 1 || held;
    Packet& packet = new_packet(now + one_way_ + (delayed ? late() : Duration{}));
    packet.tuple = {out.tuple.remote, out.tuple.local, out.tuple.remote_port, out.tuple.local_port};
    packet.payload.clear();
    for (std::size_t i = 0; i < out.piece_count; ++i) {
      packet.payload.insert(packet.payload.end(), out.pieces[i].begin(), out.pieces[i].end());
    }
    packet.segment = {};
    packet.segment.seq = out.seq;
    packet.segment.ack = out.ack;
    packet.segment.window = out.window;
    packet.segment.flags = out.flags;
    packet.segment.ecn = out.ecn;
    packet.segment.options = out.options;
    packet.segment.payload = packet.payload;
    if (keeps_fins_ && copy == 0 && out.flags.fin()) {
      fins_.push_back({packet.tuple, packet.segment});
      fins_.back().segment.payload = {};
    }
  }
}

void Path::deliver(tcp::Endpoint& to, Instant now) {
  while (!heap_.empty() && heap_.top().at <= now) {
    const std::uint32_t slot = heap_.top().slot;
    heap_.pop();
    delivered_.push_back(slot);
    const Packet& packet = *packets_[slot];
    (void)to.input(to.hash(packet.tuple), packet.tuple, packet.segment, now);
  }
}

void Path::release() {
  free_.insert(free_.end(), delivered_.begin(), delivered_.end());
  delivered_.clear();
}

tcp::Secrets secrets_of(std::uint64_t seed) {
  Dice dice(seed);
  const auto key = [&] { return SipKey{dice.next(), dice.next()}; };
  tcp::Secrets secrets;
  secrets.numbers = key();
  secrets.table = key();
  secrets.ports = key();
  secrets.cookies = key();
  secrets.fast_open = key();
  return secrets;
}

LabConfig::LabConfig() = default;

Address client_address(std::uint32_t n) { return Address::v4(0xC6120100U + n); }
Address server_address() { return Address::v4(0xC6120001U); }

Lab::Lab(const LabConfig& config, tcp::App& client, tcp::App& server)
    : tick_(config.tick),
      client_app_(client),
      server_app_(server),
      to_server_(config.one_way, config.faults, config.seed * 2),
      to_client_(config.one_way, config.faults, config.seed * 2 + 1) {}

Result<std::unique_ptr<Lab>> Lab::create(const LabConfig& config, tcp::App& client,
                                         tcp::App& server) {
  tcp::EndpointConfig one = config.client;
  tcp::EndpointConfig two = config.server;
  one.secrets = secrets_of(config.seed * 2);
  two.secrets = secrets_of(config.seed * 2 + 1);
  std::unique_ptr<Lab> lab(new Lab(config, client, server));
  auto first = tcp::Endpoint::create(one);
  if (!first) return first.error();
  auto second = tcp::Endpoint::create(two);
  if (!second) return second.error();
  lab->client_ = std::move(first).value();
  lab->server_ = std::move(second).value();
  tcp::ListenRequest request;
  request.port = kPort;
  auto listening = lab->server_->listen(request);
  if (!listening) return listening.error();
  return lab;
}

void Lab::iterate(tcp::Endpoint& endpoint, tcp::App& app, Path& in, Path& out) const {
  in.deliver(endpoint, now_);
  (void)endpoint.advance(now_);
  app.on_events(endpoint, endpoint.events(), now_);
  endpoint.settle(now_);
  in.release();
  std::array<tcp::SegmentOut, 32> due;
  for (std::size_t count = 0; (count = endpoint.flush(due, now_)) != 0;) {
    for (std::size_t i = 0; i < count; ++i) out.carry(due[i], now_);
  }
}

void Lab::step() { step_at(now_ + tick_); }

void Lab::step_at(Instant now) {
  now_ = now;
  iterate(*client_, client_app_, to_client_, to_server_);
  iterate(*server_, server_app_, to_server_, to_client_);
}

void Lab::run_for(Duration time) {
  const Instant until = now_ + time;
  while (now_ < until) step();
}

}  // namespace millrace::time_wait
