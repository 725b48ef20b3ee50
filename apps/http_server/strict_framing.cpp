// SPDX-License-Identifier: BSD-3-Clause
//
// One pass for the end of the head, one over its lines.
#include "apps/http_server/strict_framing.h"

#include <algorithm>

namespace millrace::http {
namespace {

constexpr std::uint64_t kLengthLimit = std::uint64_t{1} << 63;

// RFC 9110 §5.6.2: what a method or a field name is made of.
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kToken = make_token_table();

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return kToken[static_cast<unsigned char>(c)]; });
}

bool is_field_character(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 0x20 && u != 0x7f) || u == '\t';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// What the header lines have said so far.
struct Seen {
  unsigned lengths = 0;
  unsigned codings = 0;
  unsigned hosts = 0;
};

Flaw check_request_line(std::string_view line, Framing& f) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return Flaw::request_line;
  f.method = line.substr(0, first);
  f.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(f.method) || f.target.empty()) return Flaw::request_line;
  for (const char c : f.target) {
    if (c <= ' ' || c >= 0x7f) return Flaw::request_line;  // also 0x80 and above: char is signed
  }
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) ||
      version[6] != '.' || !digit(version[7])) {
    return Flaw::request_line;
  }
  if (version[5] != '1') return Flaw::version;
  f.minor_version = version[7] == '0' ? 0 : 1;
  return Flaw::none;
}

// RFC 9112 §6.1: chunked must be the last coding, and there once.
Flaw check_coding(std::string_view value, Framing& f) {
  if (equal_ignoring_case(value, "chunked")) {
    f.chunked = true;
    return Flaw::none;
  }
  const std::size_t comma = value.rfind(',');
  if (comma == std::string_view::npos) return Flaw::coding_value;
  if (!equal_ignoring_case(trimmed(value.substr(comma + 1)), "chunked")) return Flaw::coding_value;
  std::string_view others = value.substr(0, comma);
  while (!others.empty()) {
    const std::size_t next = std::min(others.find(','), others.size());
    if (equal_ignoring_case(trimmed(others.substr(0, next)), "chunked")) return Flaw::coding_value;
    others.remove_prefix(std::min(next + 1, others.size()));
  }
  return Flaw::unknown_coding;
}

Flaw check_field(std::string_view line, Seen& seen, Framing& f) {
  if (line.front() == ' ' || line.front() == '\t') return Flaw::folded_line;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return Flaw::header_name;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (equal_ignoring_case(name, "content-length")) {
    f.has_length = true;
    if (++seen.lengths > 1) return Flaw::two_lengths;
    if (!parse_digits(value, f.content_length)) return Flaw::length_value;
  } else if (equal_ignoring_case(name, "transfer-encoding")) {
    if (++seen.codings > 1) return Flaw::coding_value;
    return check_coding(value, f);
  } else if (equal_ignoring_case(name, "host")) {
    if (++seen.hosts > 1) return Flaw::host;
  }
  return Flaw::none;
}

// One line without its CRLF: only the characters.
Flaw check_characters(std::string_view line) {
  for (const char c : line) {
    if (is_field_character(c)) continue;
    return c == '\r' ? Flaw::bare_cr : Flaw::control_character;
  }
  return Flaw::none;
}

Flaw check_whole(const Seen& seen, const Framing& f) {
  if (seen.codings > 0 && seen.lengths > 0) return Flaw::length_with_coding;
  if (seen.codings > 0 && f.minor_version == 0) return Flaw::coding_value;
  if (f.minor_version >= 1 && seen.hosts == 0) return Flaw::host;
  return Flaw::none;
}

}  // namespace

bool parse_digits(std::string_view text, std::uint64_t& number) {
  if (text.empty()) return false;
  std::uint64_t n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || n > kLengthLimit / 10) return false;
    n = n * 10 + static_cast<std::uint64_t>(c - '0');
    if (n >= kLengthLimit) return false;
  }
  number = n;
  return true;
}

bool equal_ignoring_case(std::string_view a, std::string_view lower_case) {
  if (a.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + ('a' - 'A')) : a[i];
    if (c != lower_case[i]) return false;
  }
  return true;
}

HeadScan scan_head(std::string_view bytes, std::size_t from) {
  using Outcome = HeadScan::Outcome;
  for (std::size_t at = bytes.find('\n', from); at != std::string_view::npos;
       at = bytes.find('\n', at + 1)) {
    if (at == 0 || bytes[at - 1] != '\r') return {Outcome::bare_lf, at + 1};
    if (at == 1) return {Outcome::blank, 2};
    if (at >= 3 && bytes[at - 2] == '\n') return {Outcome::complete, at + 1};
  }
  return {};
}

Framing check_framing(std::string_view head) {
  Framing f;
  Seen seen;
  bool first = true;
  // The lines, without the empty one that ends the head.
  for (std::string_view rest = head; rest.size() > 2;) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end - 1);
    rest.remove_prefix(end + 1);
    f.flaw = check_characters(line);
    if (f.flaw == Flaw::none) {
      f.flaw = first ? check_request_line(line, f) : check_field(line, seen, f);
    }
    if (f.flaw != Flaw::none) break;
    first = false;
  }
  // An unknown coding is a smaller fault than a contradiction.
  if (f.flaw == Flaw::none || (f.flaw == Flaw::unknown_coding && seen.lengths > 0)) {
    f.flaw = check_whole(seen, f);
  }
  return f;
}

}  // namespace millrace::http
