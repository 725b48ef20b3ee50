// SPDX-License-Identifier: BSD-3-Clause
#include "tests/tcp/connection/pair.h"

#include <algorithm>
#include <memory>

#include "tcp/connection/receive_window.h"

namespace millrace::tcp::test {

Pair::Pair(const TcpConfig& config, const TcpConfig& of_b) : a(config), b(of_b) {}

void Pair::establish(Seq iss_a, Seq iss_b, bool ipv6) {
  const auto offer = [&](const TcpConfig& config) {
    return syn_options(config, ipv6, 0, nullptr, 0);
  };
  const auto setup = [&](Host& self, const Host& other, Seq iss, Seq irs) {
    const bool ecn = self.config.ecn == EcnUse::always && other.config.ecn == EcnUse::always;
    const Handshake h = agree(self.config, ipv6, offer(other.config), ecn);
    HostSetup s;
    s.iss = iss;
    s.irs = irs;
    s.snd_wnd = syn_window(other.config);
    s.rcv_wnd = syn_window(self.config);
    s.peer_mss = h.peer_mss;
    s.peer_scale = h.peer_scale;
    s.timestamps = h.timestamps;
    s.sack = h.sack;
    s.window_scaling = h.window_scaling;
    s.ecn = h.ecn;
    s.ts_recent = timestamp_clock(self.now);
    s.ipv6 = ipv6;
    self.establish(s);
  };
  setup(a, b, iss_a, iss_b);
  setup(b, a, iss_b, iss_a);
}

void Pair::send(Host& from) {
  const bool from_a = &from == &a;
  for (Segment& s : from.flush()) {
    const int nth = from_a ? sent_by_a++ : sent_by_b++;
    (from_a ? payload_by_a : payload_by_b) += s.data.size();
    const std::vector<Duration> copies =
        fate ? fate(from_a, nth, s) : std::vector<Duration>{Duration::zero()};
    for (const Duration d : copies) wire_.emplace(from.now + delay + d, Flight{from_a, s});
  }
}

void Pair::deliver_due() {
  while (!wire_.empty() && wire_.begin()->first <= a.now) {
    const Flight flight = std::move(wire_.begin()->second);
    wire_.erase(wire_.begin());
    Host& to = flight.from_a ? b : a;
    if (to.c.state != State::closed) (void)to.input(flight.segment);
  }
}

bool Pair::step(Instant end) {
  Instant next = end + 1ns;
  if (!wire_.empty()) next = std::min(next, wire_.begin()->first);
  for (Host* h : {&a, &b}) {
    const std::optional<Tick> due = earliest_event(h->c, h->context());
    if (!due) continue;
    const auto ahead = static_cast<std::int32_t>(*due - tick_of(h->now));
    const std::int64_t ticks = (h->now.time_since_epoch().count() >> kTickShift) + ahead;
    next = std::min(next, std::max(h->now, Instant{Duration{ticks << kTickShift}}));
  }
  if (next > end) {
    a.now = b.now = end;
    return false;
  }
  a.now = b.now = next;
  deliver_due();
  a.fire_due();
  b.fire_due();
  if (each_step) each_step();
  send(a);
  send(b);
  return true;
}

bool Pair::run(const std::function<bool()>& done, Duration limit) {
  const Instant end = a.now + limit;
  send(a);
  send(b);
  while (!done()) {
    if (!step(end)) return done();
  }
  return true;
}

Pair::Fate chaos(std::uint32_t seed, double loss, double reorder, double copy) {
  const auto random = std::make_shared<std::mt19937>(seed);
  return [=](bool, int, Segment&) {
    std::uniform_real_distribution<double> chance(0, 1);
    std::vector<Duration> copies;
    if (chance(*random) >= loss) copies.push_back(Duration::zero());
    if (!copies.empty() && chance(*random) < reorder) {
      copies[0] += std::chrono::microseconds((*random)() % 30'000);
    }
    if (!copies.empty() && chance(*random) < copy) {
      copies.push_back(std::chrono::microseconds((*random)() % 20'000));
    }
    return copies;
  };
}

}  // namespace millrace::tcp::test
