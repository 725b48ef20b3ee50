// SPDX-License-Identifier: BSD-3-Clause
//
// Address text, both ways, by inet_pton and inet_ntop (which follow RFC 5952).
#include "apps/config/parse_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>

#include "apps/config/parse_value.h"

namespace millrace {
namespace {

constexpr std::uint32_t kMostAddresses = 1U << 20;

// Bytes of the address without the mapped prefix, and their number.
struct Raw {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;
};

Raw raw_of(const Address& address) {
  Raw raw;
  raw.size = address.is_v4() ? 4 : 16;
  std::memcpy(raw.bytes.data(), address.bytes().data() + (16 - raw.size), raw.size);
  return raw;
}

unsigned family_bits(const Address& address) { return address.is_v4() ? 32 : 128; }

std::optional<unsigned> small_number(std::string_view word) {
  if (word.empty() || word.size() > 3) return {};
  unsigned number = 0;
  for (const char c : word) {
    if (c < '0' || c > '9') return {};
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return number;
}

// "A/LENGTH" split; the length is nothing if there is no slash.
struct WithLength {
  std::string_view address;
  std::optional<std::string_view> length;
};

WithLength split_length(std::string_view word) {
  const std::size_t slash = word.find('/');
  if (slash == std::string_view::npos) return {word, {}};
  return {word.substr(0, slash), word.substr(slash + 1)};
}

Result<unsigned> parse_length(std::string_view word, std::string_view length,
                              const Address& first) {
  const unsigned most = family_bits(first);
  const auto number = small_number(length);
  if (number && *number <= most) return *number;
  return Error{ErrorKind::usage,
               fmt::format("'{}' has the prefix length '{}': expected 0 to {}", word, length, most),
               fmt::format("try {}/{}", address_text(first), first.is_v4() ? 24 : 64)};
}

// B - A + 1, or nothing if it is not between 1 and the most that we take.
std::optional<std::uint32_t> distance(const Address& a, const Address& b) {
  std::uint64_t low_a = 0;
  std::uint64_t low_b = 0;
  if (std::memcmp(a.bytes().data(), b.bytes().data(), 8) != 0) return {};
  for (std::size_t i = 8; i < 16; ++i) {
    low_a = low_a << 8 | a.bytes()[i];
    low_b = low_b << 8 | b.bytes()[i];
  }
  if (low_b < low_a || low_b - low_a >= kMostAddresses) return {};
  return static_cast<std::uint32_t>(low_b - low_a + 1);
}

bool is_multicast(const Address& a) {
  return a.is_v4() ? (a.to_v4() >> 28) == 0xe : a.bytes()[0] == 0xff;
}

bool is_loopback(const Address& a) {
  static const Address kLoopback6 = address_plus(Address{}, 1);
  return a.is_v4() ? (a.to_v4() >> 24) == 127 : a == kLoopback6;
}

Status check_own_address(std::string_view word, const Address& a, unsigned length) {
  const auto refuse = [&](std::string_view why, std::string hint) -> Status {
    return Error{
        ErrorKind::usage,
        fmt::format("'{}' cannot be an address of ours: {} is {}", word, address_text(a), why),
        std::move(hint)};
  };
  if (a.is_unspecified()) return refuse("the unspecified address", "try 198.18.0.2/24");
  if (is_multicast(a)) return refuse("a multicast address", "try 198.18.0.2/24");
  if (is_loopback(a)) return refuse("a loopback address", "try 198.18.0.2/24");
  if (!a.is_v4() || length >= 31) return Ok{};
  const std::uint32_t host_mask = length == 0 ? ~0U : (1U << (32 - length)) - 1;
  const std::uint32_t host = a.to_v4() & host_mask;
  if (host == 0) {
    return refuse(fmt::format("its network's own in a /{}", length),
                  fmt::format("try {}/{}", address_text(address_plus(a, 1)), length));
  }
  if (host == host_mask) {
    return refuse(fmt::format("its network's broadcast address in a /{}", length),
                  fmt::format("try {}/{}", address_text(Address::v4(a.to_v4() - 1)), length));
  }
  return Ok{};
}

}  // namespace

Result<Address> parse_address(std::string_view word) {
  const std::string text(word.substr(0, word.find('\0')));
  const bool whole = text.size() == word.size();
  in_addr v4{};
  if (whole && inet_pton(AF_INET, text.c_str(), &v4) == 1) return Address::v4(ntohl(v4.s_addr));
  std::array<std::uint8_t, 16> v6{};
  if (whole && inet_pton(AF_INET6, text.c_str(), v6.data()) == 1) {
    return Address::v6(v6);
  }
  std::string suggestion = "try 198.18.0.2";
  if (word.size() > 2 && word.front() == '[' && word.back() == ']') {
    suggestion = "leave the brackets out";
  } else if (word.find('/') != std::string_view::npos) {
    suggestion = fmt::format("try {}", split_length(word).address);
  } else if (word.find(':') != std::string_view::npos) {
    suggestion = "try 2001:2::2";
  }
  return bad_word(word, "an address", "IPv4 as 198.18.0.2 or IPv6 as 2001:2::2",
                  std::move(suggestion));
}

Result<net::InterfaceAddress> parse_address_range(std::string_view word) {
  const WithLength parts = split_length(word);
  const std::size_t dash = parts.address.find('-');
  const auto first = parse_address(parts.address.substr(0, dash));
  if (!first) return first.error();
  net::InterfaceAddress range{first.value(), static_cast<std::uint8_t>(family_bits(first.value())),
                              1};
  if (parts.length) {
    const auto length = parse_length(word, *parts.length, first.value());
    if (!length) return length.error();
    range.prefix_length = static_cast<std::uint8_t>(length.value());
  }
  const auto first_good = check_own_address(word, first.value(), range.prefix_length);
  if (!first_good) return first_good.error();
  if (dash == std::string_view::npos) return range;

  const auto last = parse_address(parts.address.substr(dash + 1));
  if (!last) return last.error();
  const auto count = distance(first.value(), last.value());
  if (first.value().is_v4() != last.value().is_v4() || !count) {
    return bad_word(
        word, "a range of addresses",
        fmt::format("a last address of the first one's family, above it, and at most {} "
                    "addresses",
                    kMostAddresses),
        "try 198.18.0.16-198.18.0.31/24");
  }
  range.count = *count;
  const auto last_good = check_own_address(word, last.value(), range.prefix_length);
  if (!last_good) return last_good.error();
  if (parts.length && !in_prefix(last.value(), first.value(), range.prefix_length)) {
    return Error{
        ErrorKind::usage,
        fmt::format("'{}' leaves its network: {} is not in {}/{}", word, address_text(last.value()),
                    address_text(first.value()), range.prefix_length),
        "make the prefix length smaller"};
  }
  return range;
}

Result<net::Route> parse_route(std::string_view word) {
  constexpr std::string_view kVia = ",via ";
  net::Route route;
  const std::size_t comma = word.find(',');
  const WithLength parts = split_length(word.substr(0, comma));
  if (!parts.length || (comma != std::string_view::npos && !word.substr(comma).starts_with(kVia))) {
    return bad_word(word, "a route", "PREFIX/LENGTH or PREFIX/LENGTH,via ADDRESS",
                    "try '10.0.0.0/8,via 198.18.0.1'");
  }
  const auto prefix = parse_address(parts.address);
  if (!prefix) return prefix.error();
  const auto length = parse_length(word, *parts.length, prefix.value());
  if (!length) return length.error();
  route.prefix = prefix.value();
  route.prefix_length = static_cast<std::uint8_t>(length.value());
  if (comma == std::string_view::npos) return route;
  const auto via = parse_address(word.substr(comma + kVia.size()));
  if (!via) return via.error();
  if (via.value().is_v4() != prefix.value().is_v4()) {
    return Error{ErrorKind::usage,
                 fmt::format("the route '{}' mixes IPv4 and IPv6: expected one family", word), ""};
  }
  route.via = via.value();
  return route;
}

Result<net::Route> parse_gateway(std::string_view word) {
  const auto via = parse_address(word);
  if (!via) return via.error();
  net::Route route;
  route.prefix = via.value().is_v4() ? Address::v4(0) : Address{};
  route.via = via.value();
  return route;
}

std::string address_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const Raw raw = raw_of(address);
  (void)inet_ntop(address.is_v4() ? AF_INET : AF_INET6, raw.bytes.data(), text.data(), text.size());
  return text.data();
}

std::string endpoint_text(const Address& address, std::uint16_t port) {
  const std::string text = address_text(address);
  return address.is_v4() ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

std::string range_text(const net::InterfaceAddress& range) {
  std::string text = address_text(range.address);
  if (range.count > 1) text += "-" + address_text(address_plus(range.address, range.count - 1));
  return fmt::format("{}/{}", text, range.prefix_length);
}

Address address_plus(const Address& address, std::uint64_t offset) {
  if (address.is_v4()) return Address::v4(address.to_v4() + static_cast<std::uint32_t>(offset));
  auto bytes = address.bytes();
  for (std::size_t i = 16; i > 0 && offset > 0; --i) {
    offset += bytes[i - 1];
    bytes[i - 1] = static_cast<std::uint8_t>(offset & 0xff);
    offset >>= 8;
  }
  return Address::v6(bytes);
}

bool in_prefix(const Address& address, const Address& prefix, unsigned length) {
  if (address.is_v4() != prefix.is_v4()) return false;
  const Raw a = raw_of(address);
  const Raw p = raw_of(prefix);
  const std::size_t whole = length / 8;
  if (std::memcmp(a.bytes.data(), p.bytes.data(), whole) != 0) return false;
  const unsigned rest = length % 8;
  if (rest == 0) return true;
  return ((a.bytes[whole] ^ p.bytes[whole]) >> (8 - rest)) == 0;
}

bool is_nobody_elses(const Address& address) {
  constexpr std::array kNetworks{
      "10.0.0.0/8",    "172.16.0.0/12", "192.168.0.0/16",  "169.254.0.0/16", "127.0.0.0/8",
      "198.18.0.0/15", "192.0.2.0/24",  "198.51.100.0/24", "203.0.113.0/24", "fc00::/7",
      "fe80::/10",     "::1/128",       "2001:2::/48",     "2001:db8::/32",  "3fff::/20"};
  for (const std::string_view network : kNetworks) {
    const auto route = parse_route(network);
    if (in_prefix(address, route.value().prefix, route.value().prefix_length)) return true;
  }
  return false;
}

Status check_own_network(const Address& target, const std::vector<net::InterfaceAddress>& sources,
                         bool own_network) {
  if (own_network) return Ok{};
  constexpr std::string_view kHint = "if the network is yours to load, say --i-own-this-network";
  if (!is_nobody_elses(target)) {
    return Error{ErrorKind::usage,
                 fmt::format("the target {} may be somebody else's: expected a private, test or "
                             "documentation address, as 198.18.0.1",
                             address_text(target)),
                 std::string(kHint)};
  }
  for (const net::InterfaceAddress& range : sources) {
    if (is_nobody_elses(range.address) &&
        is_nobody_elses(address_plus(range.address, range.count - 1))) {
      continue;
    }
    return Error{ErrorKind::usage,
                 fmt::format("the source {} may be somebody else's: expected private, test or "
                             "documentation addresses, as 198.18.0.16-198.18.0.31/24",
                             range_text(range)),
                 std::string(kHint)};
  }
  return Ok{};
}

}  // namespace millrace
