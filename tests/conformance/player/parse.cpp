// SPDX-License-Identifier: BSD-3-Clause
//
// Lines to steps. Each statement is a function of its own; the table at the end names them all.
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "tcp/wire/segment.h"
#include "tests/conformance/player/script.h"
#include "tests/conformance/player/settings.h"
#include "tests/conformance/player/words.h"

namespace millrace::script {
namespace {

using tcp::Flags;
using tcp::State;

constexpr std::int64_t kMost32 = 0xffff'ffff;
constexpr std::uint32_t kUsualPeerIsn = 1'000'000;

constexpr std::array kFlagNames{
    std::pair{"FIN", Flags::kFin}, std::pair{"SYN", Flags::kSyn}, std::pair{"RST", Flags::kRst},
    std::pair{"PSH", Flags::kPsh}, std::pair{"ACK", Flags::kAck}, std::pair{"URG", Flags::kUrg},
    std::pair{"ECE", Flags::kEce}, std::pair{"CWR", Flags::kCwr},
};

constexpr std::array kStates{
    std::pair{"CLOSED", State::closed},
    std::pair{"SYN-SENT", State::syn_sent},
    std::pair{"SYN-RECEIVED", State::syn_received},
    std::pair{"ESTABLISHED", State::established},
    std::pair{"FIN-WAIT-1", State::fin_wait_1},
    std::pair{"FIN-WAIT-2", State::fin_wait_2},
    std::pair{"CLOSE-WAIT", State::close_wait},
    std::pair{"CLOSING", State::closing},
    std::pair{"LAST-ACK", State::last_ack},
    std::pair{"TIME-WAIT", State::time_wait},
};

constexpr std::array kOpenErrors{
    std::pair{"no_free_port", tcp::OpenError::no_free_port},
    std::pair{"time_wait", tcp::OpenError::time_wait},
    std::pair{"in_use", tcp::OpenError::in_use},
    std::pair{"no_memory", tcp::OpenError::no_memory},
    std::pair{"bad_address", tcp::OpenError::bad_address},
};

[[nodiscard]] Drop parse_drop(Words& words) {
  for (std::size_t i = 1; i < kDropCount; ++i) {
    if (words.accept(kDropNames[i])) return static_cast<Drop>(i);
  }
  words.fail("the name of a drop reason (tcp/base/drop.h)");
}

// SEQ or SEQ+LENGTH.
void parse_place(Words& words, Segment& s) {
  const std::string_view word = words.peek();
  const std::size_t plus = word.find('+', 1);
  const auto seq = words.to_number(word.substr(0, plus));
  auto length = std::optional<std::int64_t>{0};
  if (plus != std::string_view::npos) length = words.to_number(word.substr(plus + 1));
  if (word.empty() || !seq || !length || *length < 0 || *length > 65'535) {
    words.fail("flags (FIN SYN RST PSH ACK URG ECE CWR, or NONE), then SEQ or SEQ+LENGTH");
  }
  s.seq = *seq;
  s.length = static_cast<std::uint32_t>(*length);
  (void)words.take("");
}

[[nodiscard]] Stamp parse_stamp(Words& words) {
  if (words.accept("*")) return std::nullopt;
  return words.number("a timestamp or *", -kMost32, kMost32);
}

[[nodiscard]] Block parse_block(Words& words) {
  const std::string_view word = words.peek();
  const std::size_t dash = word.find('-', 1);
  if (word.empty() || dash == std::string_view::npos) words.fail("a block such as 1001-2001");
  const auto left = words.to_number(word.substr(0, dash));
  const auto right = words.to_number(word.substr(dash + 1));
  if (!left || !right) words.fail("a block such as 1001-2001");
  (void)words.take("");
  return {*left, *right};
}

void parse_raw(Words& words, std::vector<std::uint8_t>& bytes) {
  while (words.peek().size() == 2) {
    const std::string_view word = words.peek();
    const std::size_t bad = word.find_first_not_of("0123456789abcdef");
    if (bad != std::string_view::npos) words.fail("a byte in hexadecimal, such as 0a");
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(words.take("a byte"), nullptr, 16)));
  }
}

[[nodiscard]] FastOpenOption parse_fast_open(Words& words) {
  FastOpenOption option;
  option.any = words.accept("*");
  if (!option.any) parse_raw(words, option.cookie);
  return option;
}

// The opening bracket has been read.
[[nodiscard]] OptionList parse_options(Words& words, bool injected) {
  OptionList list;
  list.mode = OptionList::Mode::exact;
  if (!injected && words.accept("...")) {
    list.mode = OptionList::Mode::any;
    words.require("]");
    return list;
  }
  while (!words.accept("]")) {
    if (words.accept("mss")) {
      list.mss = static_cast<std::uint16_t>(words.number("an MSS", 0, 65'535));
    } else if (words.accept("wscale")) {
      list.wscale = static_cast<std::uint8_t>(words.number("a shift", 0, 255));
    } else if (words.accept("sackok")) {
      list.sackok = true;
    } else if (words.accept("ts")) {
      list.has_ts = true;
      list.tsval = parse_stamp(words);
      list.echo_latest = injected && !words.to_number(words.peek());
      if (!list.echo_latest) list.tsecr = parse_stamp(words);
    } else if (words.accept("sack")) {
      do list.sack.push_back(parse_block(words));
      while (words.peek() != "]" && words.to_number(words.peek().substr(0, 1)));
    } else if (words.accept("fo")) {
      list.fast_open = parse_fast_open(words);
    } else if (injected && words.accept("raw")) {
      parse_raw(words, list.raw);
    } else {
      words.fail(injected ? "mss, wscale, sackok, ts, sack, fo, raw or ]"
                          : "mss, wscale, sackok, ts, sack, fo, ... or ]");
    }
  }
  return list;
}

void parse_segment(Words& words, Step& step, bool injected) {
  Segment& s = step.segment;
  if (!words.accept("NONE")) {
    for (bool more = true; more;) {
      more = false;
      for (const auto& [name, bit] : kFlagNames) {
        if (!words.accept(name)) continue;
        s.flags |= bit;
        more = true;
      }
    }
  }
  parse_place(words, s);
  while (!words.at_end()) {
    if (words.accept("ack")) {
      s.ack = words.number("an acknowledgment number", -kMost32, kMost32);
    } else if (words.accept("win")) {
      s.win = static_cast<std::uint16_t>(words.number("a window", 0, 65'535));
    } else if (words.accept("urg")) {
      s.urg = static_cast<std::uint16_t>(words.number("an urgent pointer", 0, 65'535));
    } else if (words.accept("text")) {
      s.text = words.quoted();
      if (s.length == 0) s.length = static_cast<std::uint32_t>(s.text->size());
      if (s.length != s.text->size()) words.fail("a text of the length given");
    } else if (words.accept("[")) {
      s.options = parse_options(words, injected);
    } else if (words.accept("ecn")) {
      s.ecn = static_cast<std::uint8_t>(words.number("0 to 3", 0, 3));
    } else if (injected && words.accept("drop")) {
      step.drop = parse_drop(words);
    } else if (!injected && words.accept("beyond")) {
      s.beyond = words.number("a sequence number", -kMost32, kMost32);
    } else if (!injected && words.accept("ttl")) {
      s.ttl = static_cast<std::uint8_t>(words.number("a TTL", 0, 255));
    } else if (!injected && words.accept("dscp")) {
      s.dscp = static_cast<std::uint8_t>(words.number("a code point", 0, 63));
    } else {
      words.fail(injected ? "ack, win, urg, text, [, ecn or drop"
                          : "ack, win, urg, text, [, ecn, ttl, dscp or beyond");
    }
  }
  if ((s.flags & Flags::kAck) != 0 && !s.ack) words.fail("ack, for a segment with ACK");
  if ((s.flags & Flags::kUrg) != 0 && injected && !s.urg) words.fail("urg, for one with URG");
}

void parse_inject(Words& words, Step& step) {
  step.kind = Kind::inject;
  parse_segment(words, step, true);
}

// ---- events

void parse_closed(Words& words, Step& step) {
  step.kind = Kind::event;
  step.event = tcp::EventKind::closed;
  for (std::size_t i = 0; i < tcp::kCloseReasonNames.size(); ++i) {
    if (!words.accept(tcp::kCloseReasonNames[i])) continue;
    step.reason = static_cast<tcp::CloseReason>(i);
    return;
  }
  words.fail(
      "a reason: graceful, reset, refused, timeout, keepalive, unreachable, aborted, "
      "unread_data or no_memory");
}

void parse_data(Words& words, Step& step) {
  step.kind = Kind::event;
  step.event = tcp::EventKind::data;
  step.amount = static_cast<std::uint64_t>(words.number("a number of bytes", 0, 1 << 30));
  if (!words.at_end()) step.segment.text = words.quoted();
}

void parse_peer(Words& words, Step& step) {
  words.require("closed");
  step.kind = Kind::event;
  step.event = tcp::EventKind::peer_closed;
}

template <tcp::EventKind kEvent>
void parse_plain_event(Words&, Step& step) {
  step.kind = Kind::event;
  step.event = kEvent;
}

// ---- calls

template <Kind kKind>
void parse_plain(Words&, Step& step) {
  step.kind = kKind;
}

void parse_listen(Words& words, Step& step) {
  step.kind = Kind::listen;
  step.amount = 16;
  if (words.accept("backlog")) {
    step.amount = static_cast<std::uint64_t>(words.number("a backlog", 1, 65'535));
  }
}

template <Kind kKind>
void parse_opened(Words& words, Step& step) {
  step.kind = kKind;
  step.segment.win = 65'535;
  step.segment.options.mode = OptionList::Mode::exact;
  step.segment.options.mss = 1000;
  while (!words.at_end()) {
    if (words.accept("win")) {
      step.segment.win = static_cast<std::uint16_t>(words.number("a window", 0, 65'535));
    } else if (words.accept("rtt")) {
      step.rtt = words.duration("a time such as 50ms");
    } else if (words.accept("[")) {
      step.segment.options = parse_options(words, true);
    } else {
      words.fail("win, rtt or [");
    }
  }
}

void parse_connect(Words& words, Step& step) {
  step.kind = Kind::connect;
  if (words.accept("send")) {
    step.amount = static_cast<std::uint64_t>(words.number("a number of bytes", 1, 1 << 30));
    step.result = step.amount;
  }
  if (!words.accept("fails")) return;
  for (const auto& [name, error] : kOpenErrors) {
    if (!words.accept(name)) continue;
    step.error = error;
    return;
  }
  words.fail("no_free_port, time_wait, in_use, no_memory or bad_address");
}

void parse_send(Words& words, Step& step) {
  step.kind = Kind::send;
  step.amount = static_cast<std::uint64_t>(words.number("a number of bytes", 1, 1 << 30));
  step.result = step.amount;
  if (words.accept("takes")) {
    step.result = static_cast<std::uint64_t>(words.number("a number of bytes", 0, 1 << 30));
  }
}

void parse_read(Words& words, Step& step) {
  step.kind = Kind::reading;
  step.flag = words.accept("on");
  if (step.flag || words.accept("off")) return;
  step.kind = Kind::read;
  step.amount =
      static_cast<std::uint64_t>(words.number("on, off or a number of bytes", 1, 1 << 30));
}

void parse_nodelay(Words& words, Step& step) {
  step.kind = Kind::nodelay;
  step.flag = words.accept("on");
  if (!step.flag) words.require("off");
}

void parse_icmp(Words& words, Step& step) {
  step.kind = Kind::icmp;
  step.flag = words.accept("hard");
  if (words.accept("exceeded")) {
    step.icmp = tcp::IcmpError::Kind::time_exceeded;
  } else if (words.accept("too-big")) {
    step.icmp = tcp::IcmpError::Kind::too_big;
    step.amount = static_cast<std::uint64_t>(words.number("an MTU", 0, 65'535));
  } else if (!words.accept("unreachable")) {
    words.fail("[hard] unreachable, exceeded, or too-big MTU");
  }
  words.require("seq");
  step.segment.seq = words.number("a sequence number", -kMost32, kMost32);
  if (words.accept("drop")) step.drop = parse_drop(words);
}

// ---- questions

void parse_state(Words& words, Step& step) {
  step.kind = Kind::state;
  for (const auto& [name, state] : kStates) {
    if (!words.accept(name)) continue;
    step.state = state;
    return;
  }
  words.fail("a state of RFC 9293, such as SYN-RECEIVED");
}

constexpr std::array<std::string_view, 19> kFields{
    "cwnd",    "ssthresh",       "rto",         "srtt",   "rttvar",    "mss",    "snd_wnd",
    "rcv_wnd", "receive_buffer", "send_buffer", "flight", "pipe",      "sacked", "lost",
    "resent",  "unsent",         "unread",      "sack",   "timestamps"};

void parse_check(Words& words, Step& step) {
  step.kind = Kind::check;
  std::string names;
  for (const std::string_view field : kFields) {
    names += " " + std::string(field);
    if (words.accept(field)) step.name = field;
  }
  if (step.name.empty()) words.fail("a field of the status:" + names + "; then its value");
  const bool is_time = step.name == "rto" || step.name == "srtt" || step.name == "rttvar";
  if (is_time) {
    step.amount = to_us(words.duration("a time such as 200ms"));
  } else {
    step.amount = static_cast<std::uint64_t>(words.number("a number", 0, kMost32));
  }
}

void parse_count(Words& words, Step& step) {
  step.kind = Kind::count;
  for (const std::string_view name : tcp::kCounterNames) {
    if (!words.accept(name)) continue;
    step.name = name;
    step.amount = static_cast<std::uint64_t>(words.number("a number", 0, kMost32));
    return;
  }
  words.fail("the name of a counter (tcp/base/counters.h)");
}

struct Statement {
  std::string_view word;
  void (*parse)(Words&, Step&);
};

constexpr std::array kStatements{
    Statement{"<", parse_inject},
    Statement{"<&",
              [](Words& words, Step& step) {
                parse_inject(words, step);
                step.joined = true;
              }},
    Statement{">",
              [](Words& words, Step& step) {
                step.kind = Kind::expect;
                parse_segment(words, step, false);
              }},
    Statement{"accepted", parse_plain_event<tcp::EventKind::accepted>},
    Statement{"connected", parse_plain_event<tcp::EventKind::connected>},
    Statement{"writable", parse_plain_event<tcp::EventKind::writable>},
    Statement{"data", parse_data},
    Statement{"peer", parse_peer},
    Statement{"closed", parse_closed},
    Statement{"listen", parse_listen},
    Statement{"unlisten", parse_plain<Kind::unlisten>},
    Statement{"passive", parse_opened<Kind::passive>},
    Statement{"active", parse_opened<Kind::active>},
    Statement{"connect", parse_connect},
    Statement{"send", parse_send},
    Statement{"read", parse_read},
    Statement{"shutdown", parse_plain<Kind::shutdown>},
    Statement{"close", parse_plain<Kind::close>},
    Statement{"abort", parse_plain<Kind::abort>},
    Statement{"nodelay", parse_nodelay},
    Statement{"icmp", parse_icmp},
    Statement{"renumber", parse_plain<Kind::renumber>},
    Statement{"state", parse_state},
    Statement{"check", parse_check},
    Statement{"count", parse_count},
};

[[nodiscard]] std::string statement_names() {
  std::string names = "a statement: set, silence";
  for (const Statement& s : kStatements) names += ", " + std::string(s.word);
  return names;
}

/// The comment at the top.
[[nodiscard]] bool names_its_rule(const std::string& text) {
  std::istringstream in(text);
  std::string comment;
  for (std::string line; std::getline(in, line) && line.starts_with("# ");) comment += line;
  return comment.find("RFC ") != std::string::npos || comment.find("draft-") != std::string::npos;
}

class Parser {
 public:
  Parser(Script& script, bool ipv6) : script_(script), ipv6_(ipv6) {}

  void line(int number, const std::string& text) {
    Words words({script_.path, number}, text, ipv6_);
    if (words.at_end()) return;
    if (words.accept("set")) {
      if (!script_.steps.empty()) words.fail("no more settings once something happens");
      parse_setting(words, script_);
      words.require_end();
      return;
    }
    Step step;
    step.line = number;
    parse_time(words);
    if (words.peek().starts_with('@')) step.peer = words.take("a peer").substr(1);
    if (step.peer.size() != 1 || step.peer < "a" || step.peer > "z") words.fail("@a to @z");
    statement(words, step);
    words.require_end();
    step.time = now_;
    script_.steps.push_back(std::move(step));
  }

 private:
  void parse_time(Words& words) {
    std::string_view word = words.peek();
    if (word.empty() || (word[0] != '+' && (word[0] < '0' || word[0] > '9'))) return;
    const bool relative = word[0] == '+';
    if (relative) word.remove_prefix(1);
    const auto time = Words::to_duration(word);
    if (!time) words.fail("a time such as 0.25, 250ms or +1s");
    const Duration at = relative ? now_ + *time : *time;
    if (at < now_) words.fail("a time that is not before that of the line above");
    now_ = at;
    (void)words.take("");
  }

  void statement(Words& words, Step& step) {
    if (words.accept("silence")) {
      step.kind = Kind::silence;
      const bool relative = words.accept("for");
      if (!relative) words.require("until");
      const Duration time = words.duration("a time such as 1s");
      if (!relative && time < now_) words.fail("a time that is not over");
      now_ = relative ? now_ + time : time;
      return;
    }
    for (const Statement& s : kStatements) {
      if (!words.accept(s.word)) continue;
      s.parse(words, step);
      return;
    }
    words.fail(statement_names());
  }

  Script& script_;
  bool ipv6_;
  Duration now_{};
};

}  // namespace

Script parse_script(const std::string& path, const std::string& text, bool ipv6) {
  Script script;
  script.path = path;
  script.config = usual_config();
  script.peer_isn = kUsualPeerIsn;
  Parser parser(script, ipv6);
  if (!names_its_rule(text)) {
    throw ParseError(path + ":1: expected a comment that says the rule and its RFC section");
  }
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    script.lines.push_back(line);
    parser.line(static_cast<int>(script.lines.size()), line);
  }
  if (script.steps.empty()) throw ParseError(path + ": nothing happens in this script");
  return script;
}

Script load_script(const std::string& path, bool ipv6) {
  std::ifstream in(path);
  if (!in) throw ParseError(path + ": cannot be read");
  std::stringstream text;
  text << in.rdbuf();
  return parse_script(path, text.str(), ipv6);
}

std::string_view script_name(State state) {
  for (const auto& [name, value] : kStates) {
    if (value == state) return name;
  }
  return "LISTEN";
}

std::string_view script_name(tcp::OpenError error) {
  for (const auto& [name, value] : kOpenErrors) {
    if (value == error) return name;
  }
  return "none";
}

}  // namespace millrace::script
