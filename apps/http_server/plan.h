// SPDX-License-Identifier: BSD-3-Clause
//
// What a request gets: the routes of the server, and the answers to what is wrong. A pure function
// of the request.
//
//   GET, HEAD  /            a page that says what this is
//              /bytes/N     N bytes of the pattern (pattern.h), N up to 10 GiB
//              /chunked/N   the same in chunks
//              /status/CODE an answer of that status, 200 to 599
//              /delay/MS    200 after that many milliseconds, up to 60,000
//   POST       /echo        the body back, as it comes
#pragma once

#include <cstdint>

#include "apps/http_server/request.h"

namespace millrace::http {

inline constexpr std::uint64_t kMostBytes = std::uint64_t{10} << 30;
inline constexpr std::uint64_t kMostDelayMs = 60'000;

enum class Kind : std::uint8_t { page, status, pattern, chunked, echo, delay };

struct Plan {
  std::uint64_t number = 0;  // pattern, chunked: bytes; delay: milliseconds; echo: Content-Length
  std::uint16_t status = 200;
  Kind kind = Kind::status;
  bool head_only = false;  // HEAD: headers of the answer without its body
  bool close = false;      // the connection ends with this answer
  bool http_1_0 = false;
  bool linger = false;        // closing: the client may still be sending
  bool chunked_body = false;  // echo: the request's body
  bool continues = false;     // echo: 100 Continue is asked for
  bool allow_post = false;    // 405: what Allow says; GET and HEAD otherwise

  friend bool operator==(const Plan&, const Plan&) = default;
};

[[nodiscard]] Plan plan_for(const Request& request);
/// The answer to a request that cannot be read to its end.
[[nodiscard]] Plan error_plan(std::uint16_t status);

}  // namespace millrace::http
