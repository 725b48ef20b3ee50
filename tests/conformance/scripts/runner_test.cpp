// SPDX-License-Identifier: BSD-3-Clause
//
// The runner itself: a wrong expectation fails and says what came instead; a text that is no script
// is named by file, line and what was expected.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/conformance/player/player.h"
#include "tests/conformance/player/script.h"

namespace millrace::script {
namespace {

using testing::HasSubstr;

constexpr const char* kRule = "# A rule for the runner's own tests (RFC 9293 §3.5).\n";

class Runner : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] static std::string run(const std::string& lines) {
    return play(parse_script("some.script", kRule + lines, GetParam()), GetParam());
  }
};
INSTANTIATE_TEST_SUITE_P(Family, Runner, testing::Bool(),
                         [](const auto& family) { return family.param ? "v6" : "v4"; });

TEST_P(Runner, PlaysAHandshakeDataAndClose) {
  EXPECT_EQ(run("listen\n"
                "0    < SYN 0 win 1000 [mss 1000]\n"
                "     > SYN ACK 0 ack 1 win 65535 [mss 1460|1440]\n"
                "0.1  < ACK 1 ack 1 win 1000\n"
                "     accepted\n"
                "     state ESTABLISHED\n"
                "0.2  < ACK 1+100 ack 1\n"
                "     data 100\n"
                "+40ms > ACK 1 ack 101\n"),
            "")
      << "wait";
}

TEST_P(Runner, SaysWhatCameBesideTheLine) {
  const std::string text = run("passive\n0 send 10\n> PSH ACK 1+11 ack 1\n");
  EXPECT_THAT(text, HasSubstr("some.script:4: "));
  EXPECT_THAT(text, HasSubstr("    0 send 10\n -> > PSH ACK 1+11 ack 1\n"));
  EXPECT_THAT(text, HasSubstr("came instead  > PSH ACK 1+10 ack 1 win 65535   at 0.0\n"));
  EXPECT_THAT(text, HasSubstr("differs: length"));
}

/// Each line is wrong in one way only; the report names it.
struct Wrong {
  const char* line;
  const char* complaint;
};

TEST_P(Runner, EveryFieldCounts) {
  constexpr Wrong kWrong[] = {
      {"> ACK 1+10 ack 1", "differs: flags"},
      {"> PSH ACK 2+10 ack 1", "differs: sequence number"},
      {"> PSH ACK 1+9 ack 1", "differs: length"},
      {"> PSH ACK 1+10 ack 2", "differs: ack"},
      {"> PSH ACK 1+10 ack 1 win 1", "differs: window"},
      {"> PSH ACK 1+10 ack 1 urg 1", "differs: urgent pointer"},
      {"> PSH ACK 1+10 ack 1 []", "differs: options"},
      {"> PSH ACK 1+10 ack 1 [ts 1 100]", "differs: options"},
      {"> PSH ACK 1+10 ack 1 [ts 0 101]", "differs: options"},
      {"> PSH ACK 1+10 ack 1 [ts 0 100, sack 1-2]", "differs: options"},
      {"> PSH ACK 1+10 ack 1 ttl 63", "differs: ttl"},
      {"> PSH ACK 1+10 ack 1 dscp 1", "differs: dscp"},
      {"> PSH ACK 1+10 ack 1 ecn 2", "differs: ecn"},
      {"> PSH ACK 1 ack 1 text \"0123456789\"", "differs: payload bytes"},
      {"+2ms > PSH ACK 1+10 ack 1", "differs: time"},
      {"@b > PSH ACK 1+10 ack 1", "differs: another connection"},
      {"accepted", "no event until 0.001"},
      {"state CLOSE-WAIT", "came instead: state ESTABLISHED"},
      {"check flight 11", "came instead: check flight 10"},
      {"count TCPTimeouts 1", "came instead: count TCPTimeouts 0"},
      {"silence until 1s", "not expected  > PSH ACK 1+10"},
      {"< ACK 1 ack 11 [ts 101]", "not expected  > PSH ACK 1+10"},
  };
  for (const Wrong& wrong : kWrong) {
    const std::string set_up = "passive [mss 1000, ts 100]\nsend 10\n";
    EXPECT_THAT(run(set_up + wrong.line + "\n"), HasSubstr(wrong.complaint)) << wrong.line;
  }
  EXPECT_EQ(run("passive [mss 1000, ts 100]\nsend 10\n> PSH ACK 1+10 ack 1 [ts 0 100] ttl 64\n"),
            "");
}

TEST_P(Runner, EventsAreJudged) {
  EXPECT_THAT(run("passive\n< ACK 1+10 ack 1\ndata 11\n"), HasSubstr("came instead  data 10"));
  EXPECT_THAT(run("passive\n< ACK 1 ack 1 text \"abc\"\ndata 3 \"abd\"\n"),
              HasSubstr("came instead  data 3   at 0.0  \"abc\""));
  EXPECT_THAT(run("passive\n< ACK 1 ack 1 text \"abc\"\ndata 3\n"),
              HasSubstr("byte 1 of the stream is not the one"));
  EXPECT_THAT(run("passive\n< RST 1 drop tcp_reset\nclosed timeout\n"),
              HasSubstr("came instead  closed reset"));
  EXPECT_THAT(run("passive\n< RST 1 drop tcp_reset\n"), HasSubstr("not expected  closed reset"));
  EXPECT_THAT(run("passive\n< ACK 1+10 ack 1\nread 10\n"), HasSubstr("not expected  data 10"));
  EXPECT_THAT(run("passive\nread off\n< ACK 1+10 ack 1\nread 11\n"),
              HasSubstr("came instead: read 10"));
}

TEST_P(Runner, DropsAreJudged) {
  EXPECT_THAT(run("passive\n< RST 2\n"), HasSubstr("came instead: drop tcp_rst_challenged"));
  EXPECT_THAT(run("passive\n< ACK 1 ack 1 drop tcp_paws\n"), HasSubstr("came instead: drop none"));
  EXPECT_THAT(run("passive\n< ACK 1 ack 1 [raw 08]\n"),
              HasSubstr("came instead: drop tcp_bad_options"));
}

TEST_P(Runner, WhatIsLeftAtTheEndIsSaid) {
  const std::string text = run("passive\nsend 10\n");
  EXPECT_THAT(text, HasSubstr("something is left at the end"));
  EXPECT_THAT(text, HasSubstr("not expected  > PSH ACK 1+10 ack 1 win 65535   at 0.0"));
}

TEST_P(Runner, NothingSentIsSaid) {
  EXPECT_THAT(run("passive\n0.5 > ACK 1 ack 1\n"), HasSubstr("nothing was sent until 0.501"));
}

TEST_P(Runner, CallsAreJudged) {
  EXPECT_THAT(run("set send_buffer 4096\npassive\nsend 5000 takes 5000\n"),
              HasSubstr("came instead: send takes 4096"));
  EXPECT_THAT(run("send 1\n"), HasSubstr("there is no connection yet"));
  EXPECT_THAT(run("set min_peer_mss 1\nlisten\n"), HasSubstr("min_peer_mss is 1"));
  EXPECT_THAT(run("connect\n> SYN 0 [...]\nconnect\n"),
              HasSubstr("came instead: connect fails in_use"));
}

TEST_P(Runner, ABurstIsOneIteration) {
  // One by one the second of two full segments is acknowledged; together as well, but once.
  EXPECT_EQ(run("passive\n<& ACK 1+1000 ack 1\n< ACK 1001+1000 ack 1\ndata 2000\n"
                "> ACK 1 ack 2001\n"),
            "");
}

struct Bad {
  const char* line;
  const char* complaint;
};

TEST(ScriptText, ComplaintsNameFileLineAndWhatWasExpected) {
  constexpr Bad kBad[] = {
      {"0 <",
       "expected flags (FIN SYN RST PSH ACK URG ECE CWR, or NONE), then SEQ or SEQ+LENGTH, "
       "found the end of the line"},
      {"0 < ACK 1", "expected ack, for a segment with ACK, found the end of the line"},
      {"0 < ACK 1 ack x", "expected an acknowledgment number"},
      {"0 < ACK 1 ack 1 winn 3", "expected ack, win, urg, text, [, ecn or drop, found 'winn'"},
      {"0 < ACK 1 ack 1 drop nothing", "expected the name of a drop reason"},
      {"0 < ACK 1 ack 1 [mss]", "expected an MSS (0 to 65535), found ']'"},
      {"0 < ACK 1 ack 1 [...]",
       "expected mss, wscale, sackok, ts, sack, fo, raw or ], found '...'"},
      {"0 < ACK 1 ack 1 [sack 5]", "expected a block such as 1001-2001, found '5'"},
      {"0 < ACK 1 ack 1 text \"abc", "expected a closing quote"},
      {"0 > ACK 1 ack 1 drop tcp_paws",
       "expected ack, win, urg, text, [, ecn, ttl, dscp or beyond"},
      {"0 < URG ACK 1 ack 1", "expected urg, for one with URG"},
      {"0 closed", "expected a reason: graceful"},
      {"0 state ESTAB", "expected a state of RFC 9293, such as SYN-RECEIVED, found 'ESTAB'"},
      {"0 check cwd 5", "expected a field of the status: cwnd ssthresh"},
      {"0 count Nothing 5", "expected the name of a counter"},
      {"0 sned 5", "expected a statement: set, silence, <, <&, >, accepted"},
      {"0 send 5 bytes", "expected the end of the line, found 'bytes'"},
      {"0 silence 5s", "expected 'until', found '5s'"},
      {"1x send 5", "expected a time such as 0.25, 250ms or +1s, found '1x'"},
      {"0 @bb send 5", "expected @a to @z"},
      {"set nagle maybe", "expected on or off, found 'maybe'"},
      {"set min_rto fast", "expected a time such as 200ms, found 'fast'"},
      {"set colour blue", "expected a setting: timestamps, window_scaling"},
      {"set time_wait_reuse often", "expected one of none, timestamp, sequence, immediate"},
  };
  for (const Bad& bad : kBad) {
    try {
      (void)parse_script("bad.script", std::string(kRule) + "\n" + bad.line + "\n", false);
      ADD_FAILURE() << "no complaint about: " << bad.line;
    } catch (const ParseError& error) {
      EXPECT_THAT(error.what(), testing::StartsWith("bad.script:3: ")) << bad.line;
      EXPECT_THAT(error.what(), HasSubstr(bad.complaint)) << bad.line;
    }
  }
}

[[nodiscard]] std::string complaint_of(const std::string& text) {
  try {
    (void)parse_script("bad.script", text, false);
  } catch (const ParseError& error) {
    return error.what();
  }
  return "none";
}

TEST(ScriptText, OpensWithItsRule) {
  EXPECT_EQ(complaint_of("listen\n"),
            "bad.script:1: expected a comment that says the rule and its RFC section");
  EXPECT_EQ(complaint_of(kRule), "bad.script: nothing happens in this script");
}

TEST(ScriptText, TimeDoesNotGoBack) {
  EXPECT_THAT(complaint_of(std::string(kRule) + "1 listen\n0.9 unlisten\n"),
              HasSubstr("bad.script:3: expected a time that is not before that of the line above"));
}

TEST(ScriptText, SettingsComeFirst) {
  EXPECT_THAT(complaint_of(std::string(kRule) + "listen\nset nagle off\n"),
              HasSubstr("bad.script:3: expected no more settings once something happens"));
}

TEST(ScriptText, NumbersMayDependOnTheFamily) {
  const std::string text = std::string(kRule) + "0 < ACK 536|1220+536|1220 ack 1\n";
  const Segment four = parse_script("x", text, false).steps[0].segment;
  const Segment six = parse_script("x", text, true).steps[0].segment;
  EXPECT_EQ(four.seq, 536);
  EXPECT_EQ(four.length, 536U);
  EXPECT_EQ(six.seq, 1220);
  EXPECT_EQ(six.length, 1220U);
}

TEST(ScriptText, AFileThatIsNotThereIsNamed) {
  try {
    (void)load_script("no/such.script", false);
    ADD_FAILURE() << "no complaint";
  } catch (const ParseError& error) {
    EXPECT_STREQ(error.what(), "no/such.script: cannot be read");
  }
}

}  // namespace
}  // namespace millrace::script
