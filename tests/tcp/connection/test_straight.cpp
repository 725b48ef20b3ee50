// SPDX-License-Identifier: BSD-3-Clause
//
// The straight paths (is_expected() with input_expected(), is_expected_end() with
// input_expected_end(), is_syn_ack() with input_syn_ack(), enqueue_straight(), close_straight(),
// send_whole_queue()) do what the general ones do: one random script, run once with them and once
// without, gives the same segments at the same times, the same bytes read, the same ends and the
// same counts.
#include <array>
#include <random>
#include <sstream>

#include "tests/tcp/connection/pair.h"

namespace millrace::tcp::test {
namespace {

struct Trace {
  std::vector<std::string> segments;
  std::string read_by_a, read_by_b;
  Counters of_a, of_b;
  std::string ends;  // what became of both connections
  int straight = 0;  // how often a straight path was there to be taken
  int straight_ends = 0;
};

std::string describe_end(const Host& h) {
  std::ostringstream text;
  text << static_cast<int>(h.c.state) << ' ' << h.ends_of_stream << ' ' << h.writable << ' '
       << h.time_wait << ' ' << h.closed << ' ' << static_cast<int>(h.reason) << ' '
       << h.c.snd_nxt.raw() << ' ' << h.c.rcv_nxt.raw() << ' ' << h.c.ts_recent << ' '
       << int{h.c.acks_owed} << ' ' << h.c.ce_seen << h.c.cwr_owed << h.c.edge_owed << ' '
       << h.c.flags << '\n';
  // What the straight way does not work out any more where it is the last one.
  if (!h.closed && !h.time_wait) text << h.c.srtt_us << ' ' << h.c.snd_wnd << '\n';
  return text.str();
}

std::string describe(Instant now, bool from_a, const Segment& s) {
  std::ostringstream text;
  text << now.time_since_epoch().count() << (from_a ? " a " : " b ") << s.seq.raw() << ' '
       << s.ack.raw() << ' ' << int{s.flags} << ' ' << int{s.ecn} << ' ' << s.window << ' '
       << s.data << ' ' << int{s.options.has} << ' ' << s.options.tsval << ' ' << s.options.tsecr
       << ' ' << int{s.options.sack_count};
  return text.str();
}

TcpConfig config_of(std::uint32_t seed) {
  TcpConfig config;
  config.timestamps = seed % 2 == 0;
  config.window_scaling = seed % 3 != 0;
  config.nagle = seed % 5 != 0;
  config.receive_buffer = seed % 4 == 0 ? 4'000 : 0;
  if (seed % 10 == 1) config.receive_buffer_initial = 3'000;
  if (seed % 7 == 0) config.keepalive = true;
  config.keepalive_idle = 500ms;
  if (seed % 6 == 0) config.delayed_ack = Duration::zero();
  if (seed % 9 == 0) config.send_buffer = 3'000;
  if (seed % 4 < 2) config.ecn = EcnUse::always;
  if (seed % 8 == 1) config.congestion = CongestionAlgorithm::dctcp;
  return config;
}

void act(Host& host, std::mt19937& random) {
  static const std::string kLasting = pattern(4'000);
  const std::size_t length = random() % 4 == 0 ? random() % 4'000 : random() % 200;
  switch (random() % 8) {
    case 0:
      host.reads = !host.reads;
      if (host.reads) host.read_all();
      break;
    case 1:
      host.c.set(Connection::kNodelay);
      break;
    case 2:
      host.write(std::string_view(kLasting).substr(0, length), false);
      break;
    case 3:
    case 4:
    case 5:
      host.write(pattern(length, random() % 100));
      break;
    case 6:
      if (random() % 60 == 0) host.shut_down();
      if (random() % 200 == 0) host.close();
      break;
    default:
      break;
  }
}

Trace run_script(std::uint32_t seed, bool straight) {
  Pair p(config_of(seed), config_of(seed / 2));
  Trace trace;
  const double loss = seed % 3 == 0 ? 0.05 : 0;
  const Pair::Fate weather = chaos(seed, loss, loss, loss);
  p.fate = [&](bool from_a, int nth, Segment& s) {
    trace.segments.push_back(describe(p.a.now, from_a, s));
    if (s.ecn != 0 && nth % 5 == 0) s.ecn = kCongestionExperienced;
    return weather(from_a, nth, s);
  };
  p.a.straight = p.b.straight = straight;
  p.establish(Seq(0xffff'ff00), Seq(5000), seed % 2 == 1);
  std::mt19937 random(seed);
  for (int i = 0; i < 150; ++i) {
    act(random() % 2 == 0 ? p.a : p.b, random);
    p.run_for(std::chrono::microseconds(random() % 40'000));
  }
  p.a.reads = p.b.reads = true;
  for (Host* h : {&p.a, &p.b}) {
    h->read_all();
    if (random() % 2 == 0) h->close();
    h->shut_down();
    p.run_for(std::chrono::milliseconds(random() % 100));
  }
  p.run_for(30s);
  trace.read_by_a = p.a.received;
  trace.read_by_b = p.b.received;
  trace.of_a = p.a.counters;
  trace.of_b = p.b.counters;
  trace.ends = describe_end(p.a) + describe_end(p.b);
  trace.straight = p.a.straight_taken + p.b.straight_taken;
  trace.straight_ends = p.a.straight_ends + p.b.straight_ends;
  return trace;
}

using CounterWords = std::array<std::uint64_t, kCounterNames.size()>;
CounterWords words_of(const Counters& counters) { return std::bit_cast<CounterWords>(counters); }

TEST(StraightPaths, DoWhatTheGeneralOnesDo) {
  int taken = 0;
  int ends = 0;
  for (std::uint32_t seed = 1; seed <= 120; ++seed) {
    const Trace with = run_script(seed, true);
    const Trace without = run_script(seed, false);
    ASSERT_EQ(with.segments, without.segments) << "seed " << seed;
    ASSERT_EQ(with.read_by_a, without.read_by_a) << "seed " << seed;
    ASSERT_EQ(with.read_by_b, without.read_by_b) << "seed " << seed;
    ASSERT_EQ(words_of(with.of_a), words_of(without.of_a)) << "seed " << seed;
    ASSERT_EQ(words_of(with.of_b), words_of(without.of_b)) << "seed " << seed;
    ASSERT_EQ(with.ends, without.ends) << "seed " << seed;
    taken += with.straight;
    ends += with.straight_ends;
    EXPECT_EQ(without.straight + without.straight_ends, 0);
  }
  EXPECT_GT(ends, 120 * 2) << "the scripts hardly ever end straight";
  EXPECT_GT(taken, 120 * 50) << "the scripts hardly ever go straight";
}

/// What became of an active open that a SYN-ACK with the options of `bits` answered.
std::string open_and_answer(unsigned bits, bool ipv6, bool straight) {
  Host h(config_of(bits));
  h.straight = straight;
  EXPECT_TRUE(h.open(Seq(0xffff'ffff), ipv6));
  if ((bits & 1) != 0) h.write(pattern(100));
  if ((bits & 2) != 0) h.shut_down();
  std::vector<Segment> sent = h.flush();
  if ((bits & 4) != 0) {
    for (const Segment& again : h.pass(1500ms)) sent.push_back(again);
  }
  h.now += 20ms;
  Segment answer;
  answer.seq = Seq(7000);
  answer.ack = Seq(0);
  answer.flags = kS | kA;
  answer.window = 1000;
  if ((bits & 8) != 0) answer.options.has |= Options::kMss;
  answer.options.mss = 900;
  if ((bits & 16) != 0) answer.options.has |= Options::kTimestamps;
  answer.options.tsval = 77;
  if (!sent.empty()) answer.options.tsecr = sent.back().options.tsval;
  if ((bits & 32) != 0) answer.options.has |= Options::kWindowScale | Options::kSackPermitted;
  if ((bits & 64) != 0) answer.flags |= Flags::kEce;
  answer.options.window_scale = 5;
  const Drop drop = h.input(answer);
  EXPECT_EQ(h.straight_opens, straight ? 1 : 0);
  std::string text = std::to_string(static_cast<int>(drop)) + ' ' + describe_end(h);
  for (const Segment& s : h.flush()) text += describe(h.now, true, s) + '\n';
  text += std::to_string(h.connected) + ' ' + std::to_string(h.c.congestion.cwnd) + ' ' +
          std::to_string(h.c.mss) + ' ' + std::to_string(h.c.window_scales) + ' ' +
          std::to_string(h.c.send_deadline) + ' ' + std::to_string(h.c.rcv_adv.raw());
  return text;
}

TEST(StraightPaths, TheAnswerToOurSynDoesWhatItWould) {
  for (const bool ipv6 : {false, true}) {
    for (unsigned bits = 0; bits < 128; ++bits) {
      EXPECT_EQ(open_and_answer(bits, ipv6, true), open_and_answer(bits, ipv6, false)) << bits;
    }
  }
}

// What was sent is acknowledged by text that the application may answer.
void ask_and_answer(Host& h) {
  ASSERT_EQ(h.write("question"), 8U);
  ASSERT_EQ(h.flush().size(), 1U);
  ASSERT_EQ(h.input(h.peer("answer")), Drop::none);
  ASSERT_EQ(h.stores.send.live(), 1U);
}

TEST(KeptSendState, BeginsAnewForTheNextQueue) {
  Host h;
  h.establish();
  ask_and_answer(h);
  // A long piece and a short one: not what a single chunk of a queue would hold.
  const std::string next = pattern(6'000);
  EXPECT_EQ(h.write(next.substr(0, 5'000)), 5'000U);
  EXPECT_EQ(h.write(next.substr(5'000)), 1'000U);
  std::string sent;
  for (const Segment& s : h.flush()) sent += s.data;
  EXPECT_EQ(sent, next);
  EXPECT_EQ(h.stores.send.live(), 1U);
}

// A connection of many small exchanges has one SendState for all: what it noted of an earlier one
// must not lie ahead of a later one.
TEST(KeptSendState, ForgetsTheMarksOfBefore) {
  Host h;
  h.establish();
  ASSERT_EQ(h.write("question"), 8U);
  ASSERT_EQ(h.flush().size(), 1U);
  SendState& st = h.send();
  st.recover = st.ecn_recover = st.short_end = h.c.snd_nxt + 1000;
  ASSERT_EQ(h.input(h.peer("answer")), Drop::none);
  ASSERT_EQ(h.stores.send.live(), 1U);
  EXPECT_TRUE(before(st.recover, h.c.snd_una));
  EXPECT_TRUE(before(st.ecn_recover, h.c.snd_una));
  EXPECT_FALSE(after(st.short_end, h.c.snd_una));
}

TEST(KeptSendState, GoesWithTheFlushThatFindsNoAnswer) {
  TcpConfig config;
  config.keepalive = true;
  Host h(config);
  h.establish();
  ask_and_answer(h);
  EXPECT_TRUE(h.flush().empty());  // the ACK is delayed
  EXPECT_TRUE(h.cold_is_empty());
  EXPECT_EQ(h.c.send_timer, SendTimer::keepalive);
}

TEST(KeptSendState, CarriesTheFinThatAnswersAFin) {
  Host h;
  h.establish();
  ASSERT_EQ(h.write("question"), 8U);
  ASSERT_EQ(h.flush().size(), 1U);
  ASSERT_EQ(h.input(h.peer("", kA | kF)), Drop::none);
  ASSERT_EQ(h.stores.send.live(), 1U);
  h.close();
  const std::vector<Segment> sent = h.flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].flags, kA | kF);
  EXPECT_EQ(h.c.state, State::last_ack);
  EXPECT_TRUE(watches_flight(h.c.send_timer));
}

}  // namespace
}  // namespace millrace::tcp::test
