// SPDX-License-Identifier: BSD-3-Clause
//
// libhttp-parser is fed one whole head and asked for what it saw.
#include "apps/http_server/request.h"

#include <http_parser.h>

namespace millrace::http {
namespace {

struct Listener {
  http_parser parser{};
  std::string_view field;
  bool headers_complete = false;
  bool keep_alive = false;
  bool chunked = false;
  bool expects_continue = false;
  bool expects_other = false;
  std::uint64_t content_length = 0;
};

Listener& of(http_parser* parser) { return *static_cast<Listener*>(parser->data); }

int on_field(http_parser* parser, const char* at, std::size_t length) {
  of(parser).field = {at, length};
  return 0;
}

int on_value(http_parser* parser, const char* at, std::size_t length) {
  Listener& l = of(parser);
  if (!equal_ignoring_case(l.field, "expect")) return 0;
  const bool known = equal_ignoring_case({at, length}, "100-continue");
  l.expects_continue = l.expects_continue || known;
  l.expects_other = l.expects_other || !known;
  return 0;
}

int on_headers_complete(http_parser* parser) {
  Listener& l = of(parser);
  l.headers_complete = true;
  l.keep_alive = http_should_keep_alive(parser) != 0;
  l.chunked = (parser->flags & F_CHUNKED) != 0;
  const bool has_length = (parser->flags & F_CONTENTLENGTH) != 0;
  l.content_length = has_length ? parser->content_length : 0;
  return 1;  // the body is not its business
}

const http_parser_settings& settings() {
  static const http_parser_settings kSettings = [] {
    http_parser_settings s{};
    http_parser_settings_init(&s);
    s.on_header_field = on_field;
    s.on_header_value = on_value;
    s.on_headers_complete = on_headers_complete;
    return s;
  }();
  return kSettings;
}

Method method_of(unsigned method) {
  switch (method) {
    case HTTP_GET:
      return Method::get;
    case HTTP_HEAD:
      return Method::head;
    case HTTP_POST:
      return Method::post;
    default:
      return Method::other;
  }
}

// RFC 9112 §3.2: origin form, or absolute form, whose path counts. Empty if it is neither.
std::string_view path_of(std::string_view target) {
  if (target == "*") return target;
  http_parser_url url;
  http_parser_url_init(&url);
  if (http_parser_parse_url(target.data(), target.size(), 0, &url) != 0) return {};
  if ((url.field_set & (1U << UF_PATH)) == 0) return "/";
  return target.substr(url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
}

std::uint16_t status_of(Flaw flaw) {
  if (flaw == Flaw::none) return 0;
  if (flaw == Flaw::version) return 505;
  return flaw == Flaw::unknown_coding ? 501 : 400;
}

Request refused(Flaw flaw, std::uint16_t status) {
  Request r;
  r.flaw = flaw;
  r.error_status = status;
  return r;
}

}  // namespace

Request parse_request(std::string_view head) {
  const Framing f = check_framing(head);
  if (f.flaw != Flaw::none) return refused(f.flaw, status_of(f.flaw));

  Listener l;
  http_parser_init(&l.parser, HTTP_REQUEST);
  l.parser.data = &l;
  (void)http_parser_execute(&l.parser, &settings(), head.data(), head.size());
  const auto error = static_cast<http_errno>(l.parser.http_errno);
  if (error == HPE_INVALID_METHOD) return refused(Flaw::none, 501);
  if (error != HPE_OK || !l.headers_complete || f.method == "CONNECT") {
    return refused(Flaw::request_line, f.method == "CONNECT" ? 501 : 400);
  }
  if (l.chunked != f.chunked || l.content_length != f.content_length) {
    return refused(Flaw::length_value, 400);
  }

  Request r;
  r.method = method_of(l.parser.method);
  r.path = path_of(f.target);
  r.http_1_0 = f.minor_version == 0;
  r.keep_alive = l.keep_alive;
  r.has_length = f.has_length;
  r.chunked = f.chunked;
  r.content_length = f.content_length;
  r.expects_continue = l.expects_continue && !r.http_1_0;
  if (r.path.empty()) return refused(Flaw::request_line, 400);
  if (l.expects_other) r.error_status = 417;
  return r;
}

}  // namespace millrace::http
