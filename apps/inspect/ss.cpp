// SPDX-License-Identifier: BSD-3-Clause
//
// Asks, and prints replies as tables.
#include "apps/inspect/ss.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/config/suggest.h"
#include "apps/inspect/instance.h"
#include "apps/report/units.h"
#include "dataplane/control.h"

namespace millrace::inspect {
namespace {

using nlohmann::json;
using report::group_digits;

struct SsOptions {
  std::string name;
  bool summary = false;
  bool details = false;
  bool json = false;
  std::string state;  // long name, empty: all
};

std::string instance_name(const std::string& path) {
  return std::filesystem::path(path).stem().string();
}

// "time-wait", "TIME_WAIT", "estab": how people write states.
Result<std::string> parse_state(std::string_view word) {
  std::string wanted(word);
  for (char& c : wanted) {
    c = c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < tcp::kStateCount; ++i) {
    const auto state = static_cast<tcp::State>(i);
    std::string name(long_name(state));
    std::string brief(tcp::name_of(state));
    for (char& c : brief) c = c == '-' ? '_' : c;
    if (wanted == name || wanted == brief) return name;
    for (char& c : name)
      c = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    names.push_back(name);
  }
  return bad_word(word, "a state", "one of " + fmt::format("{}", fmt::join(names, ", ")),
                  did_you_mean(word, names));
}

Result<json> ask(const std::string& path, const json& question) {
  auto reply = control_ask(path, question.dump());
  if (!reply) return reply.error();
  json parsed = json::parse(reply.value(), nullptr, false);
  if (parsed.is_object() && !parsed.contains("error")) return parsed;
  return Error{ErrorKind::failed,
               fmt::format("the instance at {} gave an answer of no use: {}", path, reply.value()),
               "is it of the same version?"};
}

Result<int> print_summary(const std::string& path, const SsOptions& o) {
  auto reply = ask(path, {{"ask", "summary"}});
  if (!reply) return reply.error();
  const std::string text = reply.value().dump();
  std::printf("%s%s", (o.json ? text : summary_text(text)).c_str(), o.json ? "\n" : "");
  return 0;
}

Result<int> print_connections(const std::string& path, const SsOptions& o) {
  if (!o.json) std::printf("%s", connections_header().c_str());
  json all = json::array();
  std::size_t ends = 1;
  for (std::size_t end = 0; end < ends; ++end) {
    std::size_t workers = 1;
    for (std::size_t worker = 0; worker < workers; ++worker) {
      for (json from = 0; !from.is_null();) {
        auto reply =
            ask(path, {{"ask", "connections"}, {"end", end}, {"worker", worker}, {"from", from}});
        if (!reply) return reply.error();
        const json& slice = reply.value();
        ends = slice["ends"];
        workers = slice["workers"];
        if (o.json) {
          for (const json& c : slice["connections"]) {
            if (o.state.empty() || c["state"] == o.state) all.push_back(c);
          }
        } else {
          std::printf("%s", connections_text(slice.dump(), o.state, o.details).c_str());
        }
        from = slice.contains("next") ? slice["next"] : json();
      }
    }
  }
  if (o.json) std::printf("%s\n", json{{"connections", std::move(all)}}.dump().c_str());
  return 0;
}

std::string place(const json& c, const char* address, const char* port) {
  if (!c.contains(address)) return "*:*";
  const std::string host = c[address];
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", host, brackets ? "]" : "",
                     c[port].get<unsigned>());
}

// "850 ms", "42 s", "7 min 3 s", "5 h 12 min", "3 d 4 h".
std::string long_time(std::uint64_t ms) {
  const std::uint64_t s = ms / 1000;
  if (s == 0) return fmt::format("{} ms", ms);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 86'400) return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {} h", s / 86'400, s / 3600 % 24);
}

// As ss(8) abbreviates it.
std::string_view brief_name(std::string_view long_state) {
  for (std::size_t i = 0; i < tcp::kStateCount; ++i) {
    const auto state = static_cast<tcp::State>(i);
    if (long_name(state) == long_state) return tcp::name_of(state);
  }
  return long_state;
}

std::string details_of(const json& c) {
  if (!c.contains("mss")) return "";
  const auto number = [&](const char* key) { return c[key].get<std::uint64_t>(); };
  std::string line = "\t";
  for (const auto& [key, word] : {std::pair{"timestamps", "ts "},
                                  {"sack", "sack "},
                                  {"ecn", "ecn "},
                                  {"window_scaling", "wscale "}}) {
    if (c[key].get<bool>()) line += word;
  }
  line += fmt::format(
      "{} mss:{} rtt:{:.3f}/{:.3f} rto:{} cwnd:{} ssthresh:{} snd_wnd:{} rcv_wnd:{} "
      "rcv_buf:{} snd_buf:{}",
      c["congestion"].get<std::string>(), number("mss"),
      static_cast<double>(number("srtt_us")) / 1e3, static_cast<double>(number("rttvar_us")) / 1e3,
      number("rto_us") / 1000, number("cwnd_bytes"), number("ssthresh_bytes"),
      number("snd_wnd_bytes"), number("rcv_wnd_bytes"), number("receive_buffer_bytes"),
      number("send_buffer_bytes"));
  if (c["recovery"] != "open") line += fmt::format(" {}", c["recovery"].get<std::string>());
  for (const auto& [key, word] : {std::pair{"unanswered", "unanswered"},
                                  {"sacked_bytes", "sacked"},
                                  {"lost_bytes", "lost"},
                                  {"retransmitted_bytes", "resent"}}) {
    if (number(key) != 0) line += fmt::format(" {}:{}", word, number(key));
  }
  return line + "\n";
}

}  // namespace

Result<std::string> find_instance(const std::string& name) {
  const std::vector<std::string> running = control_instances();
  std::vector<std::string> names;
  names.reserve(running.size());
  for (const std::string& path : running) names.push_back(instance_name(path));
  if (!name.empty()) {
    for (std::size_t i = 0; i < running.size(); ++i) {
      if (names[i] == name) return running[i];
    }
    std::string guess = did_you_mean(name, names);
    if (guess.empty() && !names.empty()) guess = fmt::format("there is {}", fmt::join(names, ", "));
    return Error{ErrorKind::environment,
                 fmt::format("no instance called '{}' is running for this user", name),
                 std::move(guess)};
  }
  if (running.size() == 1) return running.front();
  if (running.empty()) {
    return Error{ErrorKind::environment, "no instance is running for this user",
                 "start one with millrace serve, and ask as the same user"};
  }
  return Error{ErrorKind::usage,
               fmt::format("{} instances are running: expected the name of one of them, {}",
                           running.size(), fmt::join(names, ", ")),
               fmt::format("try millrace ss {}", names.front())};
}

std::string summary_text(const std::string& reply) {
  const json s = json::parse(reply);
  const json& states = s["states"];
  std::uint64_t total = 0;
  for (const auto& [name, count] : states.items()) {
    if (name != "LISTEN") total += count.get<std::uint64_t>();
  }
  const auto of = [&](const char* name) { return states.value(name, std::uint64_t{0}); };
  std::string text = fmt::format("{} (pid {}), {}, {} worker{}\n", s["command"].get<std::string>(),
                                 s["pid"].get<int>(), s["device"].get<std::string>(),
                                 s["workers"].get<int>(), s["workers"] == 1 ? "" : "s");
  text +=
      fmt::format("TCP:   {} (estab {}, closed {}, synrecv {}, timewait {})\n\n",
                  group_digits(total), group_digits(of("ESTABLISHED")), group_digits(of("CLOSED")),
                  group_digits(of("SYN_RECEIVED")), group_digits(of("TIME_WAIT")));
  text += fmt::format("{:<14}{:>14}\n", "State", "Connections");
  for (std::size_t i = 0; i < tcp::kStateCount; ++i) {
    const auto state = static_cast<tcp::State>(i);
    const std::uint64_t count = of(std::string(long_name(state)).c_str());
    if (count != 0) text += fmt::format("{:<14}{:>14}\n", tcp::name_of(state), group_digits(count));
  }
  const auto wait = [&](const char* key) { return s["close_wait"][key].get<std::uint64_t>(); };
  if (wait("longer_than_60_s") != 0) {
    text += fmt::format("\n{} in CLOSE-WAIT for longer than 60 s, up to {}: not closed here\n",
                        group_digits(wait("longer_than_60_s")), long_time(wait("longest_ms")));
  }
  if (!s["drops"].empty()) {
    text += fmt::format("\n{:<24}{:>14}\n", "Dropped frames", "Frames");
    for (const auto& [name, count] : s["drops"].items()) {
      text += fmt::format("{:<24}{:>14}\n", name, group_digits(count.get<std::uint64_t>()));
    }
  }
  return text;
}

std::string connections_header() {
  return fmt::format("{:<11} {:>9} {:>9}  {:<40} {}\n", "State", "Recv-Q", "Send-Q",
                     "Local Address:Port", "Peer Address:Port");
}

std::string connections_text(const std::string& reply, const std::string& state, bool details) {
  const json slice = json::parse(reply);
  std::string text;
  for (const json& c : slice["connections"]) {
    const std::string name = c["state"];
    if (!state.empty() && name != state) continue;
    const std::uint64_t send_queue =
        c.value("flight_bytes", std::uint64_t{0}) + c.value("unsent_bytes", std::uint64_t{0});
    // ss(8) puts what has a time behind the addresses, too.
    const std::string age = c.contains("close_wait_ms")
                                ? "  closed by peer " + long_time(c["close_wait_ms"]) + " ago"
                                : "";
    text += fmt::format("{:<11} {:>9} {:>9}  {:<40} {}{}\n", brief_name(name),
                        c.value("unread_bytes", std::uint64_t{0}), send_queue,
                        place(c, "local", "local_port"), place(c, "remote", "remote_port"), age);
    if (details) text += details_of(c);
  }
  return text;
}

Command ss_command() {
  auto o = std::make_shared<SsOptions>();
  Command c;
  c.name = "ss";
  c.summary = "connections of a running instance";
  c.example = "millrace ss -s";
  c.options.heading("What to show");
  c.options.positional("name", "NAME",
                       "the instance: its --name or process id (default: the only one)", o->name,
                       parse_text);
  c.options.toggle("summary", "totals by state, and what was dropped", o->summary, "s");
  c.options.toggle("info", "a second line with what TCP knows", o->details, "i");
  c.options.value("state", "STATE", "only connections in this state, as established", o->state,
                  parse_state);
  c.options.toggle("json", "JSON instead of a table", o->json);
  c.run = [o]() -> Result<int> {
    auto path = find_instance(o->name);
    if (!path) return path.error();
    return o->summary ? print_summary(path.value(), *o) : print_connections(path.value(), *o);
  };
  return c;
}

}  // namespace millrace::inspect
