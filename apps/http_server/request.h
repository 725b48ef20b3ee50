// SPDX-License-Identifier: BSD-3-Clause
//
// The head of a request as a value. libhttp-parser is the parser of record (RFC 9112 §3, RFC 9110);
// strict_framing.h goes before it, and where the two do not agree on the framing, the request is
// refused. A pure function of the head's bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "apps/http_server/strict_framing.h"

namespace millrace::http {

enum class Method : std::uint8_t { get, head, post, other };

struct Request {
  std::uint16_t error_status = 0;  // 0: the request is good; else what to answer before closing
  Flaw flaw = Flaw::none;
  Method method = Method::other;
  std::string_view path;  // of the target, without query; "*" and authorities stay as they are
  bool keep_alive = false;
  bool http_1_0 = false;
  bool has_length = false;
  bool chunked = false;
  bool expects_continue = false;
  std::uint64_t content_length = 0;

  [[nodiscard]] bool has_body() const { return chunked || content_length > 0; }
};

[[nodiscard]] Request parse_request(std::string_view head);

}  // namespace millrace::http
