// SPDX-License-Identifier: BSD-3-Clause
//
// The steps of a script on either side.
#include "tests/interop/differential/play.h"

#include <map>

#include "tcp/wire/parse.h"
#include "tests/conformance/player/peer.h"

namespace millrace::differential {

using script::Kind;
using script::OptionList;
using script::Script;
using script::Segment;
using script::Step;
using tcp::Flags;

namespace {

constexpr Duration kLongest = 2500ms;
constexpr Duration kAfterwards = 40ms;
// The kernel's timers are later than a virtual clock: what a script expects of a timer gets as
// much.
constexpr Duration kLate = 40ms;
constexpr std::uint16_t kServerPort = 80;
constexpr std::uint16_t kFirstPeerPort = 4000;

[[nodiscard]] std::string flags_text(std::uint8_t bits) {
  constexpr std::pair<std::uint8_t, const char*> kNames[] = {
      {Flags::kSyn, "SYN "}, {Flags::kFin, "FIN "}, {Flags::kRst, "RST "}, {Flags::kAck, "ACK "},
      {Flags::kUrg, "URG "}, {0x40, "ECE "},        {0x80, "CWR "}};
  std::string text;
  for (const auto& [bit, name] : kNames) {
    if ((bits & bit) != 0) text += name;
  }
  return text;
}

[[nodiscard]] std::string options_text(const OptionList& o) {
  std::string text;
  if (o.mss) text += " mss " + std::to_string(*o.mss);
  if (o.wscale) text += " wscale";
  if (o.sackok) text += " sackok";
  if (o.has_ts) text += " ts ecr " + std::to_string(o.tsecr.value_or(0));
  if (o.fast_open) text += " fo " + std::to_string(o.fast_open->cookie.size());
  for (const script::Block& b : o.sack) {
    text += " sack " + std::to_string(b.left) + "-" + std::to_string(b.right);
  }
  return text;
}

/// What of a segment is compared.
[[nodiscard]] std::string masked(const Segment& s) {
  std::string text = flags_text(s.flags) + std::to_string(s.seq);
  if (s.length != 0) text += "+" + std::to_string(s.length);
  if (s.ack) text += " ack " + std::to_string(*s.ack);
  if (s.win && *s.win == 0 && (s.flags & Flags::kRst) == 0) text += " win 0";
  if (s.ecn != 0) text += " ecn " + std::to_string(s.ecn);
  return text + options_text(s.options);
}

class Play {
 public:
  Play(const Script& script, bool ipv6, Side& side) : script_(script), ipv6_(ipv6), side_(side) {}

  Trace run() {
    for (const Step& step : script_.steps) {
      if (step.time > clock_) {
        const bool by_timer = step.kind == Kind::expect;
        pass(step.time - clock_ + (by_timer ? kLate : 0s));
        clock_ = step.time;
      }
      if (!acts(step.kind)) continue;
      trace_.push_back({step.line, {}});
      act(step);
      pass(0s);
    }
    pass(kAfterwards);
    return std::move(trace_);
  }

 private:
  [[nodiscard]] static bool acts(Kind kind) {
    switch (kind) {
      case Kind::expect:
      case Kind::event:
      case Kind::state:
      case Kind::check:
      case Kind::count:
      case Kind::silence:
        return false;
      case Kind::inject:
      case Kind::listen:
      case Kind::unlisten:
      case Kind::passive:
      case Kind::active:
      case Kind::connect:
      case Kind::send:
      case Kind::read:
      case Kind::reading:
      case Kind::shutdown:
      case Kind::close:
      case Kind::abort:
      case Kind::nodelay:
      case Kind::icmp:
      case Kind::renumber:
        return true;
    }
    return false;
  }

  void act(const Step& step) {
    const FourTuple& tuple = peer(step.peer).tuple;
    switch (step.kind) {
      case Kind::inject:
        return inject(step);
      case Kind::passive:
        return open_passive(step);
      case Kind::active:
        return open_active(step);
      case Kind::connect:
        return connect(step);
      case Kind::listen:
        return listen(static_cast<std::uint32_t>(step.amount));
      case Kind::unlisten:
        return side_.unlisten();
      case Kind::send:
        return send(step);
      case Kind::read:
        return side_.read(tuple, step.amount);
      case Kind::reading:
        return side_.reading(step.flag);
      case Kind::shutdown:
        return side_.shutdown(tuple);
      case Kind::close:
        return side_.close(tuple);
      case Kind::abort:
        return side_.abort(tuple);
      case Kind::nodelay:
        return side_.nodelay(tuple, step.flag);
      case Kind::icmp:
      case Kind::renumber:
        return;  // why_not() has seen to it that there is none
      case Kind::expect:
      case Kind::event:
      case Kind::state:
      case Kind::check:
      case Kind::count:
      case Kind::silence:
        return;  // not to be acted on
    }
  }

  void pass(Duration time) {
    side_.pass(time);
    for (const Packet& packet : side_.take()) note(packet);
  }

  void note(const Packet& packet) {
    tcp::Ports ports;
    tcp::SegmentIn in;
    if (tcp::parse_segment(packet.bytes, ports, in) != Drop::none || trace_.empty()) return;
    for (auto& [name, p] : peers_) {
      if (p.tuple != packet.tuple) continue;
      std::string text = peers_.size() > 1 ? "@" + name + " " : "";
      // Another connection of the same tuple counts from where it begins.
      if (in.flags.syn() && p.our_isn && *p.our_isn != in.seq.raw()) {
        p.our_isn = in.seq.raw();
        text += "again ";
      }
      Segment s = script::from_wire(p, in);
      s.ecn = packet.ecn;
      if (!p.granted.empty()) granted_ = p.granted;
      if (in.flags.rst() && in.seq.raw() == 0) s.seq = 0;
      trace_.back().segments.push_back(text + masked(s));
      return;
    }
    trace_.back().segments.emplace_back("a segment to nobody");
  }

  script::Peer& peer(const std::string& name) {
    const auto found = peers_.find(name);
    if (found != peers_.end()) return found->second;
    script::Peer& p = peers_[name];
    p.name = name;
    p.isn = script_.peer_isn;
    const auto port = static_cast<std::uint16_t>(kFirstPeerPort + (name[0] - 'a'));
    p.tuple = {own_address(ipv6_), peer_address(ipv6_), kServerPort, port};
    return p;
  }

  void listen(std::uint32_t backlog) {
    side_.listen(kServerPort, backlog);
    listening_ = true;
  }

  void inject(const Step& step) {
    script::Peer& p = peer(step.peer);
    p.granted = granted_;  // all peers are of one address
    side_.inject({p.tuple, script::to_bytes(p, step.segment), step.segment.ecn});
  }

  void connect(const Step& step) {
    script::Peer& p = peer(step.peer);
    if (!p.active) {
      p.active = true;
      std::swap(p.tuple.local_port, p.tuple.remote_port);
    }
    side_.connect(p.tuple, next_text(p, step.amount));
  }

  [[nodiscard]] static std::vector<std::byte> next_text(script::Peer& p, std::uint64_t amount) {
    std::vector<std::byte> bytes(amount);
    for (std::byte& b : bytes)
      b = static_cast<std::byte>(script::stream_byte(false, ++p.sent_bytes));
    return bytes;
  }

  void send(const Step& step) {
    script::Peer& p = peer(step.peer);
    side_.send(p.tuple, next_text(p, step.amount));
  }

  void open_passive(const Step& step) {
    if (!listening_) listen(16);
    Step next = step;
    next.segment.flags = Flags::kSyn;
    inject(next);
    pass(step.rtt);
    next.segment.flags = Flags::kAck;
    next.segment.seq = 1;
    next.segment.ack = 1;
    const OptionList syn = step.segment.options;
    next.segment.options = {};
    if (syn.has_ts) {
      next.segment.options.has_ts = true;
      next.segment.options.tsval = syn.tsval;
      next.segment.options.echo_latest = true;
    }
    inject(next);
  }

  void open_active(const Step& step) {
    connect(step);
    pass(step.rtt);
    Step next = step;
    next.segment.flags = Flags::kSyn | Flags::kAck;
    next.segment.ack = 1;
    next.segment.options.echo_latest = true;
    inject(next);
  }

  const Script& script_;
  bool ipv6_;
  Side& side_;
  Duration clock_{};
  std::map<std::string, script::Peer> peers_;
  std::vector<std::uint8_t> granted_;  // the Fast Open cookie that came last
  bool listening_ = false;
  Trace trace_;
};

}  // namespace

Address own_address(bool ipv6) {
  if (!ipv6) return Address::v4(0xC612'0001U);
  return Address::v6({0x20, 0x01, 0x00, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

Address peer_address(bool ipv6) {
  if (!ipv6) return Address::v4(0xC612'0002U);
  return Address::v6({0x20, 0x01, 0x00, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});
}

std::optional<std::string> why_not(const Script& s) {
  for (const Step& step : s.steps) {
    if (step.kind == Kind::icmp) return "an ICMP error";
    if (step.kind == Kind::renumber) return "two incarnations";
    if (step.time > kLongest) return "too long";
  }
  const tcp::EndpointConfig usual =
      script::parse_script("usual", "# As usual (RFC 9293 §3.5).\npassive\n", false).config;
  const tcp::EndpointConfig& c = s.config;
  if (c.max_connections != usual.max_connections || c.max_half_open != usual.max_half_open ||
      c.max_time_wait != usual.max_time_wait || c.max_blocks != usual.max_blocks ||
      c.time_wait_reuse != usual.time_wait_reuse ||
      c.time_wait_overflow != usual.time_wait_overflow) {
    return "a setting of the endpoint";
  }
  tcp::TcpConfig settable = c.profiles[0];
  settable.timestamps = settable.sack = settable.window_scaling = settable.nagle = true;
  settable.mtu = usual.profiles[0].mtu;
  settable.ecn = usual.profiles[0].ecn;
  settable.fast_open = usual.profiles[0].fast_open;
  settable.fast_open_backlog = usual.profiles[0].fast_open_backlog;
  const std::string_view algorithm = congestion_name(settable.congestion);
  if (algorithm == "newreno" || algorithm == "cubic") {
    settable.congestion = usual.profiles[0].congestion;  // every kernel has these two
  }
  if (!(settable == usual.profiles[0])) return "a setting that the kernel has not";
  return std::nullopt;
}

Trace play(const Script& script, bool ipv6, Side& side) { return Play(script, ipv6, side).run(); }

std::string compare(const Script& script, const Trace& ours, const Trace& kernels) {
  for (std::size_t i = 0; i < ours.size() && i < kernels.size(); ++i) {
    if (ours[i] == kernels[i]) continue;
    std::string text = script.path + "\n";
    for (int line = 1; line <= ours[i].line; ++line) {
      text += "    " + script.lines[static_cast<std::size_t>(line - 1)] + "\n";
    }
    for (const auto& [name, trace] : {std::pair{"Millrace", &ours}, {"Linux   ", &kernels}}) {
      if ((*trace)[i].segments.empty()) text += std::string("  ") + name + "  nothing\n";
      for (const std::string& s : (*trace)[i].segments) {
        text += std::string("  ") + name + "  > " + s + "\n";
      }
    }
    return text;
  }
  return {};
}

}  // namespace millrace::differential
