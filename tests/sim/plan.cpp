// SPDX-License-Identifier: BSD-3-Clause
//
// Draws a run from its seed. Most runs are small, 1 to 120 connections, so that a thousand of them
// fit into half a minute; one in 300 has up to 3,000 connections with little to say each, the size
// that the test programme asks for (T1: 60 s simulated, 1,000 connections and more).
#include "tests/sim/plan.h"

#include <sstream>

namespace millrace::sim {
namespace {

using test::Random;

Duration ns(std::uint64_t n) { return Duration{static_cast<std::int64_t>(n)}; }
Duration between(Random& r, Duration low, Duration high) {
  return ns(r.magnitude(static_cast<std::uint64_t>(low.count()),
                        static_cast<std::uint64_t>(high.count())));
}

Impairment draw_way(Random& r) {
  Impairment i;
  i.delay = between(r, 10us, 300ms);
  if (r.chance(0.3)) i.jitter = i.delay / static_cast<int>(r.between(1, 10));
  if (r.chance(0.5)) {
    i.bits_per_second = r.magnitude(2'000'000, 2'000'000'000);
    i.queue_bytes = static_cast<std::uint32_t>(r.magnitude(8'000, 1'000'000));
  }
  if (r.chance(0.6)) {
    i.loss_kind = static_cast<LossKind>(r.below(6));
    i.loss = r.chance(0.2) ? 0.05 + 0.25 * r.unit() : 0.05 * r.unit();
  }
  if (r.chance(0.4)) {
    i.reorder = 0.3 * r.unit();
    i.reorder_delay = between(r, 10us, 50ms);
  }
  if (r.chance(0.3)) i.duplicate = 0.2 * r.unit();
  if (r.chance(0.3)) i.corrupt = 0.05 * r.unit();
  return i;
}

tcp::TcpConfig draw_tcp(Random& r) {
  tcp::TcpConfig c;
  c.mtu = r.pick<std::uint16_t>({1500, 1500, 1500, 1280, 1400, 4000, 576, 300});
  c.timestamps = r.chance(0.7);
  c.window_scaling = r.chance(0.8);
  c.sack = r.chance(0.7);
  c.receive_buffer = static_cast<std::uint32_t>(r.magnitude(4'096, 262'144));
  c.send_buffer = static_cast<std::uint32_t>(r.magnitude(4'096, 262'144));
  c.delayed_ack = r.pick<Duration>({0ms, 40ms, 40ms, 200ms});
  c.nagle = r.chance(0.7);
  c.two_msl = r.pick<Duration>({1s, 4s, 60s});
  c.fin_wait_2 = 20s;
  c.max_rto = 8s;
  // A peer whose RST was lost would wait for ever without it: nobody else is going to speak.
  c.keepalive = true;
  c.keepalive_idle = 10s;
  c.keepalive_interval = 2s;
  c.keepalive_probes = 5;
  c.user_timeout = 0s;
  c.syn_cookies = tcp::SynCookieUse::never;
  return c;
}

SidePlan draw_side(Random& r) {
  SidePlan s;
  if (r.chance(0.85)) s.bytes = r.magnitude(1, r.chance(0.1) ? 400'000 : 40'000);
  s.chunk = static_cast<std::uint32_t>(r.magnitude(1 + s.bytes / 400, 65'536));
  if (r.chance(0.2)) s.pause = between(r, 100us, 20ms);
  s.fixed = r.chance(0.4);
  s.nodelay = r.chance(0.3);
  const std::uint64_t ending = r.below(12);
  s.ending = ending < 7    ? Ending::half_close
             : ending < 10 ? Ending::close_last
             : ending < 11 ? Ending::close_early
                           : Ending::abort;
  s.reading = r.pick<Reading>({Reading::at_once, Reading::at_once, Reading::at_once,
                               Reading::slowly, Reading::partially, Reading::late});
  s.read_pause = s.reading == Reading::late ? between(r, 10ms, 3s) : between(r, 100us, 10ms);
  s.abort_after = between(r, 1us, 2s);
  return s;
}

ConnectionPlan draw_connection(Random& r, std::size_t index) {
  ConnectionPlan c;
  c.opener = static_cast<int>(r.below(2));
  c.ipv6 = r.chance(0.5);
  c.open_at = r.chance(0.3) ? 0s : between(r, 1us, 8s);
  c.simultaneous = r.chance(0.1);
  if (c.simultaneous || r.chance(0.3)) {
    c.local_port = static_cast<std::uint16_t>(20'000 + index);  // below the endpoint's choice
  }
  for (SidePlan& s : c.side) s = draw_side(r);
  // Two ends that each wait for the other's end would wait for ever.
  if (c.side[0].ending == Ending::close_last && c.side[1].ending == Ending::close_last) {
    c.side[r.below(2)].ending = Ending::half_close;
  }
  return c;
}

/// `next` uses the tuple of `previous` again, as soon as that has ended well.
void follow(ConnectionPlan& previous, ConnectionPlan& next, std::size_t index) {
  if (previous.simultaneous || next.simultaneous) return;
  if (previous.local_port == 0) previous.local_port = static_cast<std::uint16_t>(20'000 + index);
  next.opener = previous.opener;
  next.ipv6 = previous.ipv6;
  next.local_port = previous.local_port;
  next.open_at = 0s;
  next.after = index;
}

EndPlan draw_end(Random& r) {
  EndPlan e;
  e.tcp = draw_tcp(r);
  e.tx_checksum = r.chance(0.4);
  e.tx_tso = e.tx_checksum && r.chance(0.5);
  if (r.chance(e.tx_tso ? 0.8 : 0.3)) {
    e.tcp.max_segment_burst = static_cast<std::uint32_t>(r.between(4'000, 60'000));
  }
  e.rx_checksums = r.chance(0.4);
  if (r.chance(0.3)) e.hold_tx_frames = static_cast<std::uint32_t>(r.between(1, 64));
  if (r.chance(0.2)) e.rx_piece_bytes = r.between(200, 1200);
  e.reuse = r.pick<tcp::TimeWaitReuse>(
      {tcp::TimeWaitReuse::none, tcp::TimeWaitReuse::timestamp, tcp::TimeWaitReuse::sequence});
  e.overflow = r.pick<tcp::TimeWaitOverflow>({tcp::TimeWaitOverflow::refuse,
                                              tcp::TimeWaitOverflow::recycle_oldest,
                                              tcp::TimeWaitOverflow::reset});
  if (r.chance(0.15)) e.scarcity = static_cast<std::uint32_t>(r.magnitude(1, 16));
  return e;
}

/// From numbers of its own, so that the rest of a plan is what it is without.
void draw_ecn(Plan& p) {
  Random r(p.seed ^ 0x6563'6e00);
  for (Impairment& way : p.way) {
    if (r.chance(0.4)) way.mark = r.unit() * r.unit();
  }
  for (EndPlan& e : p.end) {
    e.tcp.ecn =
        r.pick<tcp::EcnUse>({tcp::EcnUse::never, tcp::EcnUse::when_asked, tcp::EcnUse::always});
    if (r.chance(0.25)) e.tcp.congestion = tcp::CongestionAlgorithm::dctcp;
  }
}

/// Likewise. DCTCP stays where it was drawn.
void draw_congestion(Plan& p) {
  Random r(p.seed ^ 0x6363'0000);
  for (EndPlan& e : p.end) {
    const bool cubic = r.chance(0.5);
    if (e.tcp.congestion == tcp::CongestionAlgorithm::dctcp) continue;
    e.tcp.congestion = cubic ? tcp::CongestionAlgorithm::cubic : tcp::CongestionAlgorithm::newreno;
  }
}

/// No tuple is used again.
void forget_followers(Plan& p) {
  for (std::size_t i = 0; i < p.connections.size(); ++i) {
    ConnectionPlan& c = p.connections[i];
    if (!c.after) continue;
    c.after.reset();
    c.local_port = static_cast<std::uint16_t>(20'000 + i);
  }
}

/// Likewise, in half of the runs, in some of them at one end alone. A copy of a SYN with text that
/// outlives its connection would open the next on its tuple, whose application gets the text of the
/// last (RFC 7413 §2.1).
void draw_fast_open(Plan& p) {
  Random r(p.seed ^ 0x666f'0000);
  const bool on = r.chance(0.5);
  if (on && (p.way[0].duplicate > 0 || p.way[1].duplicate > 0)) forget_followers(p);
  for (EndPlan& e : p.end) {
    e.tcp.fast_open = r.chance(0.9) && on;
    e.tcp.fast_open_backlog = static_cast<std::uint16_t>(r.magnitude(1, 256));
  }
  // Who comes later knows a cookie.
  for (ConnectionPlan& c : p.connections) {
    if (on && !c.after && r.chance(0.5)) c.open_at = ns(r.below(8'000'000'000));
  }
}

/// Likewise, at a third of the listeners: always, or as soon as a few are half open. A cookie that
/// comes late, out of order or again would open the next connection on its tuple.
void draw_cookies(Plan& p) {
  Random r(p.seed ^ 0x636b'0000);
  bool any = false;
  for (EndPlan& e : p.end) {
    if (!r.chance(0.35)) continue;
    any = true;
    e.tcp.syn_cookies = r.chance(0.5) ? tcp::SynCookieUse::always : tcp::SynCookieUse::when_full;
    if (r.chance(0.7)) e.backlog = static_cast<std::uint32_t>(r.magnitude(1, 8));
  }
  const auto disorders = [](const Impairment& way) { return way.duplicate + way.reorder > 0; };
  if (any && (disorders(p.way[0]) || disorders(p.way[1]))) forget_followers(p);
}

/// Likewise: a third has BBR, and a tenth of all a cap on its rate.
void draw_pacing(Plan& p) {
  Random r(p.seed ^ 0x6262'7200);
  for (EndPlan& e : p.end) {
    if (r.chance(1.0 / 3)) e.tcp.congestion = tcp::CongestionAlgorithm::bbr;
    if (r.chance(0.1)) e.tcp.pacing = r.magnitude(20'000, 20'000'000);
  }
}

/// Buffers that follow the transfer, from small ones to more than the usual. Numbers of its own
/// again.
void draw_buffers(Plan& p) {
  Random r(p.seed ^ 0x6275'6600);
  for (EndPlan& e : p.end) {
    if (r.chance(0.5)) {
      e.tcp.receive_buffer = 0;
      e.tcp.receive_buffer_initial = static_cast<std::uint32_t>(r.magnitude(2'048, 65'536));
      e.tcp.receive_buffer_max =
          e.tcp.receive_buffer_initial + static_cast<std::uint32_t>(r.magnitude(1, 4'194'304));
    }
    if (r.chance(0.5)) {
      e.tcp.send_buffer = 0;
      e.tcp.send_buffer_initial = static_cast<std::uint32_t>(r.magnitude(2'048, 65'536));
      e.tcp.send_buffer_max =
          e.tcp.send_buffer_initial + static_cast<std::uint32_t>(r.magnitude(1, 4'194'304));
    }
  }
}

/// A twelfth of the ends, large runs apart, have to do with little memory for payload: what stands
/// still there is ended, what is out of order dropped, who is new refused.
void draw_budget(Plan& p) {
  Random r(p.seed ^ 0x626c'6b00);
  for (EndPlan& e : p.end) {
    if (r.chance(1.0 / 12)) e.blocks = static_cast<std::uint32_t>(r.magnitude(4, 64));
  }
}

/// Settings of applications, in half of the runs: the others keep the plain ones. Each has numbers
/// of its own again, so that one more does not change the others.
void draw_options(Plan& p) {
  const auto stream = [&](std::uint64_t name) { return Random(p.seed ^ name); };
  if (stream(0x6f70'7400).chance(0.5)) return;
  Random coalesce = stream(0x636f'6100);
  Random linger = stream(0x6c69'6e00);
  Random defer = stream(0x6465'6600);
  Random user_timeout = stream(0x7574'6f00);
  Random keepalive = stream(0x6b61'0000);
  Random reuse = stream(0x7477'0000);
  for (EndPlan& e : p.end) {
    e.tcp.coalesce_acks = coalesce.chance(0.3);
    if (linger.chance(0.15)) {
      e.tcp.linger = linger.chance(0.3) ? Duration{0} : between(linger, 1ms, 20s);
    }
    if (defer.chance(0.3)) e.tcp.defer_accept = between(defer, 100ms, 10s);
    if (user_timeout.chance(0.3)) e.tcp.user_timeout = between(user_timeout, 2s, 60s);
    if (keepalive.chance(0.2)) {
      e.tcp.keepalive = false;
      e.patience = 100s;
    } else if (keepalive.chance(0.5)) {
      e.tcp.keepalive_idle = between(keepalive, 500ms, 20s);
      e.tcp.keepalive_interval = between(keepalive, 1s, 4s);
      e.tcp.keepalive_probes = static_cast<std::uint8_t>(keepalive.between(1, 8));
    }
    if (reuse.chance(0.1)) e.reuse = tcp::TimeWaitReuse::immediate;
  }
}

/// In a quarter of the runs one way or both lead through a router that takes less than the ends
/// send, as little as TCP believes (RFC 8201 §4, and 552 bytes of IPv4). Numbers of its own again.
void draw_path(Plan& p) {
  Random r(p.seed ^ 0x706d'7400);
  if (!r.chance(0.25)) return;
  for (Impairment& way : p.way) {
    if (r.chance(0.4)) continue;
    Router& router = way.router;
    router.mtu4 = r.pick<std::uint16_t>({552, 576, 1006, 1280, 1400, 1492});
    router.mtu6 = r.pick<std::uint16_t>({1280, 1280, 1400, 1492});
    router.tells = r.pick<double>({0, 0.5, 1, 1});
    router.names_mtu = r.chance(0.9);
    router.quotes = static_cast<std::uint16_t>(r.magnitude(8, 520));
  }
}

/// "8192", or "4096 to 65536".
std::string buffer_name(std::uint32_t fixed, std::uint32_t initial, std::uint32_t most) {
  if (fixed != 0) return std::to_string(fixed);
  return std::to_string(initial) + " to " + std::to_string(most);
}

void describe_options(std::ostringstream& out, const EndPlan& e) {
  out << "\n    coalesce " << e.tcp.coalesce_acks << ", linger "
      << (e.tcp.linger < Duration{0} ? "never" : std::to_string(to_us(e.tcp.linger)) + " us")
      << ", defer " << to_us(e.tcp.defer_accept) << " us, user timeout "
      << to_us(e.tcp.user_timeout) << " us, keepalive ";
  if (!e.tcp.keepalive) {
    out << "off, patience " << to_us(e.patience) << " us";
    return;
  }
  out << to_us(e.tcp.keepalive_idle) << " us and " << int{e.tcp.keepalive_probes} << " times "
      << to_us(e.tcp.keepalive_interval) << " us";
}

}  // namespace

Duration Fault::length() const {
  switch (kind) {
    case FaultKind::none:
    case FaultKind::clock_forward:
    case FaultKind::clock_second:
    case FaultKind::clock_back:
      return 0s;
    case FaultKind::stall:
      return 500ms;
    case FaultKind::tx_full:
      return 1s;
    case FaultKind::link_down:
      return 3s;
    case FaultKind::gone:
      return 40s;
    case FaultKind::pool_dry:
    case FaultKind::allocate_fails:
    case FaultKind::tx_partial:
      return 5s;
  }
  return 0s;
}

Plan calm_plan(std::uint64_t seed) {
  Plan p;
  p.seed = seed;
  for (EndPlan& e : p.end) {
    e.tcp.two_msl = 1s;
    e.tcp.max_rto = 8s;
  }
  return p;
}

Plan make_plan(std::uint64_t seed) {
  Random r(seed);
  Plan p;
  p.seed = seed;
  for (Impairment& i : p.way) i = draw_way(r);
  for (EndPlan& e : p.end) e = draw_end(r);
  const std::uint64_t faults = r.chance(0.5) ? r.between(1, 3) : 0;
  for (std::uint64_t i = 0; i < faults; ++i) {
    p.faults.push_back({static_cast<FaultKind>(r.between(1, kFaultKinds - 1)),
                        static_cast<int>(r.below(2)), between(r, 1ms, 15s)});
  }
  const bool large = r.below(300) == 0;
  const std::uint64_t connections = large ? r.magnitude(400, 3'000) : r.magnitude(1, 120);
  for (std::size_t i = 0; i < connections; ++i) {
    p.connections.push_back(draw_connection(r, i));
    if (large) {
      for (SidePlan& s : p.connections[i].side) s.bytes = std::min<std::uint64_t>(s.bytes, 4'000);
    }
    if (i > 0 && r.chance(0.2)) follow(p.connections[i - 1], p.connections[i], i - 1);
  }
  if (large) {
    // Thousands through pools of a few would take hours, and prove what hundreds do.
    for (EndPlan& e : p.end) e.scarcity = 0;
    // SYNs that were lost together come again together, and the last of them must find room.
    for (Impairment& way : p.way) {
      way.queue_bytes = std::max(way.queue_bytes, static_cast<std::uint32_t>(connections) * 200);
    }
  }
  p.heal_at = 20s;
  if (r.chance(0.5)) p.forged = 0.3 * r.unit();
  for (EndPlan& e : p.end) {
    if (r.chance(0.2)) e.backlog = static_cast<std::uint32_t>(r.magnitude(1, 64));
  }
  draw_ecn(p);
  draw_buffers(p);
  draw_congestion(p);
  draw_fast_open(p);
  draw_cookies(p);
  draw_pacing(p);
  if (large) return p;  // looked at too seldom to tell what follows from these
  draw_budget(p);
  draw_options(p);
  draw_path(p);
  return p;
}

std::string Plan::describe() const {
  std::ostringstream out;
  out << "seed " << seed << ", " << connections.size() << " connections";
  for (int i = 0; i < 2; ++i) {
    const Impairment& w = way[i];
    const EndPlan& e = end[i];
    out << "\n  end " << i << ": delay " << to_us(w.delay) << " us, jitter " << to_us(w.jitter)
        << " us, rate " << w.bits_per_second << " bit/s over " << w.queue_bytes << " B, "
        << kLossNames[static_cast<std::size_t>(w.loss_kind)] << " loss " << w.loss << ", reorder "
        << w.reorder << " by " << to_us(w.reorder_delay) << " us, duplicate " << w.duplicate
        << ", corrupt " << w.corrupt << ", mark " << w.mark << ", router of " << w.router.mtu4
        << "/" << w.router.mtu6 << " B, tells of " << w.router.tells << "\n    mtu " << e.tcp.mtu
        << ", " << tcp::congestion_name(e.tcp.congestion) << ", ts " << e.tcp.timestamps << ", ws "
        << e.tcp.window_scaling << ", sack " << e.tcp.sack << ", fast open " << e.tcp.fast_open
        << ", cookies " << static_cast<int>(e.tcp.syn_cookies) << ", backlog " << e.backlog
        << ", buffers "
        << buffer_name(e.tcp.receive_buffer, e.tcp.receive_buffer_initial, e.tcp.receive_buffer_max)
        << "/" << buffer_name(e.tcp.send_buffer, e.tcp.send_buffer_initial, e.tcp.send_buffer_max)
        << ", delack " << to_us(e.tcp.delayed_ack) << " us, nagle " << e.tcp.nagle << ", 2msl "
        << to_us(e.tcp.two_msl) << " us, burst " << e.tcp.max_segment_burst << ", tx_checksum "
        << e.tx_checksum << ", tso " << e.tx_tso << ", rx_checksums " << e.rx_checksums
        << ", pieces " << e.rx_piece_bytes << ", hold " << e.hold_tx_frames << ", scarcity "
        << e.scarcity << ", blocks " << e.blocks << ", reuse " << static_cast<int>(e.reuse)
        << ", overflow " << static_cast<int>(e.overflow) << ", pacing " << e.tcp.pacing;
    describe_options(out, e);
  }
  for (const Fault& f : faults) {
    out << "\n  fault " << kFaultNames[static_cast<std::size_t>(f.kind)] << " on end " << f.side
        << " at " << to_us(f.at) << " us";
  }
  return out.str();
}

}  // namespace millrace::sim
