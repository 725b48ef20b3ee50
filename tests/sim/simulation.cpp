// SPDX-License-Identifier: BSD-3-Clause
//
// The clock, the script and the verdict.
#include "tests/sim/simulation.h"

#include <algorithm>

#include "tests/support/offload.h"

namespace millrace::sim {
namespace {

/// How long an iteration takes when there is work, and how soon a blocked worker tries again.
constexpr Duration kBusyStep = 1us;
constexpr Duration kRetryStep = 200us;
/// After healing, everything must be over within this: retries, keepalive and 2MSL included. Where
/// pools are scarce, connections may have to wait for each other's 2MSL.
constexpr Duration kPatience = 400s;
constexpr Duration kPatiencePerConnection = 150s;

Host host_of(int side) {
  const auto last = static_cast<std::uint8_t>(side + 1);
  return {Address::v4(0xC6120000U + last),
          Address::v6({0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last})};
}

tcp::EndpointConfig endpoint_config(const Plan& plan, int side) {
  test::Random r(plan.seed ^ (0xabcdef + static_cast<std::uint64_t>(side)));
  const auto key = [&] { return SipKey{r.next(), r.next()}; };
  const EndPlan& p = plan.end[static_cast<std::size_t>(side)];
  tcp::EndpointConfig c;
  const auto enough = std::max<std::uint32_t>(
      512, static_cast<std::uint32_t>(plan.connections.size() + plan.connections.size() / 4));
  const std::uint32_t n = p.scarcity > 0 ? p.scarcity : enough;
  c.max_connections = n;
  c.max_half_open = n;
  c.max_time_wait = n;
  c.max_ipv6_pairs = 2 * n;
  c.max_send_states = n;
  c.max_models = p.scarcity > 0 ? (n + 1) / 2 : n;  // some have to do with CUBIC
  c.max_receive_states = n;
  c.max_blocks = p.blocks > 0 ? p.blocks : 32 * n;
  c.first_port = 30'000;  // apart from the ports that plans name
  c.time_wait_reuse = p.reuse;
  c.time_wait_overflow = p.overflow;
  c.profiles = {p.tcp};
  c.secrets = {key(), key(), key(), key(), key()};
  return c;
}

}  // namespace

Simulation::Simulation(const Plan& plan, std::size_t capture_bytes)
    : plan_(plan), link_(plan.way[0], plan.way[1], plan.seed), capture_(capture_bytes) {
  for (int side = 0; side < 2; ++side) build_end(side);
  audit_ = std::make_unique<WireAudit>(
      plan_, ports_, WireAudit::Talks{&ends_[0]->app->talks(), &ends_[1]->app->talks()});
  for (std::size_t i = 0; i < plan_.faults.size(); ++i) {
    const Fault& f = plan_.faults[i];
    script_.push_back({kStart + f.at, i, true});
    script_.push_back({kStart + f.at + f.length(), i, false});
  }
  std::stable_sort(script_.begin(), script_.end(),
                   [](const Moment& a, const Moment& b) { return a.at > b.at; });
}

Simulation::~Simulation() = default;

void Simulation::build_end(int side) {
  auto end = std::make_unique<End>();
  const EndPlan& p = plan_.end[static_cast<std::size_t>(side)];
  test::MemoryPortConfig port;
  port.info.device = "sim" + std::to_string(side);
  port.info.driver = "simulated";
  port.info.mac = {0x02, 0, 0, 0, 0, static_cast<std::uint8_t>(side + 1)};
  port.info.mtu = p.tcp.mtu;
  port.info.tx_ip_checksum = port.info.tx_tcp_checksum = p.tx_checksum;
  port.info.tx_tso = p.tx_tso;
  port.info.max_pieces = p.tx_tso ? 40 : 1;
  port.rx_checksums = p.rx_checksums;
  port.hold_tx_frames = p.hold_tx_frames;
  port.buffers = 1024;
  port.seed = plan_.seed + static_cast<std::uint64_t>(side);
  end->port = std::make_unique<test::MemoryPort>(
      port, [this, side](std::span<const std::byte> frame) { on_sent(side, frame); });

  auto endpoint = tcp::Endpoint::create(endpoint_config(plan_, side));
  MR_CHECK(endpoint.ok());
  end->endpoint = std::move(endpoint).value();
  tcp::ListenRequest listen;
  listen.port = kListenPort;
  listen.backlog = p.backlog;
  MR_CHECK(end->endpoint->listen(listen).ok());
  end->app =
      std::make_unique<StreamApp>(plan_, side, host_of(side), host_of(1 - side), ports_, now_);

  WorkerConfig config;
  config.interface.mac = port.info.mac;
  config.interface.mtu = p.tcp.mtu;
  config.interface.addresses = {{host_of(side).v4, 24, 1}, {host_of(side).v6, 64, 1}};
  config.interface.neighbour_key = {plan_.seed, 1};
  config.max_segment_bytes = p.tcp.max_segment_burst;
  end->worker = std::make_unique<Worker>(config, *end->port, *end->endpoint, *end->app, nullptr);
  end->invariants = std::make_unique<Invariants>(*end->endpoint, p.tcp, plan_.check_every() == 1);
  end->forger = std::make_unique<Forger>(*end->endpoint, end->invariants->time_wait(),
                                         plan_.seed * 2 + static_cast<std::uint64_t>(side));
  end->whim = test::Random(~plan_.seed + static_cast<std::uint64_t>(side));
  ends_[static_cast<std::size_t>(side)] = std::move(end);
}

void Simulation::fail(const std::string& what) {
  if (!failure_.empty()) return;
  failure_ = "at " + std::to_string(to_us(now_ - kStart)) + " us: " + what;
  over_ = true;
}

void Simulation::note(const void* data, std::size_t bytes) {
  trace_hash_ = siphash<1, 3>({trace_hash_, 0x9e3779b97f4a7c15}, data, bytes);
}

void Simulation::on_sent(int side, std::span<const std::byte> frame) {
  ++frames_;
  const std::int64_t at = now_.time_since_epoch().count() * 2 + side;
  note(&at, sizeof at);
  note(frame.data(), frame.size());
  capture_.add(now_, frame);
  const std::uint16_t judged = test::offload_receive(frame);
  if ((judged & (Frame::kIpChecksumBad | Frame::kL4ChecksumBad)) != 0) {
    fail("end " + std::to_string(side) + " sent a frame with a bad checksum");
  }
  link_.send(side, frame, now_, audit_->sent(side, frame, now_));
  heed_audit();
}

void Simulation::heed_audit() {
  if (!audit_->complaint().empty()) fail(audit_->complaint());
}

Instant Simulation::next_instant() const {
  Instant next = Instant::max();
  if (const auto at = link_.next_delivery()) next = std::min(next, *at);
  if (!script_.empty()) next = std::min(next, script_.back().at);
  if (!healed_) next = std::min(next, kStart + plan_.heal_at);
  for (const auto& end : ends_) {
    if (!end->stalled) next = std::min(next, end->next_poll);
  }
  return std::max(next, now_);
}

void Simulation::apply_script() {
  while (!script_.empty() && script_.back().at <= now_) {
    const Moment m = script_.back();
    script_.pop_back();
    apply_fault(plan_.faults[m.fault], m.begins);
  }
  if (!healed_ && now_ >= kStart + plan_.heal_at) {
    healed_ = true;
    for (int i = 0; i < 2; ++i) link_.set(i, link_.impairment(i).healed());
  }
}

void Simulation::apply_fault(const Fault& fault, bool begins) {
  End& end = *ends_[static_cast<std::size_t>(fault.side)];
  end.next_poll = now_;
  switch (fault.kind) {
    case FaultKind::none:
      break;
    case FaultKind::allocate_fails:
      end.port->set_allocate_failure(begins ? 0.1 : 0);
      break;
    case FaultKind::pool_dry:
      end.port->set_dry(begins);
      break;
    case FaultKind::tx_full:
      end.port->set_tx_room(begins ? std::optional<std::size_t>(0) : std::nullopt);
      break;
    case FaultKind::tx_partial:
      end.port->set_tx_refusal(begins ? 0.5 : 0);
      break;
    case FaultKind::link_down:
      end.port->set_link(!begins);
      break;
    case FaultKind::clock_forward:
      if (begins) end.clock_offset += 1h;
      break;
    case FaultKind::clock_second:
      if (begins) end.clock_offset += 1s;
      break;
    case FaultKind::clock_back:
      if (begins) end.clock_offset -= 1s;
      break;
    case FaultKind::stall:
    case FaultKind::gone:
      end.stalled = begins;
      break;
  }
}

void Simulation::deliver_due() {
  while (auto d = link_.receive(now_)) {
    End& end = *ends_[static_cast<std::size_t>(d->to)];
    const std::size_t pieces = plan_.end[static_cast<std::size_t>(d->to)].rx_piece_bytes;
    const bool taken = end.port->deliver(d->frame, 0, pieces > 0 ? pieces : d->frame.size());
    end.damaged_ipv4 += taken && d->damage == Damage::ipv4 ? 1 : 0;
    end.damaged_segments += taken && d->damage == Damage::segment ? 1 : 0;
    if (taken && d->damage != Damage::segment) {
      audit_->delivered(d->to, d->tag, d->frame, d->damage == Damage::none, now_);
      heed_audit();
    }
    end.next_poll = now_;
  }
}

void Simulation::poll(int side) {
  End& end = *ends_[static_cast<std::size_t>(side)];
  ++polls_;
  const Instant local = now_ + end.clock_offset;
  const bool busy = end.worker->poll(local);
  const Duration lead = end.app->last_now() - now_;
  if (end.leads.empty() || end.leads.back().second != lead) end.leads.emplace_back(now_, lead);
  Instant next = Instant::max();
  if (const auto deadline = end.worker->next_deadline(local)) {
    next = *deadline <= local ? now_ + kRetryStep : *deadline - end.clock_offset;
  }
  if (const auto wake = end.app->next_wake()) next = std::min(next, now_ + *wake);
  if (busy || end.port->rx_waiting() > 0) next = now_ + kBusyStep;
  end.next_poll = next;
  if (!end.app->complaints().empty()) fail(end.app->complaints().front());
  if (++end.polls % plan_.check_every() != 0) return;
  const std::string broken = end.invariants->check(end.app->last_now());
  if (!broken.empty()) fail("end " + std::to_string(side) + ": " + broken);
  if (!over_ && !healed_ && end.whim.chance(plan_.forged)) forge(side);
}

/// One lie, between two iterations of the worker.
void Simulation::forge(int side) {
  End& end = *ends_[static_cast<std::size_t>(side)];
  const std::string effect = end.forger->strike(end.app->last_now());
  if (!effect.empty()) fail("end " + std::to_string(side) + ": " + effect);
  end.next_poll = now_ + kBusyStep;
}

void Simulation::step() {
  const Instant next = next_instant();
  Duration patience = kPatience;
  if (plan_.scarce()) {
    patience += kPatiencePerConnection * static_cast<std::int64_t>(plan_.connections.size());
  }
  if (next == Instant::max() || next > kStart + plan_.heal_at + patience) {
    over_ = true;
    return;
  }
  now_ = next;
  apply_script();
  deliver_due();
  for (int side = 0; side < 2; ++side) {
    const End& end = *ends_[static_cast<std::size_t>(side)];
    if (!end.stalled && end.next_poll <= now_) poll(side);
  }
  if (quiet()) over_ = true;
}

/// Nothing left to do: all connections finished, all stores empty, nothing on the wire.
bool Simulation::quiet() const {
  if (link_.next_delivery() || !script_.empty()) return false;
  for (const auto& end : ends_) {
    if (!end->app->finished()) return false;
    const tcp::StateCounts& states = end->endpoint->states();
    for (std::size_t s = 0; s < tcp::kStateCount; ++s) {
      if (s != static_cast<std::size_t>(tcp::State::listen) && states.count[s] != 0) return false;
    }
  }
  return true;
}

void Simulation::run_until(Duration until) {
  while (!over_ && next_instant() <= kStart + until) step();
}

RunResult Simulation::run() {
  while (!over_) step();
  return conclude();
}

}  // namespace millrace::sim
