// SPDX-License-Identifier: BSD-3-Clause
//
// Experiment 7, storms into TIME_WAIT. Segments that belong to connections that are over, at a
// million a second: FINs that come again, RSTs, old SYNs, old data. What is answered is bounded by
// what came, no entry goes early, and none is made.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "apps/report/units.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/lab.h"
#include "apps/time_wait/openers.h"

namespace millrace::time_wait {
namespace {

constexpr std::size_t kBurst = 32;
constexpr std::uint64_t kSegments = 1'000'000;  // of each kind, a microsecond apart
constexpr std::uint32_t kOld = 5000;            // bytes before the end
constexpr std::array<std::byte, 100> kText{};

enum class Kind : std::uint8_t { fin, rst, syn, ack_to_one, data };
constexpr std::array kKinds{Kind::fin, Kind::rst, Kind::syn, Kind::ack_to_one, Kind::data};
constexpr std::array<std::string_view, 5> kNames{"FIN again", "RST", "old SYN",
                                                 "old ACK, one tuple", "old data"};

std::uint32_t entries_of(const Scale& scale) { return scale.full ? 1'000'000 : 100'000; }

tcp::Arrival make(Kind kind, const Path::Fin& fin) {
  tcp::Arrival arrival{0, fin.tuple, fin.segment};
  tcp::SegmentIn& s = arrival.segment;
  switch (kind) {
    case Kind::fin:
      break;
    case Kind::rst:
      s.seq = s.seq + 1;  // exactly RCV.NXT, what would end a connection that is open
      s.flags.bits = tcp::Flags::kRst;
      break;
    case Kind::ack_to_one:
      s.seq = s.seq - kOld;
      s.flags.bits = tcp::Flags::kAck;
      break;
    case Kind::syn:
      s.seq = s.seq - kOld;
      s.flags.bits = tcp::Flags::kSyn;
      s.options.tsval -= kOld;
      break;
    case Kind::data:
      s.seq = s.seq - kOld;
      s.flags.bits = tcp::Flags::kAck;
      s.payload = kText;
      break;
  }
  return arrival;
}

struct Found {
  std::uint64_t answers = 0;
  std::uint64_t entries = 0;  // behind the storm
  double ns = 0;              // a segment, its answer included
};

/// Answers that wait are taken out, and counted.
std::uint64_t take_answers(tcp::Endpoint& endpoint, Instant now) {
  std::array<tcp::SegmentOut, kBurst> out;
  std::uint64_t answers = 0;
  for (std::size_t count = 0; (count = endpoint.flush(out, now)) != 0;) answers += count;
  return answers;
}

Found storm(Lab& lab, Kind kind, std::span<const Path::Fin> fins, Instant& now) {
  tcp::Endpoint& endpoint = lab.client();
  Found found;
  std::array<tcp::Arrival, kBurst> burst;
  DropCounters drops{};
  std::chrono::steady_clock::duration spent{};
  for (std::uint64_t at = 0; at < kSegments; at += kBurst) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      burst[i] = make(kind, fins[kind == Kind::ack_to_one ? 0 : (at + i) * 7919 % fins.size()]);
      burst[i].hash = endpoint.hash(burst[i].tuple);
      endpoint.prefetch(burst[i].hash);
    }
    now += Duration{1000} * kBurst;
    const auto start = std::chrono::steady_clock::now();
    endpoint.input(burst, now, drops);
    (void)endpoint.advance(now);
    endpoint.settle(now);
    found.answers += take_answers(endpoint, now);
    spent += std::chrono::steady_clock::now() - start;
  }
  found.entries = endpoint.states().of(tcp::State::time_wait);
  found.ns =
      std::chrono::duration<double, std::nano>(spent).count() / static_cast<double>(kSegments);
  return found;
}

/// The most answers that the rules allow.
std::uint64_t most_answers(Kind kind) {
  constexpr double kSeconds = static_cast<double>(kSegments) / 1e6;
  switch (kind) {
    case Kind::fin:
    case Kind::syn:
    case Kind::data:
      return kSegments;
    case Kind::rst:
      return 0;
    case Kind::ack_to_one:
      return static_cast<std::uint64_t>(kSeconds / 0.5) + 1;  // one in each half second
  }
  return 0;
}

std::vector<std::string> predict(const Scale& scale) {
  const std::uint64_t entries = entries_of(scale);
  std::vector<std::string> lines;
  lines.reserve(kKinds.size());
  for (const Kind kind : kKinds) {
    lines.push_back(
        fmt::format("{} x {} into {} entries: at most {} answers, every entry stays",
                    report::group_digits(kSegments), kNames[static_cast<std::size_t>(kind)],
                    report::group_digits(entries), report::group_digits(most_answers(kind))));
  }
  return lines;
}

Result<Study> run(const Scale& scale, const Progress& progress) {
  const std::uint32_t entries = entries_of(scale);
  LabConfig config;
  tcp::TcpConfig profile;
  profile.two_msl = 240s;
  config.client.profiles = {profile};
  config.client.max_time_wait = entries;
  config.seed = scale.seed;
  Opener opener({.rate = 50'000, .addresses = 64, .most = entries});
  Acceptor acceptor(Closes::second);
  auto made = Lab::create(config, opener, acceptor);
  if (!made) return made.error();
  Lab& lab = *made.value();
  lab.keep_fins();
  while (opener.counts().closed < entries) lab.step();
  lab.run_for(100ms);
  Instant now = lab.now();

  Study study;
  study.title = "Storms into TIME_WAIT";
  Table table{{"storm", "segments", "answers", "ns each", "entries behind it"}, {}};
  Plot answers{.title = "Answers to a million segments", .x_name = "storm"};
  answers.curves = {{"answers", {}}, {"the most that the rules allow", {}, true}};
  for (const Kind kind : kKinds) {
    const std::string name(kNames[static_cast<std::size_t>(kind)]);
    const Found f = storm(lab, kind, lab.to_client().fins(), now);
    const std::uint64_t most = most_answers(kind);
    table.rows.push_back({name, report::group_digits(kSegments), report::group_digits(f.answers),
                          fmt::format("{:.0f}", f.ns), report::group_digits(f.entries)});
    answers.cases.push_back(name);
    answers.curves[0].y.push_back(static_cast<double>(f.answers));
    answers.curves[1].y.push_back(static_cast<double>(most));
    study.checks.push_back({name + ": answers", "at most " + report::group_digits(most),
                            report::group_digits(f.answers), f.answers <= most});
    study.checks.push_back({name + ": entries behind it", report::group_digits(entries),
                            report::group_digits(f.entries), f.entries == entries});
    progress(fmt::format("{}: {} answers, {:.0f} ns each", name, f.answers, f.ns));
  }
  study.tables.push_back(std::move(table));
  study.plots.push_back(std::move(answers));
  study.explanation = {
      "A FIN that comes again means that our last ACK was lost: each is acknowledged, and 2MSL "
      "begins anew (RFC 9293 §3.10.7.4). A RST is ignored, even at exactly RCV.NXT, because an "
      "old one would end the wait that protects the next connection (RFC 1337). An old SYN is "
      "acknowledged, so that who sent it can find out and reset what it has (RFC 9293 §3.10.7.4). "
      "Old text is acknowledged and never delivered; an old segment without text at most once in "
      "half a second for a tuple (RFC 5961 §7).",
      "No answer is longer than what asked for it, so that a storm with a forged source cannot be "
      "made larger here. An entry stays one of 32 bytes throughout; restarts leave tombstones, "
      "which are bounded by an eighth of the capacity."};
  return study;
}

}  // namespace

const Experiment kStorm{"storm", "a million FINs, RSTs, SYNs and old data a second", predict, run};

}  // namespace millrace::time_wait
