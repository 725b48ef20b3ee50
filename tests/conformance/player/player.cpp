// SPDX-License-Identifier: BSD-3-Clause
//
// One script, one endpoint. Time jumps from deadline to deadline up to the time of the next line;
// whatever the endpoint does on the way waits in two queues, segments and events, until a line
// expects it.
#include "tests/conformance/player/player.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "tcp/wire/parse.h"
#include "tests/conformance/player/peer.h"

namespace millrace::script {
namespace {

using tcp::EventKind;
using tcp::Flags;

constexpr Instant kBegin{1000s};
constexpr Duration kLate = 1ms;
constexpr std::uint16_t kServerPort = 80;
constexpr std::uint16_t kFirstPeerPort = 4000;

struct Sent {
  Duration at{};
  std::string peer;
  Segment segment;
};
struct Happened {
  Duration at{};
  std::string peer;
  EventKind kind = EventKind::closed;
  tcp::CloseReason reason = tcp::CloseReason::none;
  std::string bytes;
};
struct Arrived {
  FourTuple tuple;
  std::vector<std::byte> bytes;
  tcp::SegmentIn segment;
};

/// Why a line does not hold.
struct Mismatch {
  std::string text;
};

[[nodiscard]] Address address_of(bool ipv6, std::uint8_t host) {
  if (!ipv6) return Address::v4(0xC612'0000U + host);
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x00, 0x02};
  bytes[15] = host;
  return Address::v6(bytes);
}

[[nodiscard]] std::string to_text(const Happened& h) {
  switch (h.kind) {
    case EventKind::accepted:
      return "accepted";
    case EventKind::connected:
      return "connected";
    case EventKind::data:
      return "data " + std::to_string(h.bytes.size());
    case EventKind::peer_closed:
      return "peer closed";
    case EventKind::writable:
      return "writable";
    case EventKind::closed:
      return "closed " + std::string(name_of(h.reason));
  }
  return "?";
}

[[nodiscard]] bool stamp_differs(const Stamp& wanted, const Stamp& came) {
  return wanted && wanted != came;
}

[[nodiscard]] bool fast_open_differs(const std::optional<FastOpenOption>& wanted,
                                     const std::optional<FastOpenOption>& came) {
  if (!wanted || !came) return wanted.has_value() != came.has_value();
  return wanted->any ? came->cookie.empty() : wanted->cookie != came->cookie;
}

[[nodiscard]] bool options_differ(const OptionList& wanted, const OptionList& came) {
  switch (wanted.mode) {
    case OptionList::Mode::any:
      return false;
    case OptionList::Mode::absent:
      return came.mss || came.wscale || came.sackok || !came.sack.empty() || came.fast_open;
    case OptionList::Mode::exact:
      break;
  }
  if (wanted.has_ts != came.has_ts) return true;
  if (fast_open_differs(wanted.fast_open, came.fast_open)) return true;
  if (wanted.has_ts &&
      (stamp_differs(wanted.tsval, came.tsval) || stamp_differs(wanted.tsecr, came.tsecr))) {
    return true;
  }
  return wanted.mss != came.mss || wanted.wscale != came.wscale || wanted.sackok != came.sackok ||
         wanted.sack != came.sack;
}

/// The payload that the endpoint ought to have sent at this place.
[[nodiscard]] std::string stream_of_ours(Relative seq, std::uint32_t length) {
  std::string text(length, '\0');
  for (std::uint32_t i = 0; i < length; ++i) {
    text[i] = stream_byte(false, static_cast<std::uint64_t>(seq + Relative{i}));
  }
  return text;
}

/// What of `came` is not as `wanted`: names of fields, empty if all agree.
[[nodiscard]] std::string differences(const Segment& wanted, const Segment& came) {
  std::string names;
  const auto judge = [&](bool differs, const char* name) {
    if (differs) names += (names.empty() ? "" : ", ") + std::string(name);
  };
  judge(wanted.flags != came.flags, "flags");
  judge(wanted.seq != came.seq, "sequence number");
  judge(wanted.length != came.length, "length");
  judge(wanted.ack && wanted.ack != came.ack, "ack");
  judge(wanted.win && wanted.win != came.win, "window");
  judge(wanted.urg != came.urg, "urgent pointer");
  judge(options_differ(wanted.options, came.options), "options");
  judge(wanted.ttl && wanted.ttl != came.ttl, "ttl");
  judge(wanted.ecn != came.ecn, "ecn");
  judge(wanted.dscp && wanted.dscp != came.dscp, "dscp");
  judge(wanted.beyond && (!came.beyond || *came.beyond <= *wanted.beyond), "ISN not beyond");
  if (names.empty() && came.length != 0) {
    const Relative first = came.seq + ((came.flags & Flags::kSyn) != 0 ? 1 : 0);
    const std::string ours = wanted.text ? *wanted.text : stream_of_ours(first, came.length);
    judge(came.text != ours, "payload bytes");
  }
  return names;
}

class Player {
 public:
  Player(const Script& script, bool ipv6) : script_(script), ipv6_(ipv6) {}

  std::string run() {
    auto made = tcp::Endpoint::create(script_.config);
    if (!made.ok()) return script_.path + ": the endpoint refuses: " + made.error().sentence;
    endpoint_ = std::move(made).value();
    const Step* current = nullptr;
    try {
      for (const Step& step : script_.steps) {
        current = &step;
        play(step);
      }
      current = nullptr;
      nothing_left();
    } catch (const Mismatch& mismatch) {
      return report(current, mismatch.text);
    }
    return {};
  }

 private:
  // ---- time

  [[nodiscard]] Duration shown_time() const { return now_ - kBegin - shift_; }
  [[nodiscard]] Instant real(Duration nominal) const { return kBegin + shift_ + nominal; }

  /// Everything that is due until `until`; then the clock stands there.
  void run_until(Instant until) {
    while (true) {
      const auto due = endpoint_->next_deadline(now_);
      if (!due || *due > until) break;
      now_ = std::max(now_ + Duration{1}, *due);
      iterate();
    }
    now_ = std::max(now_, until);
  }

  /// Until one of the queues has something, at most until `until`: false if nothing came.
  template <typename Queue>
  [[nodiscard]] bool run_for(const Queue& queue, Instant until) {
    while (queue.empty()) {
      const auto due = endpoint_->next_deadline(now_);
      if (!due || *due > until) return false;
      now_ = std::max(now_ + Duration{1}, *due);
      iterate();
    }
    return true;
  }

  void iterate() {
    while (!endpoint_->advance(now_)) {
    }
    take_events();
    endpoint_->settle(now_);
    std::array<tcp::SegmentOut, 16> out;
    for (std::size_t n = 0; (n = endpoint_->flush(out, now_)) != 0;) {
      for (std::size_t i = 0; i < n; ++i) record(out[i]);
    }
  }

  void record(const tcp::SegmentOut& out) {
    Peer& peer = peer_of(out.tuple);
    sent_.push_back({shown_time(), peer.name, from_wire(peer, out)});
    if (peer.granted.empty()) return;
    for (auto& [name, other] : peers_) other.granted = peer.granted;  // all are of one address
  }

  void take_events() {
    for (const tcp::Event& event : endpoint_->events()) {
      Peer& peer = peer_of(event);
      if (event.kind == EventKind::data && !reading_) continue;
      Happened h{shown_time(), peer.name, event.kind, event.reason, {}};
      h.bytes.assign(reinterpret_cast<const char*>(event.bytes.data()), event.bytes.size());
      if (event.kind == EventKind::data) {
        endpoint_->consume(event.connection, event.bytes.size());
        if (h.bytes.empty()) continue;
        if (!events_.empty() && events_.back().kind == EventKind::data &&
            events_.back().peer == peer.name) {
          events_.back().bytes += h.bytes;
          continue;
        }
      }
      events_.push_back(std::move(h));
    }
  }

  // ---- the other ends

  Peer& peer(const std::string& name) {
    const auto found = peers_.find(name);
    if (found != peers_.end()) return found->second;
    Peer& p = peers_[name];
    p.name = name;
    p.isn = script_.peer_isn;
    if (peers_.size() > 1) p.granted = peers_.begin()->second.granted;
    const auto port = static_cast<std::uint16_t>(kFirstPeerPort + (name[0] - 'a'));
    p.tuple = {address_of(ipv6_, 1), address_of(ipv6_, 2), kServerPort, port};
    return p;
  }

  Peer& peer_of(const FourTuple& tuple) {
    for (auto& [name, p] : peers_) {
      if (p.tuple == tuple) return p;
    }
    throw Mismatch{"a segment was sent to nobody that the script knows"};
  }

  Peer& peer_of(const tcp::Event& event) {
    for (auto& [name, p] : peers_) {
      if (p.id == event.connection) return p;
    }
    const auto status = endpoint_->status(event.connection);
    if (!status) throw Mismatch{"an event of a connection that does not exist"};
    Peer& p = peer_of(status->tuple);
    p.id = event.connection;
    p.delivered_bytes = 0;
    p.sent_bytes = 0;
    return p;
  }

  [[nodiscard]] tcp::ConnectionId id(const Step& step) {
    const Peer& p = peer(step.peer);
    if (!p.id) throw Mismatch{"there is no connection yet"};
    return *p.id;
  }

  // ---- what must not be there

  void nothing_left() {
    if (!sent_.empty()) {
      const Sent& s = sent_.front();
      throw Mismatch{"not expected  > " + script::to_text(s.segment) + "   at " +
                     script::to_text(s.at) + of_peer(s.peer)};
    }
    if (!events_.empty()) {
      const Happened& h = events_.front();
      throw Mismatch{"not expected  " + to_text(h) + "   at " + script::to_text(h.at) +
                     of_peer(h.peer)};
    }
  }

  [[nodiscard]] std::string of_peer(const std::string& name) const {
    return peers_.size() < 2 ? std::string{} : " @" + name;
  }

  // ---- steps

  void play(const Step& step) {
    switch (step.kind) {
      case Kind::expect:
        return expect(step);
      case Kind::event:
        return expect_event(step);
      case Kind::state:
      case Kind::check:
      case Kind::count:
        run_until(real(step.time));
        return ask(step);
      case Kind::silence:
        nothing_left();
        run_until(real(step.time));
        return nothing_left();
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
        // What came of the lines above must have been expected by now.
        if (burst_.empty()) {
          nothing_left();
          run_until(real(step.time));
          nothing_left();
        }
        while (!endpoint_->advance(now_)) {
        }  // calls are told no time: they happen at the endpoint's
        act(step);
        if (step.joined) return;
        iterate();
        burst_.clear();
        return;
    }
  }

  void act(const Step& step) {
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
        return endpoint_->stop_listening(listener_);
      case Kind::send:
        return send(step);
      case Kind::read:
        return read(step);
      case Kind::reading:
        reading_ = step.flag;
        return;
      case Kind::shutdown:
        return endpoint_->shutdown(id(step));
      case Kind::close:
        return endpoint_->close(id(step));
      case Kind::abort:
        return endpoint_->abort(id(step));
      case Kind::nodelay:
        return endpoint_->set_nodelay(id(step), step.flag);
      case Kind::icmp:
        return icmp(step);
      case Kind::renumber:
        return renumber(peer(step.peer));
      case Kind::expect:
      case Kind::event:
      case Kind::state:
      case Kind::check:
      case Kind::count:
      case Kind::silence:
        return;
    }
  }

  void listen(std::uint32_t backlog) {
    auto made = endpoint_->listen({.port = kServerPort, .backlog = backlog});
    if (!made.ok()) throw Mismatch{"listen fails: " + made.error().sentence};
    listener_ = made.value();
    listening_ = true;
  }

  void inject(const Step& step) {
    Peer& p = peer(step.peer);
    auto arrived = std::make_unique<Arrived>();
    arrived->bytes = to_bytes(p, step.segment);
    tcp::Ports ports;
    Drop drop = tcp::parse_segment(arrived->bytes, ports, arrived->segment);
    arrived->segment.ecn = step.segment.ecn;
    if (drop == Drop::none) {
      drop = endpoint_->input(endpoint_->hash(p.tuple), p.tuple, arrived->segment, now_);
    }
    burst_.push_back(std::move(arrived));
    if (drop != step.drop) {
      throw Mismatch{"came instead: drop " + std::string(name_of(drop))};
    }
  }

  void connect(const Step& step) {
    Peer& p = peer(step.peer);
    if (!p.active) {
      p.active = true;
      std::swap(p.tuple.local_port, p.tuple.remote_port);
    }
    const tcp::OpenResult opened = endpoint_->connect({.local = p.tuple.local,
                                                       .remote = p.tuple.remote,
                                                       .remote_port = p.tuple.remote_port,
                                                       .local_port = p.tuple.local_port},
                                                      now_);
    if (opened.error != step.error) {
      throw Mismatch{"came instead: connect fails " + std::string(script_name(opened.error))};
    }
    if (opened.error != tcp::OpenError::none) return;
    p.id = opened.connection;
    p.sent_bytes = p.delivered_bytes = 0;
    if (step.amount != 0) send(step);
  }

  /// The whole handshake, ended at the time of the line: `rtt` lies before it.
  void open_passive(const Step& step) {
    if (!listening_) listen(16);
    Step syn = step;
    syn.segment.flags = Flags::kSyn;
    inject(syn);
    iterate();
    const Segment answer = take_answer(Flags::kSyn | Flags::kAck);
    pass(step.rtt);
    inject(third(step, answer));
    iterate();
    take_opening(EventKind::accepted);
  }

  void open_active(const Step& step) {
    connect(step);
    iterate();
    (void)take_answer(Flags::kSyn);
    pass(step.rtt);
    Step syn = step;
    syn.segment.flags = Flags::kSyn | Flags::kAck;
    syn.segment.ack = 1;
    syn.segment.options.echo_latest = true;
    inject(syn);
    iterate();
    (void)take_answer(Flags::kAck);
    take_opening(EventKind::connected);
  }

  /// The third segment of a handshake: as the SYN, but with a timestamp at most.
  [[nodiscard]] static Step third(const Step& step, const Segment& answer) {
    Step ack = step;
    ack.segment.flags = Flags::kAck;
    ack.segment.seq = 1;
    ack.segment.ack = 1;
    ack.segment.options = {};
    if (!answer.options.has_ts) return ack;
    ack.segment.options.has_ts = true;
    ack.segment.options.tsval = step.segment.options.tsval;
    ack.segment.options.echo_latest = true;
    return ack;
  }

  /// Time that the script's own clock does not see.
  void pass(Duration time) {
    run_until(now_ + time);
    shift_ += time;
    burst_.clear();
  }

  Segment take_answer(std::uint8_t flags) {
    if (sent_.empty() || sent_.front().segment.flags != flags) {
      nothing_left();
      throw Mismatch{"the handshake was not answered"};
    }
    Segment answer = sent_.front().segment;
    sent_.pop_front();
    return answer;
  }

  void take_opening(EventKind kind) {
    if (events_.empty() || events_.front().kind != kind) {
      nothing_left();
      throw Mismatch{"the handshake was not completed"};
    }
    events_.pop_front();
  }

  void send(const Step& step) {
    Peer& p = peer(step.peer);
    const std::string bytes = stream_of_ours(static_cast<Relative>(p.sent_bytes) + 1,
                                             static_cast<std::uint32_t>(step.amount));
    const std::size_t taken =
        endpoint_->send(id(step), std::as_bytes(std::span(bytes)), tcp::Lifetime::copied);
    p.sent_bytes += taken;
    if (taken != step.result) {
      throw Mismatch{"came instead: send takes " + std::to_string(taken)};
    }
  }

  void read(const Step& step) {
    Peer& p = peer(step.peer);
    std::uint64_t left = step.amount;
    while (left != 0) {
      const std::span<const std::byte> bytes = endpoint_->readable(id(step));
      if (bytes.empty()) {
        throw Mismatch{"came instead: read " + std::to_string(step.amount - left)};
      }
      const std::size_t n = std::min<std::uint64_t>(bytes.size(), left);
      judge_bytes(p, {reinterpret_cast<const char*>(bytes.data()), n});
      endpoint_->consume(id(step), n);
      left -= n;
    }
  }

  void judge_bytes(Peer& p, std::string_view bytes) {
    for (const char c : bytes) {
      if (c != stream_byte(true, ++p.delivered_bytes)) {
        throw Mismatch{"byte " + std::to_string(p.delivered_bytes) +
                       " of the stream is not the one that the peer sent"};
      }
    }
  }

  void icmp(const Step& step) {
    const Peer& p = peer(step.peer);
    tcp::IcmpError error;
    error.kind = step.icmp;
    error.hard = step.flag;
    error.mtu = static_cast<std::uint16_t>(step.amount);
    error.seq = tcp::Seq(p.our_isn.value_or(0) + static_cast<std::uint32_t>(step.segment.seq));
    const Drop drop = endpoint_->icmp_error(p.tuple, error, now_);
    if (drop != step.drop) {
      throw Mismatch{"came instead: drop " + std::string(name_of(drop))};
    }
  }

  static void renumber(Peer& p) {
    p.previous_isn = p.our_isn;
    p.our_isn.reset();
  }

  // ---- expectations

  template <typename Queue>
  [[nodiscard]] typename Queue::value_type next_of(Queue& queue, const Step& step,
                                                   const char* what) {
    const Instant until = real(step.time) + kLate;
    if (!run_for(queue, until)) {
      throw Mismatch{std::string(what) + " until " + script::to_text(step.time + kLate)};
    }
    auto front = queue.front();
    queue.pop_front();
    return front;
  }

  void expect(const Step& step) {
    const Sent s = next_of(sent_, step, "nothing was sent");
    std::string names = differences(step.segment, s.segment);
    if (s.peer != step.peer) names = "another connection" + (names.empty() ? "" : ", " + names);
    if (wrong_time(s.at, step.time)) names = "time" + (names.empty() ? "" : ", " + names);
    if (names.empty()) return;
    throw Mismatch{"came instead  > " + script::to_text(s.segment) + "   at " +
                   script::to_text(s.at) + of_peer(s.peer) + "\n" + "differs: " + names};
  }

  [[nodiscard]] static bool wrong_time(Duration at, Duration wanted) {
    return at < wanted - kLate || at > wanted + kLate;
  }

  void expect_event(const Step& step) {
    Happened h = next_of(events_, step, "no event");
    const auto complain = [&](const std::string& why) {
      throw Mismatch{"came instead  " + to_text(h) + "   at " + script::to_text(h.at) +
                     of_peer(h.peer) + why};
    };
    if (h.kind != step.event || h.reason != step.reason || h.peer != step.peer) complain("");
    if (wrong_time(h.at, step.time)) complain("\ndiffers: time");
    if (h.kind != EventKind::data) return;
    if (h.bytes.size() != step.amount) complain("");
    Peer& p = peer(step.peer);
    if (!step.segment.text) return judge_bytes(p, h.bytes);
    p.delivered_bytes += h.bytes.size();
    if (h.bytes != *step.segment.text) complain("  \"" + h.bytes + "\"");
  }

  // ---- questions

  void ask(const Step& step) {
    switch (step.kind) {
      case Kind::state: {
        const tcp::State state = state_of(peer(step.peer));
        if (state == step.state) return;
        throw Mismatch{"came instead: state " + std::string(script_name(state))};
      }
      case Kind::count: {
        const std::uint64_t value = counter(step.name);
        if (value == step.amount) return;
        throw Mismatch{"came instead: count " + step.name + " " + std::to_string(value)};
      }
      default:
        break;
    }
    const auto status = endpoint_->status(id(step));
    if (!status) throw Mismatch{"the connection is gone"};
    const std::uint64_t value = field(*status, step.name);
    if (value == step.amount) return;
    throw Mismatch{"came instead: check " + step.name + " " + std::to_string(value)};
  }

  [[nodiscard]] tcp::State state_of(const Peer& p) const {
    if (p.id) {
      const auto status = endpoint_->status(*p.id);
      if (status && status->state != tcp::State::closed) return status->state;
    }
    // Half-open and TIME-WAIT entries have no id: a script that asks has one of them at most.
    for (const tcp::State state : {tcp::State::syn_received, tcp::State::time_wait}) {
      if (endpoint_->states().of(state) != 0) return state;
    }
    return tcp::State::closed;
  }

  [[nodiscard]] std::uint64_t counter(const std::string& name) const {
    const auto& counters = endpoint_->counters();
    const auto* values = reinterpret_cast<const std::uint64_t*>(&counters);
    for (std::size_t i = 0; i < tcp::kCounterNames.size(); ++i) {
      if (tcp::kCounterNames[i] == name) return values[i];
    }
    return 0;
  }

  [[nodiscard]] static std::uint64_t field(const tcp::ConnectionStatus& s,
                                           const std::string& name) {
    const std::array<std::pair<std::string_view, std::uint64_t>, 19> fields{{
        {"cwnd", s.cwnd_bytes},
        {"ssthresh", s.ssthresh_bytes},
        {"rto", s.rto_us},
        {"srtt", s.srtt_us},
        {"rttvar", s.rttvar_us},
        {"mss", s.mss},
        {"snd_wnd", s.snd_wnd_bytes},
        {"rcv_wnd", s.rcv_wnd_bytes},
        {"receive_buffer", s.receive_buffer_bytes},
        {"send_buffer", s.send_buffer_bytes},
        {"flight", s.flight_bytes},
        {"pipe", s.loss.pipe},
        {"sacked", s.loss.sacked},
        {"lost", s.loss.lost},
        {"resent", s.loss.retransmitted},
        {"unsent", s.unsent_bytes},
        {"unread", s.unread_bytes},
        {"sack", s.sack ? 1 : 0},
        {"timestamps", s.timestamps ? 1 : 0},
    }};
    for (const auto& [known, value] : fields) {
      if (known == name) return value;
    }
    return 0;
  }

  // ---- the report

  [[nodiscard]] std::string report(const Step* failed, const std::string& what) const {
    const int line = failed != nullptr ? failed->line : static_cast<int>(script_.lines.size());
    std::string text =
        script_.path + ":" + std::to_string(line) + ": " + (ipv6_ ? "(IPv6) " : "(IPv4) ") +
        (failed != nullptr ? "this line does not hold" : "something is left at the end") + "\n";
    for (int i = 1; i <= line; ++i) {
      const bool here = i == line && failed != nullptr;
      text += (here ? " -> " : "    ") + script_.lines[static_cast<std::size_t>(i - 1)] + "\n";
    }
    std::string indented = "    ";
    for (const char c : what) indented += c == '\n' ? std::string("\n    ") : std::string(1, c);
    return text + indented + "\n";
  }

  const Script& script_;
  bool ipv6_;
  std::unique_ptr<tcp::Endpoint> endpoint_;
  Instant now_ = kBegin;
  Duration shift_{};
  std::map<std::string, Peer> peers_;
  std::deque<Sent> sent_;
  std::deque<Happened> events_;
  std::vector<std::unique_ptr<Arrived>> burst_;
  tcp::ListenerId listener_;
  bool listening_ = false;
  bool reading_ = true;
};

}  // namespace

std::string play(const Script& script, bool ipv6) { return Player(script, ipv6).run(); }

}  // namespace millrace::script
