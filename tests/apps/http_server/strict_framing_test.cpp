// SPDX-License-Identifier: BSD-3-Clause
//
// The framing table: each way of saying two things at once is refused by its name, and what is
// plain passes.
#include "apps/http_server/strict_framing.h"

#include <gtest/gtest.h>

#include <string>

#include "apps/http_server/request.h"

namespace millrace::http {
namespace {

std::string head(const std::string& fields, const std::string& line = "POST /echo HTTP/1.1") {
  return line + "\r\nHost: a\r\n" + fields + "\r\n";
}

struct Row {
  std::string head;
  Flaw flaw;
  std::uint16_t status;
};

const std::vector<Row> kTable{
    {head(""), Flaw::none, 0},
    {head("Content-Length: 5\r\n"), Flaw::none, 0},
    {head("Content-Length:5\r\n"), Flaw::none, 0},
    {head("Content-Length: \t 5  \r\n"), Flaw::none, 0},
    {head("content-LENGTH: 9223372036854775807\r\n"), Flaw::none, 0},
    {head("Transfer-Encoding: chunked\r\n"), Flaw::none, 0},
    {head("TRANSFER-ENCODING: Chunked\r\n"), Flaw::none, 0},
    {head("X: \x80\xff obs-text\r\n"), Flaw::none, 0},
    {head("X:\r\n"), Flaw::none, 0},
    // two lengths
    {head("Content-Length: 5\r\nContent-Length: 5\r\n"), Flaw::two_lengths, 400},
    {head("Content-Length: 5\r\nContent-Length: 6\r\n"), Flaw::two_lengths, 400},
    {head("Content-Length: 5, 5\r\n"), Flaw::length_value, 400},
    // a length and a coding, in both orders
    {head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Flaw::length_with_coding, 400},
    {head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), Flaw::length_with_coding, 400},
    {head("Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n"), Flaw::length_with_coding,
     400},
    // lengths that are not digits
    {head("Content-Length: +5\r\n"), Flaw::length_value, 400},
    {head("Content-Length: -5\r\n"), Flaw::length_value, 400},
    {head("Content-Length: 0x5\r\n"), Flaw::length_value, 400},
    {head("Content-Length: 5a\r\n"), Flaw::length_value, 400},
    {head("Content-Length: 5 5\r\n"), Flaw::length_value, 400},
    {head("Content-Length:\r\n"), Flaw::length_value, 400},
    {head("Content-Length: 9223372036854775808\r\n"), Flaw::length_value, 400},
    {head("Content-Length: 18446744073709551617\r\n"), Flaw::length_value, 400},
    {head("Content-Length: 99999999999999999999999999\r\n"), Flaw::length_value, 400},
    // codings
    {head("Transfer-Encoding: chunked, chunked\r\n"), Flaw::coding_value, 400},
    {head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Flaw::coding_value, 400},
    {head("Transfer-Encoding: chunked, gzip\r\n"), Flaw::coding_value, 400},
    {head("Transfer-Encoding: xchunked\r\n"), Flaw::coding_value, 400},
    {head("Transfer-Encoding: identity\r\n"), Flaw::coding_value, 400},
    {head("Transfer-Encoding:\r\n"), Flaw::coding_value, 400},
    {head("Transfer-Encoding: \x0b"
          "chunked\r\n"),
     Flaw::control_character, 400},
    {head("Transfer-Encoding: gzip, chunked\r\n"), Flaw::unknown_coding, 501},
    {head("Transfer-Encoding: chunked, gzip, chunked\r\n"), Flaw::coding_value, 400},
    {head("Transfer-Encoding: chunked\r\n", "POST /echo HTTP/1.0"), Flaw::coding_value, 400},
    // field names
    {head("Content-Length : 5\r\n"), Flaw::header_name, 400},
    {head("Transfer-Encoding\t: chunked\r\n"), Flaw::header_name, 400},
    {head("No colon\r\n"), Flaw::header_name, 400},
    {head(": value\r\n"), Flaw::header_name, 400},
    {head("Na(me: value\r\n"), Flaw::header_name, 400},
    {head("N\xc3\xa4me: value\r\n"), Flaw::header_name, 400},
    // folded lines
    {head("X: a\r\n b\r\n"), Flaw::folded_line, 400},
    {head("X: a\r\n\tb\r\n"), Flaw::folded_line, 400},
    {head(" Content-Length: 5\r\n"), Flaw::folded_line, 400},
    // characters
    {head(std::string("X: a\0b\r\n", 8)), Flaw::control_character, 400},
    {head("X: a\x7f\r\n"), Flaw::control_character, 400},
    {head("X: a\rb\r\n"), Flaw::bare_cr, 400},
    {head("X: a\r\r\n"), Flaw::bare_cr, 400},
    // request lines
    {head("", "POST  /echo HTTP/1.1"), Flaw::request_line, 400},
    {head("", "POST /echo  HTTP/1.1"), Flaw::request_line, 400},
    {head("", "POST /echo HTTP/1.1 "), Flaw::request_line, 400},
    {head("", " POST /echo HTTP/1.1"), Flaw::request_line, 400},
    {head("", "POST /ec ho HTTP/1.1"), Flaw::request_line, 400},
    {head("", "POST /echo\tx HTTP/1.1"), Flaw::request_line, 400},
    {head("", "POST /\xc3\xa4 HTTP/1.1"), Flaw::request_line, 400},
    {head("", "POST /echo"), Flaw::request_line, 400},
    {head("", "POST"), Flaw::request_line, 400},
    {head("", "PO(ST /echo HTTP/1.1"), Flaw::request_line, 400},
    {head("", "POST /echo http/1.1"), Flaw::request_line, 400},
    {head("", "POST /echo HTTP/1.11"), Flaw::request_line, 400},
    {head("", "POST /echo HTTP/11"), Flaw::request_line, 400},
    {head("", "POST /echo HTTP/2.0"), Flaw::version, 505},
    {head("", "POST /echo HTTP/0.9"), Flaw::version, 505},
    {head("", "POST echo HTTP/1.1"), Flaw::request_line, 400},
    // Host
    {"GET / HTTP/1.1\r\n\r\n", Flaw::host, 400},
    {"GET / HTTP/1.0\r\n\r\n", Flaw::none, 0},
    {head("Host: b\r\n"), Flaw::host, 400},
};

TEST(StrictFraming, Table) {
  for (const Row& row : kTable) {
    const HeadScan scan = scan_head(row.head, 0);
    ASSERT_EQ(scan.outcome, HeadScan::Outcome::complete) << row.head;
    ASSERT_EQ(scan.length, row.head.size()) << row.head;
    const Request request = parse_request(row.head);
    EXPECT_EQ(name_of(request.flaw), name_of(row.flaw)) << row.head;
    EXPECT_EQ(request.error_status, row.status) << row.head;
  }
}

TEST(StrictFraming, LengthsAreRead) {
  EXPECT_EQ(parse_request(head("Content-Length: 5\r\n")).content_length, 5U);
  EXPECT_EQ(parse_request(head("Content-Length: 007\r\n")).content_length, 7U);
  EXPECT_TRUE(parse_request(head("Transfer-Encoding: chunked\r\n")).chunked);
  EXPECT_FALSE(parse_request(head("")).has_body());
}

TEST(ScanHead, FindsTheEmptyLine) {
  const std::string one = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string two = one + one;
  EXPECT_EQ(scan_head(two, 0).length, one.size());
  for (std::size_t cut = 0; cut < one.size(); ++cut) {
    EXPECT_EQ(scan_head(one.substr(0, cut), 0).outcome, HeadScan::Outcome::incomplete) << cut;
    // What an earlier scan has seen need not be seen again.
    const HeadScan rest = scan_head(one, cut);
    EXPECT_EQ(rest.outcome, HeadScan::Outcome::complete) << cut;
    EXPECT_EQ(rest.length, one.size()) << cut;
  }
}

TEST(ScanHead, RefusesBareLfAtOnce) {
  for (const char* bytes :
       {"\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "GET /\r\n\n"}) {
    EXPECT_EQ(scan_head(bytes, 0).outcome, HeadScan::Outcome::bare_lf) << bytes;
  }
}

TEST(ScanHead, TellsABlankLineBeforeTheRequest) {
  const HeadScan scan = scan_head("\r\nGET / HTTP/1.1\r\n\r\n", 0);
  EXPECT_EQ(scan.outcome, HeadScan::Outcome::blank);
  EXPECT_EQ(scan.length, 2U);
  EXPECT_EQ(scan_head("\r", 0).outcome, HeadScan::Outcome::incomplete);
}

TEST(ParseDigits, AcceptsDigitsAlone) {
  std::uint64_t n = 0;
  EXPECT_TRUE(parse_digits("9223372036854775807", n));
  EXPECT_EQ(n, ~std::uint64_t{0} >> 1);
  for (const char* bad :
       {"", "9223372036854775808", "1 ", " 1", "+1", "1e3", "92233720368547758070"}) {
    EXPECT_FALSE(parse_digits(bad, n)) << bad;
  }
}

TEST(ParseRequest, ReadsWhatMatters) {
  const auto line = [](const std::string& l, const std::string& fields = "") {
    static std::string text;
    text = head(fields, l);
    return parse_request(text);
  };
  EXPECT_EQ(line("GET /a?b=c HTTP/1.1").path, "/a");
  EXPECT_EQ(line("GET http://198.18.0.2:80/bytes/5?x HTTP/1.1").path, "/bytes/5");
  EXPECT_EQ(line("GET http://198.18.0.2 HTTP/1.1").path, "/");
  EXPECT_EQ(line("OPTIONS * HTTP/1.1").path, "*");
  EXPECT_EQ(line("HEAD / HTTP/1.1").method, Method::head);
  EXPECT_EQ(line("DELETE / HTTP/1.1").method, Method::other);
  EXPECT_EQ(line("BREW / HTTP/1.1").error_status, 501);
  EXPECT_EQ(line("CONNECT a:80 HTTP/1.1").error_status, 501);
  EXPECT_TRUE(line("GET / HTTP/1.1").keep_alive);
  EXPECT_FALSE(line("GET / HTTP/1.1", "Connection: close\r\n").keep_alive);
  EXPECT_FALSE(line("GET / HTTP/1.1", "Connection: x, CLOSE\r\n").keep_alive);
  EXPECT_FALSE(line("GET / HTTP/1.0").keep_alive);
  EXPECT_TRUE(line("GET / HTTP/1.0", "Connection: keep-alive\r\n").keep_alive);
  EXPECT_TRUE(line("GET / HTTP/1.0").http_1_0);
  EXPECT_TRUE(line("POST / HTTP/1.1", "Expect: 100-Continue\r\n").expects_continue);
  EXPECT_EQ(line("POST / HTTP/1.1", "Expect: cake\r\n").error_status, 417);
  EXPECT_TRUE(line("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n").keep_alive);
}

}  // namespace
}  // namespace millrace::http
