// SPDX-License-Identifier: BSD-3-Clause
//
// Where a request ends, decided strictly: the check before the parser of record (request.h). What
// two readers of one stream could understand differently is refused here, with a name (RFC 9112
// §2.2, §3, §5, §6.3, §11.2): bare LF and CR, folded lines, two lengths, a length beside a transfer
// coding, lengths that are not digits, spaces before a colon, NUL and other control characters.
//
// Refuses to be lenient: the RFC's "MAY accept" is always "does not".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::http {

/// What is wrong with a head; `none` if nothing is. Each is answered 400 unless its comment says
/// else.
enum class Flaw : std::uint8_t {
  none,
  bare_lf,             // a line that ends with LF alone
  bare_cr,             // CR without LF behind
  control_character,   // NUL and the like
  request_line,        // not METHOD SP TARGET SP HTTP/d.d
  version,             // not HTTP/1.x: 505
  folded_line,         // a line that begins with a space (obs-fold)
  header_name,         // empty, no colon, a space before it, or a character that no token has
  length_value,        // not digits alone, or 2^63 and more
  two_lengths,         // also if they agree
  length_with_coding,  // Content-Length and Transfer-Encoding
  coding_value,        // chunked is not last, twice, or spoken in HTTP/1.0
  unknown_coding,      // something under chunked that we cannot take apart: 501
  host,                // HTTP/1.1 without a Host, or two of them
};
inline constexpr std::array<std::string_view, 14> kFlawNames{"none",
                                                             "bare_lf",
                                                             "bare_cr",
                                                             "control_character",
                                                             "request_line",
                                                             "version",
                                                             "folded_line",
                                                             "header_name",
                                                             "length_value",
                                                             "two_lengths",
                                                             "length_with_coding",
                                                             "coding_value",
                                                             "unknown_coding",
                                                             "host"};
[[nodiscard]] constexpr std::string_view name_of(Flaw f) {
  return kFlawNames[static_cast<std::size_t>(f)];
}

struct HeadScan {
  enum class Outcome : std::uint8_t {
    incomplete,  // no empty line yet
    complete,    // the head is the first `length` bytes, its empty line included
    blank,       // an empty line before the request, `length` bytes: to be skipped (RFC 9112 §2.2)
    bare_lf,     // refused already
  };
  Outcome outcome = Outcome::incomplete;
  std::size_t length = 0;
};
/// Looks for the empty line. `from`: how many bytes earlier calls have seen of the same head.
[[nodiscard]] HeadScan scan_head(std::string_view bytes, std::size_t from);

struct Framing {
  Flaw flaw = Flaw::none;
  std::string_view method;
  std::string_view target;
  std::uint8_t minor_version = 1;
  bool has_length = false;
  bool chunked = false;
  std::uint64_t content_length = 0;
};
/// `head` as scan_head() delimits it.
[[nodiscard]] Framing check_framing(std::string_view head);

/// Decimal digits alone, below 2^63; false for anything else.
[[nodiscard]] bool parse_digits(std::string_view text, std::uint64_t& number);
/// ASCII only.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view lower_case);

}  // namespace millrace::http
