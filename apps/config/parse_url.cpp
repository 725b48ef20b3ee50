// SPDX-License-Identifier: BSD-3-Clause
//
// URLs of the load generator (RFC 3986, RFC 9110 §4.2.1), with addresses in place of names.
#include "apps/config/parse_url.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/config/parse_address.h"
#include "apps/config/parse_value.h"
#include "apps/config/suggest.h"

namespace millrace {
namespace {

constexpr std::string_view kExpected =
    "http://ADDRESS[:PORT]/PATH, as http://198.18.0.1:8080/bytes/64";

Error bad_url(std::string_view word, std::string suggestion) {
  return bad_word(word, "a URL", kExpected, std::move(suggestion));
}

Error bad_scheme(std::string_view word) {
  const std::size_t end = word.find("://");
  if (end == std::string_view::npos) return bad_url(word, fmt::format("try http://{}", word));
  const std::string_view scheme = word.substr(0, end);
  const std::string_view rest = word.substr(end);
  if (scheme == "https") {
    return {ErrorKind::usage, fmt::format("'{}' asks for TLS: expected {}", word, kExpected),
            fmt::format("try http{}", rest)};
  }
  return bad_url(word, edit_distance(scheme, "http") <= 2
                           ? fmt::format("did you mean http{}?", rest)
                           : std::string());
}

// The authority's two halves; brackets gone.
struct Authority {
  std::string_view host;
  std::string_view port;  // empty: none given
  bool bracketed = false;
  bool good = true;
};

Authority split_authority(std::string_view text) {
  Authority a;
  std::string_view after;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return {{}, {}, true, false};
    a.bracketed = true;
    a.host = text.substr(1, close - 1);
    after = text.substr(close + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    a.host = text.substr(0, colon);
    after = text.substr(colon);
  }
  if (!after.empty()) {
    a.good = after.starts_with(':') && after.size() > 1;
    a.port = after.substr(after.empty() ? 0 : 1);
  }
  return a;
}

bool is_path_character(char c) { return c > ' ' && c < 0x7f && c != '#' && c != '"'; }

}  // namespace

std::string Url::host_header() const {
  if (port != 80) return endpoint_text(address, port);
  return address.is_v4() ? address_text(address) : fmt::format("[{}]", address_text(address));
}

std::string Url::text() const { return fmt::format("http://{}{}", host_header(), path); }

Result<Url> parse_url(std::string_view word) {
  constexpr std::string_view kScheme = "http://";
  if (!word.starts_with(kScheme)) return bad_scheme(word);
  const std::string_view rest = word.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority_text = rest.substr(0, slash);
  const std::string_view path = rest.substr(slash);

  Url url;
  if (const auto bare = parse_address(authority_text); bare && !bare.value().is_v4()) {
    return bad_url(
        word, fmt::format("put the IPv6 address in brackets: http://[{}]{}", authority_text, path));
  }
  if (authority_text.find('@') != std::string_view::npos) {
    return bad_url(word, "leave the user name out");
  }
  const Authority authority = split_authority(authority_text);
  if (!authority.good) return bad_url(word, "try http://198.18.0.1:8080/bytes/64");
  const auto address = parse_address(authority.host);
  if (!address || address.value().is_v4() == authority.bracketed) {
    if (authority.host.find_first_not_of("0123456789.:") == std::string_view::npos ||
        authority.bracketed) {
      return bad_url(word, "try http://198.18.0.1:8080/bytes/64");
    }
    return Error{ErrorKind::usage,
                 fmt::format("'{}' has the host name '{}', and names are not resolved: expected {}",
                             word, authority.host, kExpected),
                 "put its address there"};
  }
  url.address = address.value();
  if (!authority.port.empty()) {
    const auto port = parse_port(authority.port);
    if (!port)
      return Error{ErrorKind::usage, fmt::format("in '{}', {}", word, port.error().sentence),
                   port.error().hint};
    url.port = port.value();
  }
  if (!std::all_of(path.begin(), path.end(), is_path_character)) {
    return Error{
        ErrorKind::usage,
        fmt::format("'{}' has a space, a # or another character that may not be in a path: "
                    "expected {}",
                    word, kExpected),
        "write such characters as %20"};
  }
  if (!path.empty()) url.path = path.front() == '/' ? std::string(path) : "/" + std::string(path);
  return url;
}

}  // namespace millrace
