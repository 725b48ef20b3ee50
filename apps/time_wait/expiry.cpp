// SPDX-License-Identifier: BSD-3-Clause
//
// Experiment 3, expiry storms. Many entries were made within a moment and expire within a moment.
// Beside them a hundred connections ask and are answered, on the same core, by the machine's own
// clock: how long does an answer take before, while and after they all go?
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "apps/report/histogram.h"
#include "apps/report/units.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/lab.h"
#include "apps/time_wait/openers.h"

namespace millrace::time_wait {
namespace {

constexpr std::uint32_t kTalkers = 100;
constexpr Duration kTwoMsl = 30s;
constexpr Duration kQuiet = 500ms;        // looked at before and after
constexpr Duration kLongest = 20s;        // of the machine's time, for all of it
constexpr Duration kSlice = 10ms;         // of the curve
constexpr double kFillRate = 4'000'000;   // opens per second of the lab's time
constexpr std::uint64_t kMostMedian = 4;  // of an answer in the storm against before it
constexpr Duration kStolen = 500us;       // an iteration longer than this was not ours
constexpr std::array<std::byte, 64> kText{};

std::uint32_t entries_of(const Scale& scale) { return scale.full ? 10'000'000 : 2'000'000; }

Instant machine_clock() { return Instant{std::chrono::steady_clock::now().time_since_epoch()}; }

/// Fills TIME_WAIT first, then opens the connections that talk.
class Client final : public tcp::App {
 public:
  explicit Client(const OpenerConfig& config) : opener_(config) {}
  void talk() { talking_ = true; }
  /// Answers from here on go to `histogram`.
  void record(report::Histogram* histogram) { histogram_ = histogram; }
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                 Instant now) override {
    if (!talking_) return opener_.on_events(endpoint, events, now);
    for (const tcp::Event& event : events) {
      if (event.kind == tcp::EventKind::data) {
        endpoint.consume(event.connection, event.bytes.size());
        const Instant at = machine_clock();
        if (histogram_ != nullptr) {
          histogram_->record(static_cast<std::uint64_t>((at - asked_[event.user]).count()));
        }
        ask(endpoint, event);
      } else if (event.kind == tcp::EventKind::connected) {
        ask(endpoint, event);
      }
    }
    for (; opened_ < kTalkers; ++opened_) {
      tcp::OpenRequest request{.local = client_address(1000), .remote = server_address()};
      request.remote_port = kPort;
      request.profile = 0;
      request.user = opened_;
      (void)endpoint.connect(request, now);
    }
  }
  [[nodiscard]] const OpenerCounts& counts() const { return opener_.counts(); }

 private:
  void ask(tcp::Endpoint& endpoint, const tcp::Event& event) {
    asked_[event.user] = machine_clock();
    (void)endpoint.send(event.connection, kText, tcp::Lifetime::fixed);
  }
  Opener opener_;
  bool talking_ = false;
  report::Histogram* histogram_ = nullptr;
  std::uint32_t opened_ = 0;
  std::array<Instant, kTalkers> asked_{};
};

/// Sends back as many bytes as came, and closes after the client.
class Server final : public tcp::App {
 public:
  void on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events, Instant) override {
    for (const tcp::Event& event : events) {
      if (event.kind == tcp::EventKind::data) {
        endpoint.consume(event.connection, event.bytes.size());
        (void)endpoint.send(event.connection, kText, tcp::Lifetime::fixed);
      } else if (event.kind == tcp::EventKind::peer_closed) {
        endpoint.close(event.connection);
      }
    }
  }
};

/// Slices of time by the machine's clock: how long answers took in each, and how many entries there
/// were when it began.
struct Slices {
  std::vector<double> at, p50, p99, greatest, entries;
  std::array<report::Histogram, 3> parts;  // before, in and after the storm
  std::uint64_t stolen = 0;                // iterations that the machine was away from
};

Slices watch(Lab& lab, Client& client, std::uint64_t all) {
  Slices slices;
  const Instant began = machine_clock();
  const Instant lab_began = lab.now();
  Instant after{};  // when the storm was over
  report::Histogram slice;
  client.record(&slice);
  for (Instant now = began;
       now - began < kLongest && (after == Instant{} || now - after < kQuiet);) {
    const std::uint64_t entries = lab.client().states().of(tcp::State::time_wait);
    const std::size_t part = entries == all ? 0 : entries != 0 ? 1 : 2;
    if (part == 2 && after == Instant{}) after = now;
    slice.clear();
    for (const Instant end = now + kSlice; now < end;) {
      lab.step_at(lab_began + (now - began));
      const Instant last = std::exchange(now, machine_clock());
      if (now - last > kStolen) ++slices.stolen;
    }
    slices.at.push_back(std::chrono::duration<double>(now - began).count());
    slices.p50.push_back(static_cast<double>(slice.percentile(50)));
    slices.p99.push_back(static_cast<double>(slice.percentile(99)));
    slices.greatest.push_back(static_cast<double>(slice.max()));
    slices.entries.push_back(static_cast<double>(entries));
    slices.parts[part].merge(slice);
  }
  client.record(nullptr);
  return slices;
}

std::vector<std::string> predict(const Scale& scale) {
  return {
      fmt::format("{} entries expire within a moment; an iteration takes out a bounded number, "
                  "so the median answer is at most {} times that of before",
                  report::group_digits(entries_of(scale)), kMostMedian)};
}

Result<std::unique_ptr<Lab>> make_lab(const Scale& scale, Client& client, Server& server) {
  LabConfig config;
  tcp::TcpConfig profile;
  profile.two_msl = kTwoMsl;
  profile.delayed_ack = 0s;
  for (tcp::EndpointConfig* end : {&config.client, &config.server}) {
    end->profiles = {profile};
    end->max_time_wait = entries_of(scale);
    end->max_connections = 131'072;
    end->max_send_states = 131'072;
  }
  config.one_way = 0s;
  config.seed = scale.seed;
  return Lab::create(config, client, server);
}

void judge(Study& study, const Slices& s, std::uint64_t left, const Scale& scale) {
  const std::uint64_t before = s.parts[0].percentile(50);
  const std::uint64_t in_storm = s.parts[1].percentile(50);
  study.checks = {
      {"median answer in the storm", "at most " + report::nice_time(kMostMedian * before),
       report::nice_time(in_storm), s.parts[1].count() > 0 && in_storm <= kMostMedian * before},
      {"entries behind the storm", "0 of " + report::group_digits(entries_of(scale)),
       report::group_digits(left), left == 0}};
}

Result<Study> run(const Scale& scale, const Progress& progress) {
  Client client({.rate = kFillRate, .addresses = 256, .most = entries_of(scale)});
  Server server;
  auto made = make_lab(scale, client, server);
  if (!made) return made.error();
  Lab& lab = *made.value();
  const Instant first = lab.now();
  while (client.counts().closed < entries_of(scale)) lab.step();
  lab.run_for(100ms);
  progress(report::group_digits(entries_of(scale)) + " entries are there");
  client.talk();
  lab.jump(first + kTwoMsl - kQuiet);
  const Slices s = watch(lab, client, entries_of(scale));

  Study study;
  study.title = "Expiry storms";
  Table table{{"answers", "count", "p50", "p99", "p99.9", "max"}, {}};
  constexpr std::array<std::string_view, 3> kParts{"before", "in the storm", "after"};
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const report::Histogram& h = s.parts[i];
    table.rows.push_back({std::string(kParts[i]), report::group_digits(h.count()),
                          report::nice_time(h.percentile(50)), report::nice_time(h.percentile(99)),
                          report::nice_time(h.percentile(99.9)), report::nice_time(h.max())});
  }
  study.tables.push_back(std::move(table));
  Plot latency{.title = "Answers of 100 connections",
               .x_name = "second",
               .x_unit = Unit::seconds,
               .y_unit = Unit::nanoseconds,
               .y_decades = true,
               .x = s.at,
               .curves = {{"p50", s.p50}, {"p99", s.p99}, {"greatest", s.greatest}}};
  Plot entries{.title = "TIME_WAIT entries",
               .x_name = "second",
               .x_unit = Unit::seconds,
               .x = s.at,
               .curves = {{"entries", s.entries}}};
  study.plots = {std::move(latency), std::move(entries)};
  judge(study, s, lab.client().states().of(tcp::State::time_wait), scale);
  study.explanation = {
      "Entries of one 2MSL lie in a ring in order of expiry. What is due is taken from its head, a "
      "bounded number in each iteration of the core, between bursts of packets: a storm is spread "
      "over as many iterations as it needs, and nobody waits for all of it.",
      fmt::format(
          "The two ends and both applications share one core here, so an answer is some "
          "iterations of both. {} iterations took more than {}: the machine was away for "
          "them, or memory was touched for the first time; they are in the greatest values.",
          s.stolen, report::nice_time(static_cast<std::uint64_t>(kStolen.count())))};
  return study;
}

}  // namespace

const Experiment kExpiry{"expiry", "latency of live traffic while millions of entries expire",
                         predict, run};

}  // namespace millrace::time_wait
