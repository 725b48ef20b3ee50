// SPDX-License-Identifier: BSD-3-Clause
//
// Five topics. Every line comes 5 ms after the one before, so that nothing but what it says
// decides what comes back, and where we send, a round trip is long enough that no timer of ours
// does; the last lines are plain, and show what state all that has led to.
#include "tests/interop/differential/generate.h"

#include <algorithm>
#include <array>

#include "tests/support/random.h"

namespace millrace::differential {
namespace {

using test::Random;

constexpr std::array<const char*, 5> kTopics{"receiving", "sending", "closing", "options",
                                             "opening"};

class Text {
 public:
  explicit Text(std::uint32_t number) : random_(number * 0x9e37'79b9ULL + 1) {}

  void line(const std::string& statement) { text_ += gap_ + statement + "\n"; }
  /// For what takes the kernel a timer of its own: 8 ms for a SYN that it hastens.
  void slowly() { gap_ = "+20ms "; }
  void head(const std::string& statement) { text_ += statement + "\n"; }
  [[nodiscard]] std::uint64_t below(std::uint64_t n) { return random_.below(n); }
  [[nodiscard]] bool chance(std::uint64_t percent) { return below(100) < percent; }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  Random random_;
  std::string gap_ = "+5ms ";
  std::string text_ = "# Made by generate.cpp (RFC 9293 §3.10.7).\n";
};

[[nodiscard]] std::string number(std::int64_t n) { return std::to_string(n); }

[[nodiscard]] std::string segment(const std::string& flags, std::int64_t seq, std::int64_t length,
                                  std::int64_t ack) {
  return "< " + flags + " " + number(seq) + (length != 0 ? "+" + number(length) : "") + " ack " +
         number(ack);
}

/// Text in order, again, early, late, overlapping; with a FIN now and then.
void receiving(Text& t) {
  t.head(t.chance(50) ? "passive" : "passive [mss 1000, sackok]");
  std::int64_t next = 1;
  bool fin = false;
  for (int i = 0; i < 8; ++i) {
    const std::int64_t length = static_cast<std::int64_t>(1 + t.below(1200));
    const std::uint64_t what = t.below(100);
    std::int64_t seq = next;
    if (what < 40 && !fin) {
      next += length;
    } else if (what < 60) {
      seq = next + static_cast<std::int64_t>(1 + t.below(3000));
    } else if (what < 85) {
      seq = std::max<std::int64_t>(1, next - static_cast<std::int64_t>(t.below(2000)));
    } else {
      seq = next + 70'000 + static_cast<std::int64_t>(t.below(1000));
    }
    const bool with_fin = !fin && seq == next - length && t.chance(10);
    t.line(segment(with_fin ? "FIN ACK" : "ACK", seq, length, 1));
    if (with_fin) fin = true, ++next;
  }
  t.line(segment("ACK", next, fin ? 0 : 10, 1));
  t.line("send 100");
}

/// What we send, and acknowledgments and windows of every kind.
void sending(Text& t) {
  t.head(t.chance(50) ? "passive rtt 100ms" : "passive rtt 100ms [mss 1000, sackok]");
  std::int64_t sent = 1;
  std::int64_t acked = 1;
  for (int i = 0; i < 7; ++i) {
    if (t.chance(50) && sent - acked < 4000) {
      const auto bytes = static_cast<std::int64_t>(1 + t.below(3000));
      t.line("send " + number(bytes));
      sent += bytes;
      continue;
    }
    const std::uint64_t what = t.below(100);
    std::int64_t ack = acked;
    if (what < 60) {
      ack =
          acked + static_cast<std::int64_t>(t.below(static_cast<std::uint64_t>(sent - acked) + 1));
      acked = ack;
    } else if (what < 70) {
      ack = sent + 1 + static_cast<std::int64_t>(t.below(100'000));
    } else if (what < 80) {
      ack = acked - static_cast<std::int64_t>(1 + t.below(70'000));
    }
    std::string window;
    if (t.chance(30)) window = " win " + number(static_cast<std::int64_t>(t.below(20'000)));
    t.line(segment("ACK", 1, 0, ack) + window);
  }
  t.line(segment("ACK", 1, 0, sent));
  t.line(segment("ACK", 1, 300, sent));
}

/// Both ends close, in any order, among resets, SYNs and text.
void closing(Text& t) {
  t.head("passive");
  std::int64_t theirs = 1;
  bool fin = false;
  int ours = 0;  // what we have sent, if nothing was lost: a FIN
  for (int i = 0; i < 7; ++i) {
    const std::uint64_t what = t.below(100);
    const std::int64_t ack = 1 + (ours != 0 && t.chance(70) ? 1 : 0);
    if (what < 20) {
      t.line(t.chance(50) ? "shutdown" : "close");
      ours = 1;
    } else if (what < 45 && !fin) {
      t.line(segment("FIN ACK", theirs, 0, ack));
      fin = true;
      ++theirs;
    } else if (what < 65) {
      t.line(segment("ACK", theirs, 0, ack));
    } else if (what < 75) {
      t.line(segment("FIN ACK", theirs - (fin ? 1 : 0), 0, ack));
      if (!fin) fin = true, ++theirs;
    } else if (what < 83) {
      t.line(segment("ACK", theirs, static_cast<std::int64_t>(1 + t.below(500)), ack));
    } else if (what < 91) {
      t.line("< SYN " + number(theirs + static_cast<std::int64_t>(t.below(3)) * 50));
    } else {
      t.line("< RST " + number(theirs + static_cast<std::int64_t>(t.below(3)) * 50 - 50));
    }
  }
  t.line(segment("ACK", theirs, 0, 1 + ours));
}

/// What a SYN may offer, and what becomes of it: timestamps that go back, segments without any.
void options(Text& t) {
  std::string offered = "mss " + number(static_cast<std::int64_t>(300 + t.below(1200)));
  const bool stamps = t.chance(70);
  if (t.chance(50)) offered += ", sackok";
  if (t.chance(50)) offered += ", wscale " + number(static_cast<std::int64_t>(t.below(15)));
  if (stamps) offered += ", ts 1000 0";
  t.head("passive rtt 100ms [" + offered + "]");
  std::int64_t next = 1;
  std::int64_t stamp = 1000;
  for (int i = 0; i < 7; ++i) {
    const std::int64_t length = static_cast<std::int64_t>(t.below(600));
    std::string line = segment("ACK", next, length, 1);
    const std::uint64_t what = t.below(100);
    bool good = true;
    if (stamps && what < 15) {
      good = false;  // none where one was agreed on
    } else if (stamps && what < 35) {
      line += " [ts " + number(stamp - static_cast<std::int64_t>(1 + t.below(900))) + "]";
      good = false;
    } else if (stamps) {
      stamp += static_cast<std::int64_t>(t.below(50));
      line += " [ts " + number(stamp) + "]";
    } else if (what < 30) {
      line += " [ts 77]";
    }
    t.line(line);
    if (good) next += length;
  }
  t.line("send 2000");
  t.line(segment("ACK", next, 0, 2001) + (stamps ? " [ts " + number(stamp + 1) + "]" : ""));
}

/// A handshake disturbed: by other numbers, flags and orders, from either side.
void opening(Text& t) {
  const bool active = t.chance(50);
  t.slowly();
  t.head(active ? "connect" : "listen");
  if (!active) t.line("< SYN 0 [mss 1000]");
  for (int i = 0; i < 4; ++i) {
    const std::int64_t seq = static_cast<std::int64_t>(t.below(3)) + (t.chance(15) ? 80'000 : 0);
    const std::int64_t ack = t.chance(50) ? 0 : static_cast<std::int64_t>(2 + t.below(100));
    switch (t.below(7)) {
      case 0:
        t.line("< SYN " + number(seq) + " [mss 1000]");
        break;
      case 1:
        t.line("< SYN ACK " + number(seq) + " ack " + number(ack) + " [mss 1000]");
        break;
      case 2:
        t.line("< RST " + number(seq));
        break;
      case 3:
        t.line("< RST ACK " + number(seq) + " ack " + number(ack));
        break;
      case 4:
        t.line(segment("ACK", seq, static_cast<std::int64_t>(t.below(50)), ack));
        break;
      case 5:
        t.line(segment("FIN ACK", seq, 0, ack));
        break;
      default:
        t.line("< FIN " + number(seq));
        break;
    }
  }
  if (active) t.line("< SYN ACK 0 ack 1 [mss 1000]");
  t.line(segment("ACK", 1, 20, 1));
  t.line(segment("FIN ACK", 21, 0, 1));
}

}  // namespace

std::string generated_name(std::uint32_t number_of) {
  return std::string("generated/") + kTopics[number_of % kTopics.size()] + "_" +
         std::to_string(number_of);
}

std::string generated_script(std::uint32_t number_of) {
  Text t(number_of);
  switch (number_of % kTopics.size()) {
    case 0:
      receiving(t);
      break;
    case 1:
      sending(t);
      break;
    case 2:
      closing(t);
      break;
    case 3:
      options(t);
      break;
    default:
      opening(t);
      break;
  }
  return t.take();
}

}  // namespace millrace::differential
