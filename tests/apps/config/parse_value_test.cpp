// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers, durations, cores and choices: what is taken, and what is said of the rest.
#include "apps/config/parse_value.h"

#include <gtest/gtest.h>

#include "apps/config/exit_code.h"
#include "apps/config/suggest.h"

namespace millrace {
namespace {

template <typename T>
std::string said(const Result<T>& result) {
  return result ? "nothing" : to_line(result.error());
}

TEST(ParseCount, TakesSuffixesExactly) {
  const std::pair<const char*, std::uint64_t> rows[] = {
      {"0", 0},
      {"7", 7},
      {"10k", 10'000},
      {"10K", 10'000},
      {"1.5M", 1'500'000},
      {"2Ki", 2048},
      {"0.5Ki", 512},
      {"3Mi", 3 << 20},
      {"2G", 2'000'000'000},
      {"1Gi", 1 << 30},
      {"18446744073709551615", ~std::uint64_t{0}}};
  for (const auto& [word, count] : rows) {
    const auto result = parse_count(word);
    ASSERT_TRUE(result.ok()) << word << ": " << said(result);
    EXPECT_EQ(result.value(), count) << word;
  }
}

TEST(ParseCount, RefusesTheRest) {
  for (const char* word : {"", "k", "-1", "+5", "1e3", "0x10", " 1", "1 k", "1kk", "1.5", "1.0001k",
                           ".5k", "1.k", "18446744073709551616", "99999999999G", "1m"}) {
    EXPECT_FALSE(parse_count(word).ok()) << word;
  }
}

TEST(ParseCount, SaysWhatWasExpected) {
  EXPECT_EQ(
      said(parse_count("10q")),
      "'10q' is not a number: expected digits with k, M, G, Ki, Mi or Gi behind if needed, as "
      "10k; try 10");
  EXPECT_EQ(said(parse_count("")),
            "an empty word is not a number: expected digits with k, M, G, Ki, Mi or Gi behind if "
            "needed, as 10k; try 10k");
  EXPECT_EQ(said(parse_count("90", 576, 9216)),
            "90 is out of range: expected 576 to 9216; try 576");
  EXPECT_EQ(said(parse_count("10k", 576, 9216)),
            "10k is out of range: expected 576 to 9216; try 9216");
}

TEST(ParseSize, TakesBytes) {
  const std::pair<const char*, std::uint64_t> rows[] = {
      {"64", 64},      {"64B", 64}, {"2MiB", 2 << 20}, {"10kB", 10'000}, {"1.5GiB", 3ULL << 29},
      {"1Mi", 1 << 20}};
  for (const auto& [word, bytes] : rows) {
    ASSERT_TRUE(parse_size(word).ok()) << word;
    EXPECT_EQ(parse_size(word).value(), bytes) << word;
  }
  EXPECT_EQ(
      said(parse_size("2MB!")),
      "'2MB!' is not a size: expected bytes with kB, MB, GB, KiB, MiB or GiB behind if needed, "
      "as 2MiB; try 2MiB");
}

TEST(ParseRate, TakesFractionsAndPerSecond) {
  EXPECT_DOUBLE_EQ(parse_rate("10k").value(), 10'000);
  EXPECT_DOUBLE_EQ(parse_rate("2.5M/s").value(), 2.5e6);
  EXPECT_DOUBLE_EQ(parse_rate("0.5").value(), 0.5);
  for (const char* word : {"0", "-1", "fast", "", "/s", "10k/m"}) {
    EXPECT_FALSE(parse_rate(word).ok()) << word;
  }
  EXPECT_EQ(said(parse_rate("10kk")),
            "'10kk' is not a rate: expected a number above zero per second, with k or M behind if "
            "needed, as 10k; try 10");
}

TEST(ParseDuration, TakesUnits) {
  const std::pair<const char*, Duration> rows[] = {{"10s", 10s}, {"500ms", 500ms}, {"1.5s", 1500ms},
                                                   {"2m", 2min}, {"1h", 1h},       {"250us", 250us},
                                                   {"7ns", 7ns}, {"0", 0s},        {"0s", 0s}};
  for (const auto& [word, duration] : rows) {
    ASSERT_TRUE(parse_duration(word).ok()) << word;
    EXPECT_EQ(parse_duration(word).value(), duration) << word;
  }
  for (const char* word : {"", "10", "s", "-1s", "10 s", "10sec", "9999999999h"}) {
    EXPECT_FALSE(parse_duration(word).ok()) << word;
  }
  EXPECT_EQ(
      said(parse_duration("10sec")),
      "'10sec' is not a duration: expected a number with ns, us, ms, s, m or h behind, as 10s "
      "or 500ms; try 10s");
  EXPECT_EQ(said(parse_duration("300s", 0s, 240s)),
            "300s is out of range: expected 0s to 240s; try 240s");
}

TEST(ParseDuration, IsWrittenAsItIsRead) {
  for (const char* text : {"10s", "500ms", "1500ms", "250us", "7ns", "0s"}) {
    EXPECT_EQ(duration_text(parse_duration(text).value()), text);
  }
}

TEST(ParseCores, TakesListsAndRanges) {
  EXPECT_EQ(parse_cores("0").value(), std::vector<int>{0});
  EXPECT_EQ(said(parse_cores("1000000")).substr(0, 50),
            "'1000000' names core 1000000, which is not there: ");
  EXPECT_EQ(said(parse_cores("0,0")), "'0,0' names core 0 twice");
  for (const char* word : {"", ",", "0,", "a", "1-0", "0-", "-1", "0 1", "0;1"}) {
    EXPECT_EQ(said(parse_cores(word)),
              said(Result<int>(
                  bad_word(word, "a list of cores", "numbers and ranges, as 0,2-3", "try 0"))))
        << word;
  }
}

TEST(ParsePort, TakesOneTo65535) {
  EXPECT_EQ(parse_port("80").value(), 80);
  EXPECT_EQ(parse_port("65535").value(), 65'535);
  for (const char* word : {"0", "65536", "http", "", "8o", "80 "}) {
    EXPECT_FALSE(parse_port(word).ok()) << word;
  }
  EXPECT_EQ(said(parse_port("http")),
            "'http' is not a port: expected a whole number from 1 to 65535; try 80");
}

TEST(ParseChoice, SuggestsTheNearest) {
  const std::vector<std::string> names{"none", "timestamp", "sequence", "immediate"};
  EXPECT_EQ(parse_choice("sequence", names).value(), 2U);
  EXPECT_EQ(
      said(parse_choice("timestmap", names)),
      "'timestmap' is not one of the choices: expected none, timestamp, sequence or immediate; "
      "did you mean timestamp?");
  EXPECT_EQ(said(parse_choice("zzzzzz", names)),
            "'zzzzzz' is not one of the choices: expected none, timestamp, sequence or immediate; "
            "try none");
}

TEST(ParseSwitch, TakesWords) {
  EXPECT_TRUE(parse_switch("yes").value());
  EXPECT_FALSE(parse_switch("0").value());
  EXPECT_EQ(said(parse_switch("maybe")),
            "'maybe' is not a switch: expected true or false; try true");
}

TEST(Errors, AreOneLine) {
  EXPECT_EQ(to_line({ErrorKind::usage, "It is wrong.", "try right"}), "It is wrong; try right");
  EXPECT_EQ(to_line({ErrorKind::usage, "It is wrong.", ""}), "It is wrong.");
  EXPECT_EQ(exit_code_of(ErrorKind::usage), 2);
  EXPECT_EQ(exit_code_of(ErrorKind::environment), 3);
  EXPECT_EQ(exit_code_of(ErrorKind::failed), 1);
}

TEST(Suggest, CountsEdits) {
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("listen", "listne"), 1U);
  EXPECT_EQ(edit_distance("device", "devise"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  const std::vector<std::string> names{"device", "drain", "max-connections"};
  EXPECT_EQ(nearest("divice", names), "device");
  EXPECT_EQ(nearest("max-conn", names), "max-connections");
  EXPECT_EQ(nearest("zebra", names), "");
}

TEST(Texts, AreForPeople) {
  EXPECT_EQ(count_text(64), "64");
  EXPECT_EQ(count_text(12'345), "12.35k");
  EXPECT_EQ(count_text(2'500'000), "2.5M");
  EXPECT_EQ(size_text(64), "64 B");
  EXPECT_EQ(size_text(3ULL << 29), "1.5 GiB");
}

}  // namespace
}  // namespace millrace
