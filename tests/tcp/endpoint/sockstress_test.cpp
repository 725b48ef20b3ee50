// SPDX-License-Identifier: BSD-3-Clause
//
// C6 of the hostile network at its size: a hundred thousand peers ask for a page, hold their
// windows closed and answer every probe (Sockstress, CVE-2008-4609). Beside them an honest one asks
// for page after page.
#include <gtest/gtest.h>

#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/inspect.h"
#include "tcp/endpoint/pressure.h"
#include "tests/tcp/endpoint/harness.h"

namespace millrace::tcp::test {
namespace {

constexpr std::uint32_t kPeers = 100'000;
constexpr std::uint32_t kBlocks = 65'536;
constexpr std::uint16_t kHonest = 60'000;
constexpr Duration kStep = 20ms;

class Sockstress : public testing::TestWithParam<bool> {
 protected:
  static EndpointConfig config() {
    EndpointConfig c = small_config();
    c.max_connections = c.max_send_states = c.max_ipv6_pairs = kPeers + 1000;
    c.max_blocks = kBlocks;
    c.profiles[0].delayed_ack = Duration::zero();
    return c;
  }
  [[nodiscard]] const Stores& stores() { return inspect(*solo).stores; }
  [[nodiscard]] FourTuple tuple_of(std::uint32_t peer) {
    FourTuple t = solo.tuple(static_cast<std::uint16_t>(1024 + peer % 50'000));
    t.remote = address_of(GetParam(), 10 + peer / 50'000);
    return t;
  }

  struct Peer {
    FourTuple tuple;
    Seq ours;  // the next that the endpoint will send
  };
  void in(const Peer& p, std::uint16_t window, Seq seq, const std::string* payload = nullptr) {
    SegmentIn s = segment(kAck, seq, p.ours, payload);
    s.window = window;
    (void)solo.in(p.tuple, s);
  }

  /// The application answers every byte that it reads with a page.
  void serve() {
    while (!solo->advance(solo.now)) {
    }
    const std::string page(1000, 'p');
    for (const Event& e : solo->events()) {
      const bool asked = e.kind == EventKind::data;
      if (asked) solo->consume(e.connection, e.bytes.size());
      if (asked || e.kind == EventKind::writable) {
        (void)solo->send(e.connection, as_bytes(page), Lifetime::copied);
      }
    }
    solo->settle(solo.now);
  }
  /// What the endpoint sends. Probes are answered: the window is closed and nothing was taken.
  void answer() {
    std::vector<Peer> probed;
    for (std::size_t n = 1; n != 0;) {
      n = solo->flush(burst, solo.now);
      probed.clear();
      for (const SegmentOut& s : std::span(burst).first(n)) {
        if (s.flags.syn()) {
          peers.push_back({s.tuple, s.seq + 1});
        } else if (s.flags.rst()) {
          ++resets;
        } else if (s.tuple.remote_port == kHonest) {
          if (s.payload_bytes != 0) honest.ours = later_of(honest.ours, s.seq + s.payload_bytes);
        } else if (s.payload_bytes != 0) {
          probed.push_back({s.tuple, s.seq});
        }
      }
      for (const Peer& p : probed) in(p, 0, kBegin + 1);
      probes += probed.size();
    }
  }
  void step() {
    solo.pass(kStep);
    serve();
    answer();
    most_blocks = std::max(most_blocks, stores().blocks.live());
    // The honest peer has its page, or all that came of it, and asks for the next.
    const std::uint32_t has = bytes_between(honest_begin, honest.ours);
    if (has == 1000 * (pages + 1)) {
      ++pages;
      const std::string ask = "g";
      in(honest, 65'535, honest_next, &ask);
      honest_next += 1;
    } else {
      in(honest, 65'535, honest_next);
    }
    serve();
    answer();
  }

  static constexpr Seq kBegin{1001};  // of the text of every peer
  Solo solo{GetParam(), config()};
  std::vector<SegmentOut> burst = std::vector<SegmentOut>(256);
  std::vector<Peer> peers;
  Peer honest;
  Seq honest_begin, honest_next;
  std::uint32_t pages = 0;
  std::uint32_t most_blocks = 0;
  std::uint64_t probes = 0;
  std::uint64_t resets = 0;
};
INSTANTIATE_TEST_SUITE_P(Families, Sockstress, testing::Values(false, true), family_name);

TEST_P(Sockstress, AHundredThousandClosedWindowsHoldUpNobody) {
  ASSERT_TRUE(solo->listen({.local = {}, .port = kPort, .backlog = 4096, .profile = 0}).ok());
  const Solo::Opened o = solo.accept(kHonest);
  honest = {o.tuple, o.ours};
  honest_begin = o.ours;
  honest_next = o.theirs;
  const std::string ask = "g";
  in(honest, 65'535, honest_next, &ask);
  honest_next += 1;

  std::size_t opened = 0;
  for (std::uint32_t i = 0; i < kPeers; ++i) {
    (void)solo.in(tuple_of(i), segment(kSyn, kBegin - 1));
    if (i % 128 != 127 && i != kPeers - 1) continue;
    answer();
    for (; opened < peers.size(); ++opened) in(peers[opened], 0, kBegin);
    serve();
    answer();
  }
  ASSERT_EQ(solo->states().of(State::established), kPeers + 1);
  ASSERT_LE(stores().blocks.live(), 1U) << "who is idle holds nothing";

  // All of them ask within four seconds.
  for (std::uint32_t i = 0; i < kPeers; ++i) {
    in(peers[i], 0, kBegin, &ask);
    if (i % 500 == 499) step();
  }
  for (Duration d{0}; d < 60s; d += kStep) step();

  const Counters& counters = solo->counters();
  EXPECT_EQ(most_blocks, kBlocks) << "the budget was used up, or this shows nothing";
  EXPECT_LE(stores().blocks.live(), kBlocks - kBlocks / 10);
  EXPECT_GE(counters.TCPEvictedStalled, kPeers - kBlocks);
  EXPECT_EQ(counters.TCPEvictedStalled, resets);
  // From 200 ms on, each time after twice as long: 9 in a minute.
  EXPECT_LE(probes, std::uint64_t{kPeers} * 10);
  EXPECT_GE(pages, 2500U);
}

}  // namespace
}  // namespace millrace::tcp::test
