// SPDX-License-Identifier: BSD-3-Clause
//
// The state table: every cell once through Millrace and once through the oracle, and the two must
// agree about the next state, every segment sent, RCV.NXT, SND.UNA, TS.Recent, the octets
// delivered, what the application is told, the reason of a drop, and the timers that run.
//
//   MILLRACE_TABLE_EVERY=n  one cell of n, spread over all classes (1: the full table, which is
//   what
//                           runs unless sanitizers slow it down)
//   MILLRACE_TABLE_CELL=n   this cell alone, with everything that is known about it
#include <gtest/gtest.h>
#include <tbb/blocked_range.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>

#include "tests/conformance/oracle/choices.h"
#include "tests/conformance/oracle/classes.h"
#include "tests/conformance/oracle/oracle.h"
#include "tests/conformance/state_table/rows.h"
#include "tests/conformance/state_table/stand.h"

namespace millrace::tcp::test {
namespace {

using oracle::Verdict;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != 0 ? std::strtoull(value, nullptr, 10) : otherwise;
}

/// One cell, run both ways.
struct Result {
  Place place;
  oracle::Tcb tcb;
  oracle::Segment segment;
  Verdict expected;
  Seen seen;
  std::string differs;  // the names of what does not agree; empty if all does
  bool ipv6 = false;
};

/// All cells, where they run at full speed.
constexpr std::uint64_t usual_sample() {
#if defined(__SANITIZE_ADDRESS__)
  return 11;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
  return 11;
#else
  return 1;
#endif
#else
  return 1;
#endif
}

std::string compare(const Verdict& want, const Seen& seen) {
  const Verdict& got = seen.verdict;
  std::string d;
  if (want.state != got.state) d += " state";
  if (want.emitted != got.emitted || want.out != got.out) d += " segments";
  if (want.rcv_nxt != got.rcv_nxt) d += " RCV.NXT";
  if (want.snd_una != got.snd_una) d += " SND.UNA";
  if (want.ts_recent != got.ts_recent) d += " TS.Recent";
  if (want.delivered != got.delivered || !seen.right_bytes) d += " delivered";
  if (want.told != got.told) d += " told";
  if (!same_reason(want.why, seen.drop)) d += " reason";
  if (want.timers != got.timers) d += " timers";
  return d;
}

Result run_cell(Stand& stand, std::uint64_t number) {
  Result r;
  r.place = place_of(number);
  const Situation& situation = kSituations[r.place.row];
  const auto tcb = stand.prepare(situation, r.place.cell.receive, number);
  r.ipv6 = stand.ipv6();
  if (!tcb) {
    r.differs = " set-up: " + stand.failure();
    stand.clear();
    return r;
  }
  r.tcb = *tcb;
  r.segment = make_segment(r.tcb, r.place.cell);
  r.seen = stand.arrive(r.segment);
  const Verdict& got = r.seen.verdict;
  const bool opened = got.emitted == 1 && got.out[0].flags == (oracle::kSyn | oracle::kAck);
  r.expected = segment_arrives(r.tcb, r.segment, opened ? got.out[0].seq : 0);
  r.differs = compare(r.expected, r.seen);
  if (!stand.failure().empty()) r.differs += " " + stand.failure();
  stand.clear();
  return r;
}

std::string describe(const Verdict& v) {
  std::string text(oracle::kStateNames[static_cast<std::size_t>(v.state)]);
  text += " RCV.NXT=" + std::to_string(v.rcv_nxt) + " SND.UNA=" + std::to_string(v.snd_una) +
          " TS.Recent=" + std::to_string(v.ts_recent) +
          " delivered=" + std::to_string(v.delivered) + " timers=" + oracle::timers_text(v.timers) +
          " told=" + oracle::told_text(v.told);
  for (std::size_t i = 0; i < v.emitted; ++i) text += "\n             " + describe(v.out[i]);
  return text;
}

std::string describe(std::uint64_t number, const Result& r) {
  std::ostringstream text;
  text << "cell " << number << ": " << kSituations[r.place.row].name << " + "
       << describe(r.place.cell) << (r.ipv6 ? " (IPv6)" : " (IPv4)") << "\n  " << describe(r.tcb)
       << "\n  arrives    " << describe(r.segment) << "\n  expected   "
       << oracle::kWhyNames[static_cast<std::size_t>(r.expected.why)] << ": "
       << describe(r.expected) << "\n  got        " << name_of(r.seen.drop) << ": "
       << describe(r.seen.verdict) << (r.seen.right_bytes ? "" : " WRONG BYTES");
  for (std::size_t i = 0; i < oracle::kChoiceCount; ++i) {
    if ((r.expected.choices >> i & 1U) == 0) continue;
    text << "\n  by choice  " << oracle::kChoices[i].name << ", " << oracle::kChoices[i].section
         << ": " << oracle::kChoices[i].text;
  }
  text << "\n  alone: MILLRACE_TABLE_CELL=" << number;
  return text.str();
}

/// What all cells together came to.
struct Sum {
  struct Kind {
    std::uint64_t count = 0;
    std::uint64_t first = 0;
    std::string example;
  };
  std::uint64_t cells = 0;
  std::uint64_t mismatches = 0;
  std::array<std::uint64_t, oracle::kChoiceCount> choices{};
  std::map<std::string, Kind> kinds;  // by row, reason and what differs

  void add(std::uint64_t number, const Result& r) {
    ++cells;
    for (std::size_t i = 0; i < choices.size(); ++i) choices[i] += r.expected.choices >> i & 1U;
    if (r.differs.empty()) return;
    ++mismatches;
    std::string key(kSituations[r.place.row].name);
    key += " | " + std::string(oracle::kWhyNames[static_cast<std::size_t>(r.expected.why)]) +
           " against " + std::string(name_of(r.seen.drop)) + " |" + r.differs;
    Kind& kind = kinds[key];
    if (kind.count++ == 0) {
      kind.first = number;
      kind.example = describe(number, r);
    }
  }
  void add(const Sum& other) {
    cells += other.cells;
    mismatches += other.mismatches;
    for (std::size_t i = 0; i < choices.size(); ++i) choices[i] += other.choices[i];
    for (const auto& [key, kind] : other.kinds) {
      Kind& mine = kinds[key];
      mine.count += kind.count;
      if (mine.example.empty() || kind.first < mine.first) {
        mine.first = kind.first;
        mine.example = kind.example;
      }
    }
  }
};

/// True for one number of `every`, in no step with any class.
bool is_sampled(std::uint64_t number, std::uint64_t every) {
  return ((number * 0xd6e8'feb8'6659'fd93) >> 32) % every == 0;
}

Sum run_table(std::uint64_t every) {
  tbb::enumerable_thread_specific<Sum> sums;
  tbb::enumerable_thread_specific<std::unique_ptr<Stand>> stands;
  tbb::parallel_for(tbb::blocked_range<std::uint64_t>(0, kCells, 4096), [&](const auto& range) {
    auto& stand = stands.local();
    if (!stand) stand = std::make_unique<Stand>();
    for (std::uint64_t n = range.begin(); n != range.end(); ++n) {
      if (is_sampled(n, every)) sums.local().add(n, run_cell(*stand, n));
    }
  });
  Sum sum;
  for (const Sum& s : sums) sum.add(s);
  return sum;
}

TEST(StateTable, MillraceAndTheOracleAgree) {
  if (const char* cell = std::getenv("MILLRACE_TABLE_CELL")) {
    const std::uint64_t number = std::strtoull(cell, nullptr, 10);
    ASSERT_LT(number, kCells);
    Stand stand;
    const Result r = run_cell(stand, number);
    std::cout << describe(number, r) << "\n";
    EXPECT_TRUE(r.differs.empty()) << "differs:" << r.differs;
    return;
  }
  const Sum sum = run_table(from_environment("MILLRACE_TABLE_EVERY", usual_sample()));
  std::cout << sum.cells << " of " << kCells << " cells, " << sum.mismatches << " mismatches\n";
  const std::uint64_t most = from_environment("MILLRACE_TABLE_EXAMPLES", 12);
  std::uint64_t shown = 0;
  for (const auto& [key, kind] : sum.kinds) {
    if (++shown <= most)
      ADD_FAILURE() << kind.count << " x " << key << "\n" << kind.example;
    else
      std::cout << kind.count << " x " << key << "; first: " << kind.first << "\n";
  }
  EXPECT_EQ(sum.mismatches, 0U);
  for (std::size_t i = 0; i < oracle::kChoiceCount; ++i) {
    std::cout << "  choice " << oracle::kChoices[i].name << ": " << sum.choices[i] << " cells\n";
    EXPECT_NE(sum.choices[i], 0U) << "no cell leans on the choice " << oracle::kChoices[i].name;
  }
}

}  // namespace
}  // namespace millrace::tcp::test
