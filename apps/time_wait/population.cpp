// SPDX-License-Identifier: BSD-3-Clause
//
// Experiment 1, population. What an entry costs among N, to make, to find, to miss and to expire,
// in nanoseconds of this machine, and to hold, in bytes of this process. The store and its index
// alone, in bursts of 32 as a worker does it, beside touching a cache line for each of the two.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <numeric>

#include "apps/report/units.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/lab.h"
#include "tcp/endpoint/index.h"
#include "tcp/endpoint/time_wait.h"

namespace millrace::time_wait {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBurst = 32;
constexpr std::size_t kLaps = 9;                  // the median of so many counts
constexpr std::uint32_t kOperations = 64 * 1024;  // in a lap
constexpr double kMostBytes = 40;
constexpr double kMostOfRaw = 6;     // what N adds to an operation, against its two lines
constexpr double kLeastRaw_ns = 20;  // below that the caches hold it all and the work itself counts

std::vector<std::uint32_t> sizes_of(const Scale& scale) {
  std::vector<std::uint32_t> sizes{1'000, 10'000, 100'000, 1'000'000, 10'000'000};
  if (scale.full) sizes.push_back(100'000'000);
  return sizes;
}

PackedTuple tuple_of(std::uint32_t n) {
  return pack_v4({client_address(n >> 16), server_address(), static_cast<std::uint16_t>(n), kPort});
}

/// Nanoseconds for each of `items`, the median of laps. `again` comes behind each, untimed: it
/// undoes what was done, or draws anew, so that no lap finds in the caches what the one before
/// touched.
template <typename Work, typename Again>
double median_ns(std::size_t items, Work&& work, Again&& again) {
  std::array<double, kLaps> laps;
  work();  // the first comes to code that has not run yet
  again();
  for (double& lap : laps) {
    const Clock::time_point start = Clock::now();
    work();
    lap = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    again();
  }
  std::nth_element(laps.begin(), laps.begin() + kLaps / 2, laps.end());
  return laps[kLaps / 2] / static_cast<double>(items);
}

/// N entries in a store for 1.25 N, oldest first, and a clock that makes them go.
class House {
 public:
  House(std::uint32_t count, const tcp::Secrets& secrets)
      : hasher_(secrets.table),
        index_(count + count / 4 + kOperations),
        store_(count + count / 4 + kOperations, profiles_, index_, hasher_),
        count_(count) {
    while (next_ < count_) insert(std::min<std::uint32_t>(kBurst, count_ - next_));
  }
  void insert(std::uint32_t burst) {
    std::array<std::uint64_t, kBurst> hashes;
    for (std::uint32_t i = 0; i < burst; ++i) {
      hashes[i] = hasher_.v4(tuple_of(next_ + i));
      index_.prefetch(hashes[i]);
    }
    for (std::uint32_t i = 0; i < burst; ++i) {
      const tcp::EntryRef ref = store_.insert_v4(tuple_of(next_++), {}, now_);
      if (ref) (void)index_.insert(hashes[i], ref);
    }
    now_ += Duration{30s} / static_cast<int>(count_ / burst + 1);
  }
  /// As many of the oldest as asked for.
  void expire(std::uint32_t count) {
    std::array<tcp::TimeWaitGone, kBurst> gone;
    for (std::uint32_t done = 0; done < count;) done += store_.expire(now_ + 300s, gone).gone;
  }
  /// How many of a burst of tuples are there.
  std::uint32_t find(std::span<const std::uint32_t> numbers) const {
    std::array<std::uint64_t, kBurst> hashes;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      hashes[i] = hasher_.v4(tuple_of(numbers[i]));
      index_.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (const tcp::EntryRef first = index_.candidate(hashes[i])) store_.prefetch(first);
    }
    std::uint32_t found = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const PackedTuple tuple = tuple_of(numbers[i]);
      found += index_.find(hashes[i],
                           [&](tcp::EntryRef ref) {
                             return ref.kind() == tcp::EntryKind::time_wait &&
                                    store_.matches_v4(ref, tuple);
                           })
                   ? 1U
                   : 0U;
    }
    return found;
  }
  [[nodiscard]] std::uint32_t oldest() const { return next_ - store_.size(); }
  [[nodiscard]] std::uint32_t size() const { return store_.size(); }
  [[nodiscard]] std::uint64_t buckets() const { return index_.bucket_count(); }

 private:
  std::array<tcp::TcpConfig, 1> profiles_{};
  tcp::TupleHasher hasher_;
  tcp::Index index_;
  tcp::TimeWait store_;
  std::uint32_t count_;
  std::uint32_t next_ = 0;
  Instant now_{1000s};
};

/// A line of a table of as many lines and a record of as many records, at random, in bursts: what
/// memory itself asks for.
double raw_ns(std::uint64_t lines, std::uint32_t records, std::uint64_t seed) {
  std::vector<std::array<std::uint64_t, 8>> table(lines);
  std::vector<std::array<std::uint64_t, 4>> store(records);
  Dice dice(seed);
  std::vector<std::array<std::uint64_t, 2>> order(kOperations);
  const auto draw = [&] {
    for (auto& [line, record] : order) {
      line = dice.next() % lines;
      record = dice.next() % records;
    }
  };
  draw();
  return median_ns(
      kOperations,
      [&] {
        for (std::size_t at = 0; at < kOperations; at += kBurst) {
          for (std::size_t i = at; i < at + kBurst; ++i) {
            __builtin_prefetch(&table[order[i][0]], 1);
            __builtin_prefetch(&store[order[i][1]], 1);
          }
          for (std::size_t i = at; i < at + kBurst; ++i) {
            ++table[order[i][0]][0];
            ++store[order[i][1]][0];
          }
        }
      },
      draw);
}

struct Found {
  double insert_ns = 0, hit_ns = 0, miss_ns = 0, expire_ns = 0, raw_ns = 0, bytes = 0;
};

double find_ns(const House& house, std::uint32_t first, std::uint32_t count, std::uint64_t seed,
               bool& as_expected, bool there) {
  Dice dice(seed);
  std::vector<std::uint32_t> numbers(kOperations);
  const auto draw = [&] {
    for (std::uint32_t& n : numbers) n = first + static_cast<std::uint32_t>(dice.next() % count);
  };
  draw();
  std::uint64_t found = 0;
  const double ns = median_ns(
      kOperations,
      [&] {
        for (std::size_t at = 0; at < kOperations; at += kBurst) {
          found += house.find(std::span(numbers).subspan(at, kBurst));
        }
      },
      draw);
  as_expected = as_expected && found == (there ? (kLaps + 1) * kOperations : 0);
  return ns;
}

Found measure(std::uint32_t count, std::uint64_t seed, bool& as_expected) {
  const std::uint64_t before = report::resident_bytes();
  auto house = std::make_unique<House>(count, secrets_of(seed));
  Found f;
  f.bytes = static_cast<double>(report::resident_bytes() - before) / count;
  f.hit_ns = find_ns(*house, house->oldest(), house->size(), seed, as_expected, true);
  f.miss_ns = find_ns(*house, 3'000'000'000U, 500'000'000U, seed, as_expected, false);
  const std::uint32_t chunk = std::min<std::uint32_t>(kOperations, count / 32 * 32);
  const auto insert_all = [&] {
    for (std::uint32_t i = 0; i < chunk; i += kBurst) house->insert(kBurst);
  };
  const auto expire_all = [&] { house->expire(chunk); };
  f.insert_ns = median_ns(chunk, insert_all, expire_all);
  insert_all();
  f.expire_ns = median_ns(chunk, expire_all, insert_all);
  as_expected = as_expected && house->size() == count + chunk;
  const std::uint64_t buckets = house->buckets();
  house.reset();
  f.raw_ns = raw_ns(buckets, count, seed);
  return f;
}

std::vector<std::string> predict(const Scale& scale) {
  return {fmt::format("{} entries at {:.0f} bytes each: {}",
                      report::group_digits(sizes_of(scale).back()), kMostBytes,
                      report::nice_bytes(static_cast<std::uint64_t>(
                          kMostBytes * static_cast<double>(sizes_of(scale).back())))),
          "an operation touches a line of the index and an entry, however many there are: its cost "
          "grows as that of memory does, not with N"};
}

Result<Study> run(const Scale& scale, const Progress& progress) {
  Study study;
  study.title = "Population";
  Table table{{"entries", "insert ns", "hit ns", "miss ns", "expire ns", "raw ns", "bytes"}, {}};
  Plot costs{.title = "Cost of an operation",
             .x_name = "entries",
             .y_unit = Unit::nanoseconds,
             .x_decades = true};
  Plot bytes{.title = "Memory for each entry, of the process",
             .x_name = "entries",
             .y_unit = Unit::bytes,
             .x_decades = true};
  costs.curves = {
      {"insert", {}}, {"hit", {}}, {"miss", {}}, {"expire", {}}, {"two lines of memory", {}, true}};
  bytes.curves = {{"resident", {}}, {"goal", {}, true}};
  bool as_expected = true;
  for (const std::uint32_t count : sizes_of(scale)) {
    const Found f = measure(count, scale.seed, as_expected);
    const std::array<double, 5> all{f.insert_ns, f.hit_ns, f.miss_ns, f.expire_ns, f.raw_ns};
    std::vector<std::string> row{report::group_digits(count)};
    for (std::size_t i = 0; i < all.size(); ++i) {
      costs.curves[i].y.push_back(all[i]);
      row.push_back(fmt::format("{:.1f}", all[i]));
    }
    costs.x.push_back(count);
    row.push_back(fmt::format("{:.1f}", f.bytes));
    table.rows.push_back(row);
    progress(fmt::format("{}: insert {:.0f} ns, {:.1f} bytes", row[0], f.insert_ns, f.bytes));
    if (count < 1'000'000) continue;  // a page more or less would decide
    bytes.x.push_back(count);
    bytes.curves[0].y.push_back(f.bytes);
    bytes.curves[1].y.push_back(kMostBytes);
    double growth = 0;
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      growth = std::max(growth, all[i] - costs.curves[i].y.front());
    }
    const double limit = kMostOfRaw * std::max(f.raw_ns, kLeastRaw_ns);
    study.checks.push_back(
        {row[0] + " entries, what an operation takes longer than among 1,000",
         fmt::format("at most {:.0f} ns, {:.0f} times two lines of memory", limit, kMostOfRaw),
         fmt::format("{:.0f} ns", growth), growth <= limit});
  }
  study.checks.push_back({table.rows.back()[0] + " entries, bytes each",
                          fmt::format("at most {:.0f}", kMostBytes), table.rows.back().back(),
                          bytes.curves[0].y.back() <= kMostBytes});
  study.checks.push_back(
      {"every entry is found, and nothing else", "yes", as_expected ? "yes" : "no", as_expected});
  study.tables.push_back(std::move(table));
  study.plots = {std::move(costs), std::move(bytes)};
  study.explanation = {
      "An entry is 32 bytes: the tuple, SND.NXT and RCV.NXT to answer a retransmitted FIN, "
      "TS.Recent to judge a new SYN (RFC 6191), flags and the expiry. It needs no timer, because "
      "entries of one 2MSL expire in the order in which they came: they lie in a ring. The index "
      "adds eight bytes a place.",
      "The curve rises where the caches end: first the second level, then the third, then what the "
      "page tables of ordinary pages reach. The dashed curve is memory itself, one line and one "
      "record at random, asked for in bursts; what lies above it is work."};
  return study;
}

}  // namespace

const Experiment kPopulation{"population", "ns and bytes of an entry among 1,000 to 100 million",
                             predict, run};

}  // namespace millrace::time_wait
