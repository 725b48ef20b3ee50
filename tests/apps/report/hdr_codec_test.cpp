// SPDX-License-Identifier: BSD-3-Clause
//
// HdrHistogram's encoding: what another implementation wrote is read to the bin, what we write is
// read again, and what is broken is refused and changes nothing.
#include "apps/report/hdr_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>

#include "apps/report/hdr_log.h"
#include "apps/report/histogram_json.h"

namespace millrace::report {
namespace {

using nlohmann::json;

/// Encoded by hdr-histogram-js 3.0.1, 1 to 2^42 - 1, three digits: the values below. That library
/// writes 1 as normalizing offset and never reads it; it is 0 here, as the format has it.
constexpr const char* kByAnother =
    "HISTFAAAADJ4nJNpmSzMwMAgygABzFCaEcj8DwIwPgvTT3m2Psb+uBssC88zHtjBdPQQIxMAQwMOUA==";
constexpr std::array<std::pair<std::uint64_t, std::uint64_t>, 8> kItsValues{
    {{0, 2},
     {1, 1},
     {2047, 3},
     {2048, 70},
     {2049, 1},
     {123'456, 300},
     {987'654'321, 20'000},
     {Histogram::kMaxValue, 1}}};

Histogram recorded(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& values) {
  Histogram h;
  for (const auto& [value, count] : values) {
    for (std::uint64_t i = 0; i < count; ++i) h.record(value);
  }
  return h;
}

bool same_bins(const Histogram& a, const Histogram& b) {
  for (std::size_t bin = 0; bin < Histogram::kBins; ++bin) {
    if (a.count_at(bin) != b.count_at(bin)) return false;
  }
  return a.count() == b.count();
}

TEST(HdrCodec, ReadsWhatAnotherWroteToTheBin) {
  Histogram found;
  ASSERT_TRUE(decode_hdr(kByAnother, found).ok());
  const Histogram expected = recorded({kItsValues.begin(), kItsValues.end()});
  EXPECT_TRUE(same_bins(found, expected));
  EXPECT_EQ(found.min(), 0U);
  EXPECT_EQ(found.max(), Histogram::kMaxValue);
  EXPECT_NEAR(found.mean(), expected.mean(), expected.mean() / 1000);
}

TEST(HdrCodec, GivesBackEveryBin) {
  const bool held = rc::check("encode and decode", [] {
    Histogram h;
    const auto values = *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::mapcat(
        rc::gen::inRange(0, Histogram::kMaxBits),
        [](int bits) { return rc::gen::inRange(std::uint64_t{0}, std::uint64_t{1} << bits); }));
    for (const std::uint64_t value : values) h.record(value);
    // Counts of every length that a number can have.
    h.add_to_bin(*rc::gen::inRange(std::size_t{0}, Histogram::kBins),
                 std::uint64_t{1} << *rc::gen::inRange(0, 60));
    Histogram found;
    RC_ASSERT(decode_hdr(encode_hdr(h), found).ok());
    RC_ASSERT(same_bins(found, h));
  });
  EXPECT_TRUE(held);
}

TEST(HdrCodec, AnEmptyOneStaysEmpty) {
  Histogram found;
  ASSERT_TRUE(decode_hdr(encode_hdr(Histogram()), found).ok());
  EXPECT_EQ(found.count(), 0U);
  EXPECT_EQ(found.min(), 0U);
}

TEST(HdrCodec, RefusesWhatIsBrokenAndKeepsWhatItHad) {
  Histogram into = recorded({{5, 2}});
  const std::string good = encode_hdr(recorded({{77, 1}, {4'000'000, 9}}));
  for (std::size_t length = 0; length + 4 < good.size(); ++length) {
    EXPECT_FALSE(decode_hdr(good.substr(0, length), into).ok()) << length;
  }
  EXPECT_FALSE(decode_hdr("", into).ok());
  EXPECT_FALSE(decode_hdr("HIST!" + good, into).ok());
  EXPECT_FALSE(decode_hdr(good + good, into).ok() && into.count() != 12) << "a tail is not counted";
  Histogram clean = recorded({{5, 2}});
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = bad[at] == 'A' ? 'z' : 'A';
    (void)decode_hdr(bad, clean);  // whatever it says, it does not crash
  }
}

TEST(HdrLog, HasHeadAndLines) {
  const std::string head = hdr_log_head(1'795'475'579'025, "somebody");
  EXPECT_EQ(head,
            "#[somebody]\n#[Histogram log format version 1.3]\n"
            "#[StartTime: 1795475579.025 (seconds since epoch), Mon Nov 23 23:12:59 UTC 2026]\n"
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
            "\"Interval_Compressed_Histogram\"\n");
  EXPECT_EQ(hdr_log_line("ttfb", 1, 1, Histogram()), "");
  const Histogram h = recorded({{2'500'000, 1}});
  EXPECT_EQ(hdr_log_line("ttfb", 1.5, 1.001, h),
            "Tag=ttfb,1.500,1.001,2.500," + encode_hdr(h) + "\n");
}

TEST(HistogramJson, GivesBackTheSame) {
  Histogram h = recorded({{0, 1}, {2049, 3}, {123'456'789, 7}});
  h.record(~std::uint64_t{0});
  const auto found = histogram_from(to_json(h));
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(same_bins(found.value(), h));
  EXPECT_EQ(to_json(found.value()), to_json(h));
  EXPECT_EQ(to_json(histogram_from(to_json(Histogram())).value()), to_json(Histogram()));
}

TEST(HistogramJson, SaysWhatIsWrong) {
  const json good = to_json(recorded({{5000, 2}}));
  const auto said = [&](const char* key, const json& value) {
    json bad = good;
    bad[key] = value;
    const auto found = histogram_from(bad);
    return found ? std::string("nothing") : found.error().sentence;
  };
  const auto bin = [](std::uint64_t low, std::uint64_t high) {
    return json::array({json::array({low, high, 2U})});
  };
  EXPECT_EQ(said("count", 3U), "its bins hold 2 values, its count says 3");
  EXPECT_EQ(said("sum", -1), "it lacks bins, or one of count, min, max, sum and saturated");
  EXPECT_EQ(said("bins", bin(5001, 5003)), "a bin from 5001 to 5003 is none of ours");
  EXPECT_EQ(said("bins", json::array({json::array({5000U, 5003U})})),
            "a bin is not [lowest, highest, count]");
  EXPECT_EQ(said("bins", bin(std::uint64_t{1} << 42, std::uint64_t{1} << 43)),
            "a bin at 4398046511104 is none of ours");
}

}  // namespace
}  // namespace millrace::report
