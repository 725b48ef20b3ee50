// SPDX-License-Identifier: BSD-3-Clause
//
// The tables of a result, as HTML.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/report/page.h"
#include "apps/report/units.h"
#include "apps/report/verdict.h"

namespace millrace::report {
namespace {

using nlohmann::json;
using Rows = std::vector<std::pair<std::string, std::string>>;

std::string digits(const json& number) {
  return group_digits(static_cast<std::uint64_t>(std::llround(number.get<double>())));
}

std::string time_of(const json& ns) { return nice_time(ns.get<std::uint64_t>()); }

std::string card(std::string_view name, std::string_view value, std::string_view below = "") {
  return fmt::format(
      "<div class=\"card\"><div class=\"value\">{}</div><div class=\"name\">{}</div>"
      "<div class=\"below\">{}</div></div>\n",
      escaped(value), escaped(name), escaped(below));
}

/// The most connections seen open at the end of a second. In a loopback both ends are counted.
std::uint64_t concurrent_of(const json& result) {
  std::uint64_t most = 0;
  for (const json& i : result.at("intervals")) {
    most = std::max(most, i.at("states").value("ESTAB", std::uint64_t{0}));
  }
  const bool both = result.at("start").at("packet_path").get<std::string>().starts_with("in-mem");
  return both ? most / 2 : most;
}

std::string latency_card(std::string_view name, const json& h) {
  const json& p = h.at("percentiles");
  return card(
      name, time_of(p.at("p99")),
      fmt::format("p99; median {}, greatest {}", time_of(p.at("p50")), time_of(h.at("max"))));
}

std::string cards(const json& result) {
  const json& end = result.at("end");
  const json& latency = result.at("latency");
  const bool by_reset = result.at("start").at("close_mode").get<std::string>().ends_with("RST");
  std::string text = "<div class=\"cards\">\n";
  text += card(by_reset ? "connections opened and reset, 1/s" : "TCP connections per second",
               digits(end.at("connections_per_second")),
               digits(end.at("run_connections")) + " completed");
  text += card("application transactions per second", digits(end.at("transactions_per_second")),
               digits(end.at("run_transactions")) + " completed");
  text += card("concurrent TCP connections", group_digits(concurrent_of(result)),
               "the most at the end of a second");
  text += card("inspected throughput",
               fmt::format("{:.1f} Mbit/s", end.at("received_bits_per_second").get<double>() / 1e6),
               nice_bytes(end.at("run_received_bytes").get<std::uint64_t>()) + " received");
  text += latency_card("time to first byte (TTFB)", latency.at("first_byte"));
  text += latency_card("time to last byte (TTLB)", latency.at("last_byte"));
  text += card("TIME_WAIT entries", digits(end.at("time_wait_peak")), "the most at once");
  return text + "</div>\n";
}

std::string verdict_html(const json& result) {
  const json& verdict = result.at("verdict");
  const bool passed = verdict.at("passed").get<bool>();
  std::string text =
      fmt::format("<div class=\"verdict {}\"><strong>{}</strong><ul>\n", passed ? "good" : "bad",
                  passed                            ? "Passed"
                  : verdict.at("valid").get<bool>() ? "Threshold missed"
                                                    : "Not valid");
  for (const json& rule : verdict.at("broken_rules")) {
    text += fmt::format("<li class=\"missed\">{}</li>\n", escaped(rule.get<std::string>()));
  }
  if (verdict.at("broken_rules").empty()) {
    text +=
        "<li>no rule of RFC 9411 is broken: failed and reset at most 0.001 %, the rate within "
        "5 %</li>\n";
  }
  for (const json& t : verdict.at("thresholds")) {
    const bool met = t.at("met").get<bool>();
    text += fmt::format("<li{}>threshold {}: {}, found {}</li>\n", met ? "" : " class=\"missed\"",
                        escaped(t.at("threshold").get<std::string>()), met ? "met" : "missed",
                        escaped(found_text(t)));
  }
  if (result.at("end").at("interrupted").get<bool>()) {
    text += "<li class=\"missed\">interrupted: this is what was there until then</li>\n";
  }
  return text + "</ul></div>\n";
}

std::string latency_table(const json& latency) {
  constexpr std::array<std::pair<const char*, const char*>, 8> kRows{
      {{"connect", "connect"},
       {"connect_raw", "connect, from the open"},
       {"first_byte", "first byte (TTFB)"},
       {"first_byte_raw", "first byte, from the request"},
       {"last_byte", "last byte (TTLB)"},
       {"last_byte_raw", "last byte, from the request"},
       {"close", "close"},
       {"schedule_lag", "schedule lag"}}};
  constexpr std::array<const char*, 7> kColumns{"p50",    "p90",     "p99",     "p99.9",
                                                "p99.99", "p99.999", "p99.9999"};
  std::string text = "<table class=\"numbers\"><thead><tr><th>latency</th><th>values</th>";
  for (const char* column : kColumns) text += fmt::format("<th>{}</th>", column);
  text += "<th>max</th></tr></thead><tbody>\n";
  for (const auto& [key, name] : kRows) {
    const json& h = latency.at(key);
    if (h.at("count") == 0) continue;
    text += fmt::format("<tr><th>{}</th><td>{}</td>", name, digits(h.at("count")));
    for (const char* column : kColumns) {
      text += fmt::format("<td>{}</td>", time_of(h.at("percentiles").at(column)));
    }
    text += fmt::format("<td>{}</td></tr>\n", time_of(h.at("max")));
  }
  return text + "</tbody></table>\n";
}

std::string causes_text(const json& causes) {
  std::string text;
  for (const auto& [name, count] : causes.items()) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, digits(count));
  }
  return text;
}

std::string books_table(const json& end) {
  std::string text =
      "<table class=\"numbers\"><thead><tr><th>accounted for</th><th>offered</th><th>launched</th>"
      "<th>not launched</th><th>completed</th><th>failed</th></tr></thead><tbody>\n";
  std::string causes;
  for (const char* name : {"connections", "transactions"}) {
    const json& book = end.at(name);
    std::uint64_t missed = 0;
    std::uint64_t failed = 0;
    for (const json& n : book.at("not_launched")) missed += n.get<std::uint64_t>();
    for (const json& n : book.at("failed")) failed += n.get<std::uint64_t>();
    text +=
        fmt::format("<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                    name, digits(book.at("offered")), digits(book.at("launched")),
                    group_digits(missed), digits(book.at("completed")), group_digits(failed));
    for (const char* kind : {"not_launched", "failed"}) {
      const std::string why = causes_text(book.at(kind));
      if (!why.empty()) {
        causes += fmt::format("<p>{} {}: {}</p>\n", name,
                              std::string_view(kind) == "failed" ? "failed" : "not launched",
                              escaped(why));
      }
    }
  }
  text += "</tbody></table>\n" + causes;
  if (!end.at("accounts_balance").get<bool>()) {
    text += "<p class=\"missed\">The accounts do not balance.</p>\n";
  }
  return text;
}

std::string pairs_table(const Rows& rows) {
  std::string text = "<table class=\"pairs\"><tbody>\n";
  for (const auto& [name, value] : rows) {
    text += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value));
  }
  return text + "</tbody></table>\n";
}

std::string counters_html(const json& end) {
  Rows rows;
  for (const auto& [name, count] : end.at("counters").items()) {
    if (count != 0) rows.emplace_back(name, digits(count));
  }
  for (const auto& [name, count] : end.at("drops").items()) {
    if (count != 0 && name != "none") rows.emplace_back("dropped: " + name, digits(count));
  }
  return "<div class=\"columns\">" + pairs_table(rows) + "</div>";
}

std::string setup_html(const json& result) {
  const json& start = result.at("start");
  const json& end = result.at("end");
  Rows rows;
  for (const auto& [key, value] : start.items()) {
    if (key == "command" || key == "merged_from" || key == "latency_label") continue;
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    rows.emplace_back(std::move(name), value.is_string() ? value.get<std::string>() : value.dump());
  }
  rows.emplace_back("load sustained for", fmt::format("{:.3f} s", end.at("run_s").get<double>()));
  rows.emplace_back("memory resident", nice_bytes(end.at("resident_bytes").get<std::uint64_t>()));
  std::string text = pairs_table(rows);
  for (const json& note : end.at("notes")) {
    text += fmt::format("<p class=\"note\">{}</p>\n", escaped(note.get<std::string>()));
  }
  return text;
}

std::string commands_html(const json& start) {
  std::string text = fmt::format("<pre class=\"command\">{}</pre>\n",
                                 escaped(start.at("command").get<std::string>()));
  const auto merged = start.find("merged_from");
  if (merged == start.end()) return text;
  text += "<p>Merged from</p>\n";
  for (const json& source : *merged) {
    text += fmt::format("<pre class=\"command\">{}</pre>\n",
                        escaped(source.at("command").get<std::string>()));
  }
  return text;
}

}  // namespace

std::string page_section(const json& result, const std::string& name, std::size_t index) {
  const json& start = result.at("start");
  constexpr std::array<std::pair<const char*, const char*>, 6> kPlots{
      {{"rates", "Rates"},
       {"latency", "Latency of each second, from the intended time"},
       {"spectrum", "Latency spectrum, whole run"},
       {"time_wait", "TIME_WAIT population"},
       {"throughput", "Throughput"},
       {"trouble", "Schedule lag, and what failed or was not launched"}}};
  const bool open = start.at("loop").get<std::string>() == "open";
  std::string text = fmt::format(
      "<section>\n<h2>{}</h2>\n<p class=\"lead\">{} of {}, {}, {:.1f} s</p>\n", escaped(name),
      escaped(start.at("mode").get<std::string>()), escaped(start.at("target").get<std::string>()),
      open ? fmt::format("open loop at {}/s", digits(start.at("rate_per_second")))
           : std::string("closed loop"),
      result.at("end").at("run_s").get<double>());
  text += verdict_html(result) + cards(result);
  text += "<div class=\"plots\">\n";
  for (const auto& [id, title] : kPlots) {
    text += fmt::format(
        "<figure><figcaption>{}</figcaption><div class=\"plot\" id=\"{}-{}\"></div></figure>\n",
        title, id, index);
  }
  text += "</div>\n<noscript><p>The plots need JavaScript; the tables do not.</p></noscript>\n";
  text += "<div class=\"wide\">" + latency_table(result.at("latency")) + "</div>\n";
  const auto label = start.at("latency_label").get<std::string>();
  if (!label.empty()) text += fmt::format("<p class=\"note\">{}</p>\n", escaped(label));
  text += "<div class=\"wide\">" + books_table(result.at("end")) + "</div>\n";
  text += "<h3>Command</h3>\n" + commands_html(start);
  text += "<h3>Counters</h3>\n" + counters_html(result.at("end"));
  text += "<h3>Setup</h3>\n" + setup_html(result);
  return text + "</section>\n";
}

}  // namespace millrace::report
