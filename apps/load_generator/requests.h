// SPDX-License-Identifier: BSD-3-Clause
//
// What is asked of whom: targets, each with its weighted requests, and the choice among them. A
// connection draws its target by the weight of all its requests, each request by its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/config/parse_url.h"
#include "apps/load_generator/random.h"
#include "tcp/base/address.h"
#include "tcp/base/result.h"

namespace millrace::load {

/// Picks indexes by weight in constant time (Vose 1991, the alias method).
class WeightedChoice {
 public:
  WeightedChoice() = default;
  /// `weights` above 0, at least one of them.
  explicit WeightedChoice(const std::vector<double>& weights);

  /// No draw where there is only one.
  [[nodiscard]] std::uint32_t pick(Random& random) const {
    if (slots_.size() <= 1) return 0;
    const std::uint64_t drawn = random.next();
    const auto slot =
        static_cast<std::uint32_t>((drawn >> 32) * static_cast<std::uint32_t>(slots_.size()) >> 32);
    const Slot& found = slots_[slot];
    return static_cast<std::uint32_t>(drawn) < found.own_below ? slot : found.other;
  }

 private:
  struct Slot {
    std::uint32_t own_below = ~std::uint32_t{0};
    std::uint32_t other = 0;
  };
  std::vector<Slot> slots_;
};

/// --ask "[WEIGHT] [METHOD] URL-OR-PATH".
struct Ask {
  double weight = 1;
  std::string method;      // empty: that of --method
  std::optional<Url> url;  // none: `path` of the URL that the command was given
  std::string path;
};
[[nodiscard]] Result<Ask> parse_ask(std::string_view word);

/// "GET": letters of a method that has an ordinary answer.
[[nodiscard]] Result<std::string> parse_method(std::string_view word);
/// "Name: value", none of those that the generator itself has to get right.
[[nodiscard]] Result<std::string> parse_header(std::string_view word);

struct RequestText {
  std::string text;  // the head; with a body all before the digits of its length
  std::string last;  // of a connection's last request; differs if the server is to close
  bool has_body = false;
  bool is_head = false;  // its answer has no body (RFC 9110 §9.3.2)
};

struct Target {
  Address address;
  std::uint16_t port = 80;
  double weight = 0;
  std::vector<Address> local;         // source addresses, used in turn
  std::vector<std::uint32_t> asks{};  // indexes into the plan's requests
  WeightedChoice choice{};            // among them
};

struct RequestPlan {
  std::vector<RequestText> requests;
  std::vector<Target> targets;
  WeightedChoice choice;  // among the targets
};

struct RequestOptions {
  std::vector<Ask> asks;
  std::string method = "GET";
  std::vector<std::string> headers;
  bool has_body = false;  // --body is not nothing
  bool server_closes = false;
};
/// `url` is what stands for an ask without one; not there where each has its own. The caller adds
/// the local addresses.
[[nodiscard]] Result<RequestPlan> make_requests(const RequestOptions& options,
                                                const std::optional<Url>& url);

}  // namespace millrace::load
