// SPDX-License-Identifier: BSD-3-Clause
//
// Questions into JSON, on the thread of the control server.
#include "apps/inspect/instance.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/config/exit_code.h"
#include "apps/config/parse_address.h"

namespace millrace::inspect {
namespace {

using nlohmann::json;

constexpr std::size_t kSlice = 256;
// Connections whose state alone is looked at: some microseconds of their worker.
constexpr std::uint32_t kSurvey = 1024;
// From here on CLOSE_WAIT lingers: Linux would have ended a FIN_WAIT_2 on the other side.
constexpr Duration kLingers = 60s;

constexpr std::array<std::string_view, tcp::kStateCount> kLongNames{
    "CLOSED",     "LISTEN",     "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1",
    "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING",  "LAST_ACK",     "TIME_WAIT"};

json error_reply(const std::string& what) { return {{"error", what}}; }

// Zeros are left out: whoever reads takes what is not there for zero.
template <typename Counts, typename Names>
json nonzero(const Counts& counts, const Names& names, std::size_t from = 0) {
  json object = json::object();
  for (std::size_t i = from; i < names.size(); ++i) {
    if (counts[i] != 0) object[std::string(names[i])] = counts[i];
  }
  return object;
}

// What waits for its application to close, and for how long already. The walk is spared where
// nothing is in that state.
tcp::CloseWaits close_waits(Fleet& fleet, std::uint64_t in_state) {
  tcp::CloseWaits sum;
  if (in_state == 0) return sum;
  for (std::size_t end = 0; end < fleet.ends(); ++end) {
    for (std::size_t worker = 0; worker < fleet.workers(end); ++worker) {
      for (std::uint32_t from = 0; from != kNil;) {
        fleet.ask(end, worker, [&](tcp::Endpoint& endpoint, tcp::App&) {
          from = endpoint.survey_close_wait(from, kSurvey, kLingers, sum);
        });
      }
    }
  }
  return sum;
}

json summary(Fleet& fleet, const InstanceFacts& facts) {
  const StatsSnapshot total = total_stats(fleet);
  std::size_t workers = 0;
  for (std::size_t end = 0; end < fleet.ends(); ++end) workers += fleet.workers(end);
  const tcp::CloseWaits waits = close_waits(fleet, total.states.of(tcp::State::close_wait));
  const auto* counters = reinterpret_cast<const std::uint64_t*>(&total.counters);
  return {{"command", facts.command},
          {"name", facts.name},
          {"device", facts.device},
          {"pid", getpid()},
          {"workers", workers},
          {"states", nonzero(total.states.count, kLongNames)},
          {"close_wait", {{"longer_than_60_s", waits.longer}, {"longest_ms", waits.longest / 1ms}}},
          {"counters", nonzero(std::span(counters, tcp::kCounterNames.size()), tcp::kCounterNames)},
          {"drops", nonzero(total.worker.drops.count, kDropNames, 1)},
          {"port",
           {{"rx_frames", total.port.rx_frames},
            {"rx_bytes", total.port.rx_bytes},
            {"tx_frames", total.port.tx_frames},
            {"tx_bytes", total.port.tx_bytes},
            {"rx_missed", total.port.rx_missed}}},
          {"memory_touched_bytes", total.memory_touched_bytes}};
}

json connection(const tcp::ConnectionStatus& c) {
  const bool listening = c.state == tcp::State::listen;
  json object = {{"state", long_name(c.state)},
                 {"family", c.tuple.local.is_v4() ? 4 : 6},
                 {"local", c.tuple.local.is_unspecified() ? "*" : address_text(c.tuple.local)},
                 {"local_port", c.tuple.local_port}};
  if (listening) return object;
  object.update({{"remote", address_text(c.tuple.remote)},
                 {"remote_port", c.tuple.remote_port},
                 {"unread_bytes", c.unread_bytes},
                 {"flight_bytes", c.flight_bytes},
                 {"pipe_bytes", c.loss.pipe},
                 {"sacked_bytes", c.loss.sacked},
                 {"lost_bytes", c.loss.lost},
                 {"retransmitted_bytes", c.loss.retransmitted},
                 {"recovery", tcp::kLossPhaseNames[static_cast<std::size_t>(c.loss.phase)]},
                 {"unanswered", c.unanswered},
                 {"unsent_bytes", c.unsent_bytes},
                 {"congestion", tcp::congestion_name(c.congestion)},
                 {"mss", c.mss},
                 {"srtt_us", c.srtt_us},
                 {"rttvar_us", c.rttvar_us},
                 {"rto_us", c.rto_us},
                 {"cwnd_bytes", c.cwnd_bytes},
                 {"ssthresh_bytes", c.ssthresh_bytes},
                 {"snd_wnd_bytes", c.snd_wnd_bytes},
                 {"rcv_wnd_bytes", c.rcv_wnd_bytes},
                 {"receive_buffer_bytes", c.receive_buffer_bytes},
                 {"send_buffer_bytes", c.send_buffer_bytes},
                 {"timestamps", c.timestamps},
                 {"sack", c.sack},
                 {"window_scaling", c.window_scaling},
                 {"ecn", c.ecn}});
  if (c.state == tcp::State::close_wait) object["close_wait_ms"] = c.close_wait / 1ms;
  return object;
}

json connections(Fleet& fleet, const json& request) {
  const auto end = request.value("end", std::size_t{0});
  const auto worker = request.value("worker", std::size_t{0});
  const auto from = request.value("from", std::uint32_t{0});
  if (end >= fleet.ends() || worker >= fleet.workers(end)) return error_reply("no such worker");
  std::array<tcp::ConnectionStatus, kSlice> slice;
  std::size_t count = 0;
  std::uint32_t next = kNil;
  fleet.ask(end, worker,
            [&](tcp::Endpoint& endpoint, tcp::App&) { next = endpoint.list(from, slice, count); });
  json list = json::array();
  for (std::size_t i = 0; i < count; ++i) list.push_back(connection(slice[i]));
  json reply = {
      {"connections", std::move(list)}, {"ends", fleet.ends()}, {"workers", fleet.workers(end)}};
  if (next != kNil) reply["next"] = next;
  return reply;
}

}  // namespace

std::string_view long_name(tcp::State state) { return kLongNames[static_cast<std::size_t>(state)]; }

StatsSnapshot total_stats(const Fleet& fleet) {
  StatsSnapshot total;
  for (std::size_t end = 0; end < fleet.ends(); ++end) {
    for (std::size_t worker = 0; worker < fleet.workers(end); ++worker) {
      const StatsSnapshot one = fleet.stats(end, worker);
      // Plain counts all through: added word by word.
      const auto add = [](auto& to, const auto& from) {
        static_assert(sizeof to % sizeof(std::uint64_t) == 0);
        auto* t = reinterpret_cast<std::uint64_t*>(&to);
        const auto* f = reinterpret_cast<const std::uint64_t*>(&from);
        for (std::size_t i = 0; i < sizeof to / sizeof(std::uint64_t); ++i) t[i] += f[i];
      };
      const std::uint64_t longest =
          std::max(total.worker.longest_gap_ns, one.worker.longest_gap_ns);
      add(total.worker, one.worker);
      total.worker.longest_gap_ns = longest;
      add(total.port, one.port);
      add(total.counters, one.counters);
      add(total.states, one.states);
      total.memory_touched_bytes += one.memory_touched_bytes;
    }
  }
  return total;
}

std::string reply_to(const std::string& request, Fleet& fleet, const InstanceFacts& facts) {
  const json question = json::parse(request, nullptr, /*allow_exceptions=*/false);
  if (!question.is_object() || !question.contains("ask") || !question["ask"].is_string()) {
    return error_reply("expected {\"ask\": \"summary\"} or {\"ask\": \"connections\"}").dump();
  }
  for (const char* key : {"end", "worker", "from"}) {
    if (question.contains(key) && !question[key].is_number_unsigned()) {
      return error_reply(std::string(key) + " is no number").dump();
    }
  }
  const std::string ask = question["ask"];
  if (ask == "summary") return summary(fleet, facts).dump();
  if (ask == "connections") return connections(fleet, question).dump();
  return error_reply("no such question: " + ask).dump();
}

Result<std::unique_ptr<ControlServer>> answer_questions(Fleet& fleet, const InstanceFacts& facts) {
  return ControlServer::start(
      control_path(facts.name),
      [&fleet, facts](const std::string& request) { return reply_to(request, fleet, facts); });
}

Result<std::unique_ptr<ControlServer>> answer_questions(Fleet& fleet, const std::string& command,
                                                        const std::string& name,
                                                        const std::string& device) {
  const InstanceFacts facts{command, name.empty() ? std::to_string(getpid()) : name, device};
  auto server = answer_questions(fleet, facts);
  if (server || !name.empty()) return server;
  (void)std::fprintf(stderr, "millrace: nobody can ask this instance: %s\n",
                     to_line(server.error()).c_str());
  return std::unique_ptr<ControlServer>();
}

}  // namespace millrace::inspect
