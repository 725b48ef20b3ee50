// SPDX-License-Identifier: BSD-3-Clause
//
// See stand.h. The only file of the state table that looks inside an endpoint.
#include "tests/conformance/state_table/stand.h"

#include <algorithm>
#include <array>

#include "tcp/endpoint/inspect.h"
#include "tcp/endpoint/segment_arrives.h"

namespace millrace::tcp::test {
namespace {

using oracle::kAck;
using oracle::kFin;
using oracle::kRst;
using oracle::kSyn;

constexpr std::uint16_t kPort = 80, kNarrowPort = 81, kScaledPort = 82;
constexpr std::uint16_t kClosedPort = 83;
constexpr std::uint32_t kSmallBuffer = 2048, kScaledBuffer = 262'144;
constexpr std::uint8_t kScaledShift = 3;  // the least that makes 262,144 fit 16 bits
constexpr std::uint16_t kPeerMss = 1000, kPeerWindow = 1008;
constexpr std::uint32_t kPeerTsval = 0xffff'ff00;
constexpr int kPeriod = 251;  // of the pattern: a prime, so that no length hides a shift

[[nodiscard]] const std::vector<std::byte>& pattern() {
  static const std::vector<std::byte> bytes = [] {
    std::vector<std::byte> b(20'000);
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<std::byte>(i % kPeriod);
    return b;
  }();
  return bytes;
}
/// `size` octets of the peer's stream, `offset` behind its first.
[[nodiscard]] std::span<const std::byte> stream(std::uint32_t offset, std::size_t size) {
  const auto at = static_cast<std::int64_t>(static_cast<std::int32_t>(offset)) % kPeriod;
  return std::span(pattern()).subspan(static_cast<std::size_t>((at + kPeriod) % kPeriod), size);
}

[[nodiscard]] EndpointConfig config() {
  EndpointConfig c;
  c.max_connections = 1024;
  c.max_half_open = 1024;
  c.max_time_wait = 4096;
  c.max_ipv6_pairs = 4096;
  c.max_send_states = 1024;
  c.max_receive_states = 1024;
  c.max_blocks = 4096;
  TcpConfig usual;
  usual.receive_buffer = oracle::kUsualWindow;
  usual.sack = false;
  usual.keepalive = true;
  usual.two_msl = std::chrono::milliseconds(100);
  TcpConfig narrow = usual;
  narrow.receive_buffer = kSmallBuffer;
  TcpConfig scaled = usual;
  scaled.receive_buffer = kScaledBuffer;
  c.profiles = {usual, narrow, scaled};
  c.secrets.table = {3, 4};
  return c;
}

[[nodiscard]] bool may_be_unread(const Situation& s) {
  return s.reader && !s.scaled && s.state != oracle::State::syn_received;
}

[[nodiscard]] oracle::Emitted in_words(const SegmentOut& s) {
  oracle::Emitted e;
  e.flags = s.flags.bits & ~oracle::kPsh;
  e.seq = s.seq.raw();
  e.ack = s.flags.ack() ? s.ack.raw() : 0;
  e.text = s.payload_bytes;
  if (s.flags.rst()) return e;
  e.window = s.window;
  e.timestamp = s.options.has_timestamps();
  e.tsecr = e.timestamp ? s.options.tsecr : 0;
  return e;
}

[[nodiscard]] unsigned in_words(SendTimer t) {
  switch (t) {
    case SendTimer::none:
      return 0;
    case SendTimer::retransmit:
      return oracle::kRetransmission;
    case SendTimer::persist:
      return oracle::kPersist;
    case SendTimer::keepalive:
      return oracle::kKeepalive;
    case SendTimer::fin_wait_2:
      return oracle::kFinWait2;
    case SendTimer::memory:
    case SendTimer::loss_probe:
    case SendTimer::reorder:
      return oracle::kPersist | oracle::kRetransmission;  // never here
  }
  return 0;
}

[[nodiscard]] unsigned in_words(const Event& e) {
  switch (e.kind) {
    case EventKind::accepted:
    case EventKind::connected:
      return oracle::kTellOpen;
    case EventKind::peer_closed:
      return oracle::kTellEnd;
    case EventKind::data:
    case EventKind::writable:
      return 0;
    case EventKind::closed:
      break;
  }
  switch (e.reason) {
    case CloseReason::reset:
      return oracle::kTellReset;
    case CloseReason::refused:
      return oracle::kTellRefused;
    case CloseReason::graceful:
      return oracle::kTellGraceful;
    case CloseReason::unread_data:
      return oracle::kTellUnread;
    default:
      return oracle::kTellReset | oracle::kTellRefused;  // never
  }
}

}  // namespace

Stand::Stand() : burst_(16) {
  auto result = Endpoint::create(config());
  if (!result) {
    fail("create");
    return;
  }
  endpoint_ = std::move(result).value();
  const auto wide = endpoint_->listen({.local = {}, .port = kPort, .backlog = 512, .profile = 0});
  const auto narrow =
      endpoint_->listen({.local = {}, .port = kNarrowPort, .backlog = 512, .profile = 1});
  const auto scaled =
      endpoint_->listen({.local = {}, .port = kScaledPort, .backlog = 512, .profile = 2});
  expect(wide && narrow && scaled, "listen");
}

void Stand::fail(const std::string& where) {
  if (failure_.empty()) failure_ = where;
}

Drop Stand::in(unsigned flags, std::uint32_t seq, std::uint32_t ack, std::uint32_t text,
               std::uint16_t window) {
  SegmentIn s;
  s.flags = Flags{static_cast<std::uint8_t>(flags)};
  s.seq = Seq(seq);
  s.ack = Seq(ack);
  s.window = window;
  if (text != 0) s.payload = stream(seq + ((flags & kSyn) != 0 ? 1 : 0) - books_.irs - 1, text);
  if ((flags & kSyn) != 0) {
    s.options.has = Options::kMss | Options::kWindowScale;
    s.options.mss = kPeerMss;
    s.options.window_scale = oracle::kPeerShift;
  }
  if (peer_timestamps_) {
    s.options.has |= Options::kTimestamps;
    s.options.tsval = kPeerTsval;
    s.options.tsecr = our_tsval_;
  }
  const Drop drop = endpoint_->input(endpoint_->hash(tuple_), tuple_, s, now_);
  show_events();
  flush();
  return drop;
}

void Stand::show_events() {
  told_ = {};
  for (const Event& e : endpoint_->events()) {
    if (e.kind == EventKind::accepted && id_.index == kNil) id_ = e.connection;
    if (e.connection != id_) fail("an event of another connection");
    told_.told |= in_words(e);
  }
  endpoint_->settle(now_);
}

void Stand::flush() {
  sent_.clear();
  for (std::size_t n = 1; n != 0;) {
    n = endpoint_->flush(burst_, now_);
    sent_.insert(sent_.end(), burst_.begin(), burst_.begin() + static_cast<std::ptrdiff_t>(n));
  }
  for (const SegmentOut& s : sent_) {
    if (s.tuple != tuple_) fail("a segment of another connection");
    if (s.options.has_timestamps()) our_tsval_ = s.options.tsval;
  }
}

// ---- the script

std::optional<oracle::Tcb> Stand::prepare(const Situation& s, oracle::WindowClass receive,
                                          std::uint64_t number) {
  using oracle::State;
  now_ += std::chrono::milliseconds(1);
  if (++cells_ % 64 == 0) drain();
  const auto dice = static_cast<std::uint32_t>((number * 0x9e37'79b9'7f4a'7c15) >> 32);
  ipv6_ = (dice & 1) != 0;
  const auto host = static_cast<std::uint32_t>(10 + cells_ / 50'000);
  std::array<std::uint8_t, 16> v6{0x20, 0x01, 0, 0x02};
  v6[15] = 1;
  auto v6_remote = v6;
  v6_remote[14] = static_cast<std::uint8_t>(host >> 8);
  v6_remote[15] = static_cast<std::uint8_t>(host);
  // Nothing can be unread in SYN-RECEIVED, nor where nobody reads: a smaller buffer then.
  const bool narrow = receive != oracle::WindowClass::usual && !may_be_unread(s);
  profile_ = s.scaled ? 2 : narrow ? 1 : 0;
  tuple_ = {ipv6_ ? Address::v6(v6) : Address::v4(0xC612'0001),
            ipv6_ ? Address::v6(v6_remote) : Address::v4(0xC613'0000 + host),
            s.state == State::closed ? kClosedPort : static_cast<std::uint16_t>(kPort + profile_),
            static_cast<std::uint16_t>(10'000 + cells_ % 50'000)};
  // ISNs around both places where 32 bits wrap.
  constexpr std::array<std::uint32_t, 4> kIsns{1000, 0x7fff'ff00, 0xffff'ff80, 0xffff'f000};
  books_ = {};
  books_.state = s.state;
  books_.passive = s.passive;
  books_.reader = s.reader;
  books_.keepalive = true;
  books_.irs = kIsns[(dice >> 1) % kIsns.size()];
  books_.timestamps = s.timestamps;
  books_.ts_recent = s.timestamps ? kPeerTsval : 0;
  books_.snd_mss = kPeerMss - (s.timestamps ? 12 : 0);
  books_.rcv_mss = ipv6_ ? 1440 : 1460;
  books_.rcv_wnd = narrow ? kSmallBuffer : oracle::kUsualWindow;
  books_.fresh_wnd = books_.rcv_wnd;
  books_.rcv_nxt = books_.irs + 1;
  peer_timestamps_ = s.timestamps;
  our_tsval_ = 0;
  id_ = {};
  failure_.clear();

  if (s.state == State::closed || s.state == State::listen) {
    books_.ts_recent = kPeerTsval;
    books_.snd_una = 0x1234'5678, books_.snd_nxt = books_.snd_una + 1000;
    books_.max_snd_wnd = kPeerWindow;
    return books_;
  }
  s.passive ? open_passively(s) : open_actively(s);
  if (s.state > State::syn_received) {
    fill(s, receive);
    queue(s);
    finish_ours(s);
    if (s.scaled) scale();
  }
  check_books();
  if (!failure_.empty()) return std::nullopt;
  return books_;
}

void Stand::open_passively(const Situation& s) {
  expect(in(kSyn, books_.irs, 0, 0, kPeerWindow) == Drop::none, "SYN");
  if (sent_.size() != 1) return fail("no SYN-ACK");
  books_.iss = sent_[0].seq.raw();
  books_.snd_una = books_.iss;
  books_.snd_nxt = books_.iss + 1;
  books_.max_snd_wnd = books_.snd_wnd = kPeerWindow;
  books_.snd_wl1 = books_.irs;
  books_.snd_shift = oracle::kPeerShift;
  books_.last_ack_sent = books_.rcv_nxt;
  if (s.state == oracle::State::syn_received) return;
  const auto window = static_cast<std::uint16_t>(kPeerWindow >> oracle::kPeerShift);
  expect(in(kAck, books_.rcv_nxt, books_.snd_nxt, 0, window) == Drop::none, "ACK");
  if (s.sending == Sending::persist) {
    expect(in(kAck, books_.rcv_nxt, books_.snd_nxt, 0, 0) == Drop::none, "window update");
    books_.snd_wnd = 0;
  }
  books_.snd_una = books_.snd_nxt;
  books_.snd_wl1 = books_.rcv_nxt;
  books_.snd_wl2 = books_.snd_una;
  expect(id_.index != kNil, "not accepted");
}

void Stand::open_actively(const Situation& s) {
  const OpenResult r = endpoint_->connect({.local = tuple_.local,
                                           .remote = tuple_.remote,
                                           .remote_port = tuple_.remote_port,
                                           .profile = profile_},
                                          now_);
  if (r.error != OpenError::none) return fail("connect");
  id_ = r.connection;
  tuple_ = endpoint_->status(id_)->tuple;
  flush();
  if (sent_.size() != 1) return fail("no SYN");
  books_.iss = sent_[0].seq.raw();
  books_.snd_una = books_.iss;
  books_.snd_nxt = books_.iss + 1;
  books_.snd_shift = oracle::kPeerShift;
  if (s.state == oracle::State::syn_sent) {
    // What the peer will say: nothing is known yet.
    books_.ts_recent = kPeerTsval;
    books_.max_snd_wnd = kPeerWindow;
    return;
  }
  books_.max_snd_wnd = books_.snd_wnd = kPeerWindow;
  books_.snd_wl1 = books_.irs;
  books_.last_ack_sent = books_.rcv_nxt;
  const bool crossed = s.state == oracle::State::syn_received;
  expect(in(crossed ? kSyn : kSyn | kAck, books_.irs, books_.snd_nxt, 0, kPeerWindow) == Drop::none,
         "SYN-ACK");
  if (crossed) return;
  books_.snd_una = books_.snd_nxt;
  books_.snd_wl2 = books_.snd_una;
}

/// Closes the window down to its class by text that the application does not read.
void Stand::fill(const Situation& s, oracle::WindowClass receive) {
  using oracle::State;
  const bool fin_comes = s.state == State::close_wait || s.state == State::closing ||
                         s.state == State::last_ack || s.state == State::time_wait;
  std::uint32_t text = 0;
  if (!may_be_unread(s)) receive = oracle::WindowClass::usual;
  if (receive == oracle::WindowClass::zero) text = oracle::kUsualWindow - (fin_comes ? 1 : 0);
  if (receive == oracle::WindowClass::small) text = oracle::kUsualWindow - oracle::kSmallWindow;
  const auto take = [&](std::uint32_t octets) {
    const auto window = static_cast<std::uint16_t>(books_.snd_wnd >> oracle::kPeerShift);
    expect(in(kAck, books_.rcv_nxt, books_.snd_nxt, octets, window) == Drop::none, "text");
    books_.snd_wl1 = books_.rcv_nxt;
    books_.rcv_nxt += octets;
    books_.rcv_wnd -= octets;
    books_.unread += octets;
  };
  if (text != 0) {
    take(text / 2);
    take(text - text / 2);
    expect(!sent_.empty() && sent_.back().ack == Seq(books_.rcv_nxt), "no ACK of full segments");
    books_.last_ack_sent = books_.rcv_nxt;
  }
  if (s.ack_pending && books_.rcv_wnd != 0) {
    take(100);
    expect(sent_.empty(), "an ACK of little text");
  }
}

void Stand::queue(const Situation& s) {
  if (s.sending == Sending::nothing) return;
  endpoint_->set_nodelay(id_, true);
  const auto send = [&](std::uint32_t octets) {
    expect(endpoint_->send(id_, stream(0, octets), Lifetime::fixed) == octets, "send");
    flush();
  };
  if (s.sending != Sending::persist) {
    send(500);
    send(500);
    books_.snd_nxt += 1000;
    books_.last_ack_sent = books_.rcv_nxt;
  }
  if (s.sending == Sending::in_flight) return;
  const std::vector<SegmentOut> last = sent_;
  send(600);
  expect(sent_.empty(), "text beyond the window");
  sent_ = last;
  books_.unsent = 600;
}

/// What the last segment told of a window that 16 bits do not hold.
void Stand::scale() {
  if (sent_.empty()) return fail("nothing told a scaled window");
  books_.rcv_shift = kScaledShift;
  books_.rcv_wnd = std::uint32_t{sent_.back().window} << kScaledShift;
  books_.fresh_wnd = 0xffff;
}

/// The FINs, in the order that leads to the state.
void Stand::finish_ours(const Situation& s) {
  using oracle::State;
  if (s.state == State::established) return;
  const auto ours = [&] {
    s.reader ? endpoint_->shutdown(id_) : endpoint_->close(id_);
    show_events();
    flush();
    expect(sent_.size() == 1, "no FIN");
    ++books_.snd_nxt;
    books_.fin_sent = true;
    books_.last_ack_sent = books_.rcv_nxt;
  };
  if (s.state == State::close_wait || s.state == State::last_ack) finish_theirs();
  if (s.state == State::close_wait) return;
  ours();
  if (s.state == State::fin_wait_2 || s.state == State::time_wait) {
    const auto window = static_cast<std::uint16_t>(books_.snd_wnd >> oracle::kPeerShift);
    expect(in(kAck, books_.rcv_nxt, books_.snd_nxt, 0, window) == Drop::none, "ACK of FIN");
    books_.snd_una = books_.snd_nxt;
    books_.snd_wl1 = books_.rcv_nxt;
    books_.snd_wl2 = books_.snd_una;
  }
  if (s.state == State::closing || s.state == State::time_wait) finish_theirs();
}

void Stand::finish_theirs() {
  const auto window = static_cast<std::uint16_t>(books_.snd_wnd >> oracle::kPeerShift);
  expect(in(kAck | kFin, books_.rcv_nxt, books_.snd_una, 0, window) == Drop::none, "FIN");
  expect(sent_.size() == 1, "no ACK of the FIN");
  books_.snd_wl1 = books_.rcv_nxt;
  books_.snd_wl2 = books_.snd_una;
  ++books_.rcv_nxt;
  --books_.rcv_wnd;
  books_.last_ack_sent = books_.rcv_nxt;
}

// ---- looking

void Stand::look(oracle::Verdict& v) const {
  const EndpointImpl& e = inspect(*endpoint_);
  const EntryRef ref = find_entry(e, endpoint_->hash(tuple_), tuple_);
  if (!ref) {
    // The listener is there always: a connection that left without a word is back with it.
    const bool back = books_.passive && books_.state <= oracle::State::syn_received;
    v.state = back && books_.state != oracle::State::closed ? oracle::State::listen
                                                            : oracle::State::closed;
    return;
  }
  switch (ref.kind()) {
    case EntryKind::half_open: {
      const HalfOpenState& h = e.half_open.state(ref);
      v.state = oracle::State::syn_received;
      v.rcv_nxt = h.irs.raw() + 1;
      v.snd_una = h.iss.raw();
      v.ts_recent = h.has(HalfOpenState::kTimestamps) ? h.ts_recent : 0;
      v.timers = oracle::kRetransmission;
      return;
    }
    case EntryKind::time_wait: {
      const TimeWaitState& t = e.time_wait.state(ref);
      v.state = oracle::State::time_wait;
      v.rcv_nxt = t.rcv_nxt.raw();
      v.snd_una = t.snd_nxt.raw();
      v.ts_recent = t.has(TimeWaitState::kTimestamps) ? t.ts_recent : 0;
      v.timers = oracle::kTwoMsl;
      if (e.time_wait.stats().restarted != restarts_before_) v.timers |= oracle::kTwoMslAnew;
      return;
    }
    case EntryKind::connection:
      break;
  }
  const Connection& c = e.connections[ref.index()];
  v.state = static_cast<oracle::State>(c.state);
  v.rcv_nxt = c.rcv_nxt.raw();
  v.snd_una = c.snd_una.raw();
  v.ts_recent = c.has(Connection::kTimestamps) ? c.ts_recent : 0;
  const bool armed = c.send_timer != SendTimer::none || c.has(Connection::kAckDelayed);
  if (armed && c.timer.place == kNil) {
    return;  // armed, but the wheel does not know
  }
  v.timers = in_words(c.send_timer) | (c.has(Connection::kAckDelayed) ? oracle::kDelayedAck : 0);
}

void Stand::check_books() {
  restarts_before_ = inspect(*endpoint_).time_wait.stats().restarted;
  oracle::Verdict v;
  look(v);
  expect(v.state == books_.state, "not in the state");
  expect(v.snd_una == books_.snd_una, "SND.UNA");
  if (books_.state == oracle::State::syn_sent) return;
  expect(v.rcv_nxt == books_.rcv_nxt, "RCV.NXT");
  expect(v.ts_recent == books_.ts_recent, "TS.Recent");
  if (const auto status = endpoint_->status(id_)) {
    expect(status->state != State::established || status->rcv_wnd_bytes == books_.rcv_wnd,
           "RCV.WND");
    expect(status->unread_bytes == books_.unread, "unread");
    expect(status->unsent_bytes == books_.unsent, "unsent");
  }
}

Seen Stand::arrive(const oracle::Segment& segment) {
  SegmentIn s;
  s.flags = Flags{static_cast<std::uint8_t>(segment.flags)};
  s.seq = Seq(segment.seq);
  s.ack = Seq(segment.ack);
  s.window = segment.window;
  if (books_.state == oracle::State::syn_sent && segment.has(kSyn)) books_.irs = segment.seq;
  if (segment.text != 0) {
    const std::uint32_t first = segment.seq + (segment.has(kSyn) ? 1 : 0);
    s.payload = stream(first - books_.irs - 1, segment.text);
  }
  if (segment.has(kSyn)) {
    s.options.has = Options::kMss | Options::kWindowScale;
    s.options.mss = kPeerMss;
    s.options.window_scale = oracle::kPeerShift;
  }
  if (segment.timestamp) {
    s.options.has |= Options::kTimestamps;
    s.options.tsval = segment.tsval;
    s.options.tsecr = our_tsval_;
  }
  restarts_before_ = inspect(*endpoint_).time_wait.stats().restarted;
  Seen seen;
  seen.drop = endpoint_->input(endpoint_->hash(tuple_), tuple_, s, now_);
  show_events();
  flush();
  seen.verdict = told_;
  for (const SegmentOut& out : sent_) {
    if (seen.verdict.emitted == oracle::kMaxEmitted) break;
    seen.verdict.out[seen.verdict.emitted++] = in_words(out);
  }
  look(seen.verdict);
  read_all(seen);
  return seen;
}

/// All that was delivered, before and now, is what the peer sent, in its order.
void Stand::read_all(Seen& seen) {
  std::uint32_t octets = 0;
  for (;;) {
    const std::span<const std::byte> bytes = endpoint_->readable(id_);
    if (bytes.empty()) break;
    seen.right_bytes = seen.right_bytes && std::ranges::equal(bytes, stream(octets, bytes.size()));
    octets += static_cast<std::uint32_t>(bytes.size());
    endpoint_->consume(id_, bytes.size());
  }
  // A connection that was reset has forgotten what was unread.
  if (octets != 0) seen.verdict.delivered = octets - books_.unread;
}

void Stand::clear() {
  const EndpointImpl& e = inspect(*endpoint_);
  if (const EntryRef ref = find_entry(e, endpoint_->hash(tuple_), tuple_);
      ref && ref.kind() == EntryKind::half_open) {
    SegmentIn reset;
    reset.flags = Flags{static_cast<std::uint8_t>(kRst)};
    reset.seq = Seq(e.half_open.state(ref).irs.raw() + 1);
    endpoint_->input(endpoint_->hash(tuple_), tuple_, reset, now_);
  }
  endpoint_->abort(id_);
  show_events();
  flush();
}

/// Time passes and TIME-WAIT entries go.
void Stand::drain() {
  while (!endpoint_->advance(now_)) {
  }
  show_events();
  while (endpoint_->flush(burst_, now_) != 0) {
  }
}

bool same_reason(oracle::Why why, Drop drop) {
  using oracle::Why;
  struct Pair {
    Why why;
    Drop drop;
  };
  static constexpr Pair kSame[] = {
      {Why::none, Drop::none},
      {Why::closed, Drop::tcp_no_connection},
      {Why::closed_rst, Drop::tcp_no_connection_rst},
      {Why::listen_ack, Drop::tcp_listen_bad_flags},
      {Why::listen_no_syn, Drop::tcp_listen_bad_flags},
      {Why::syn_sent_bad_ack, Drop::tcp_syn_sent_bad_ack},
      {Why::syn_sent_no_syn, Drop::tcp_syn_sent_no_syn},
      {Why::timestamp_old, Drop::tcp_paws},
      {Why::timestamp_missing, Drop::tcp_missing_timestamp},
      {Why::not_acceptable, Drop::tcp_out_of_window},
      {Why::duplicate, Drop::tcp_duplicate},
      {Why::window_closed, Drop::tcp_window_closed},
      {Why::reset, Drop::tcp_reset},
      {Why::reset, Drop::tcp_half_open_reset},
      {Why::rst_challenged, Drop::tcp_rst_challenged},
      {Why::syn_challenged, Drop::tcp_syn_challenged},
      {Why::syn_repeated, Drop::tcp_half_open_duplicate},
      {Why::bad_ack, Drop::tcp_bad_ack},
      {Why::bad_ack, Drop::tcp_half_open_bad_ack},
      {Why::no_ack, Drop::tcp_no_ack},
      {Why::data_after_fin, Drop::tcp_data_after_fin},
      {Why::data_after_close, Drop::tcp_data_after_close},
      {Why::time_wait_rst, Drop::tcp_time_wait_rst},
      {Why::time_wait_old, Drop::tcp_time_wait_old},
      {Why::timestamp_old, Drop::tcp_time_wait_old},
  };
  return std::ranges::any_of(kSame, [&](const Pair& p) { return p.why == why && p.drop == drop; });
}

}  // namespace millrace::tcp::test
