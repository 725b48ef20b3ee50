// SPDX-License-Identifier: BSD-3-Clause
//
// From words to the heads of requests (RFC 9112 §3).
#include "apps/load_generator/requests.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>

#include "apps/config/parse_value.h"
#include "apps/config/suggest.h"

namespace millrace::load {

namespace {

const std::vector<std::string> kMethods{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
constexpr std::array<std::string_view, 5> kOurHeaders{"content-length", "transfer-encoding",
                                                      "connection", "expect", "upgrade"};
constexpr std::size_t kMostHead = 1536;  // a head with its length goes into one block
constexpr std::size_t kMostAsks = 1024;

Error bad_ask(std::string_view word) {
  return bad_word(word, "a request", "[WEIGHT] [METHOD] and a URL or a path, with spaces between",
                  "\"3 POST /echo\"");
}

bool same_name(std::string_view header, std::string_view name) {
  return header.size() > name.size() && header[name.size()] == ':' &&
         strncasecmp(header.data(), name.data(), name.size()) == 0;
}

bool may_have_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

std::string head_of(const RequestOptions& o, std::string_view method, const Url& url, bool body,
                    bool last) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\n", method, url.path);
  const auto given = [&](std::string_view name) {
    return std::any_of(o.headers.begin(), o.headers.end(),
                       [&](const std::string& h) { return same_name(h, name); });
  };
  if (!given("Host")) text += fmt::format("Host: {}\r\n", url.host_header());
  if (!given("User-Agent")) text += "User-Agent: millrace\r\n";
  for (const std::string& header : o.headers) text += header + "\r\n";
  if (last && o.server_closes) text += "Connection: close\r\n";
  if (body) return text + "Content-Length: ";
  if (may_have_body(method)) text += "Content-Length: 0\r\n";
  return text + "\r\n";
}

}  // namespace

WeightedChoice::WeightedChoice(const std::vector<double>& weights) : slots_(weights.size()) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  std::vector<double> share;
  std::vector<std::uint32_t> small;
  std::vector<std::uint32_t> large;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    share.push_back(weights[i] / sum * static_cast<double>(weights.size()));
    (share.back() < 1 ? small : large).push_back(static_cast<std::uint32_t>(i));
  }
  while (!small.empty() && !large.empty()) {
    const std::uint32_t less = small.back();
    const std::uint32_t more = large.back();
    small.pop_back();
    slots_[less] = {static_cast<std::uint32_t>(share[less] * 0x1p32), more};
    share[more] -= 1 - share[less];
    if (share[more] >= 1) continue;
    large.pop_back();
    small.push_back(more);
  }
  // What is left has rounding errors alone: each of them is its own.
  for (const auto& rest : {small, large}) {
    for (const std::uint32_t i : rest) slots_[i] = {~std::uint32_t{0}, i};
  }
}

Result<std::string> parse_method(std::string_view word) {
  const auto index = parse_choice(word, kMethods);
  if (!index) return index.error();
  return kMethods[index.value()];
}

Result<Ask> parse_ask(std::string_view word) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; (at = word.find_first_not_of(' ', at)) != std::string_view::npos;) {
    const std::size_t end = std::min(word.find(' ', at), word.size());
    parts.push_back(word.substr(at, end - at));
    at = end;
  }
  if (parts.empty() || parts.size() > 3) return bad_ask(word);
  Ask ask;
  const std::string_view last = parts.back();
  if (last.front() == '/') {
    ask.path = last;
  } else {
    auto url = parse_url(last);
    if (!url) return url.error();
    ask.url = std::move(url).value();
  }
  parts.pop_back();
  if (!parts.empty() && parts.front().find_first_not_of("0123456789.") == std::string_view::npos) {
    const auto weight = parse_rate(parts.front());
    if (!weight) return bad_ask(word);
    ask.weight = weight.value();
    parts.erase(parts.begin());
  }
  if (!parts.empty()) {
    const auto method = parse_method(parts.front());
    if (!method) return method.error();
    ask.method = method.value();
    parts.erase(parts.begin());
  }
  if (!parts.empty()) return bad_ask(word);
  return ask;
}

Result<std::string> parse_header(std::string_view word) {
  const std::size_t colon = word.find(':');
  const bool plain = std::all_of(word.begin(), word.end(),
                                 [](char c) { return (c >= ' ' && c < 0x7f) || c == '\t'; });
  const bool named =
      colon != std::string_view::npos && colon > 0 &&
      word.substr(0, colon).find_first_of(" \t\"(),/:;<=>?@[\\]{}") == std::string_view::npos;
  if (!plain || !named) {
    return bad_word(word, "a header", "a name, a colon and a value", "\"Accept: text/html\"");
  }
  for (const std::string_view ours : kOurHeaders) {
    if (!same_name(word, ours)) continue;
    return Error{ErrorKind::usage,
                 fmt::format("'{}' is a header that the generator sets itself", word),
                 "leave it out; see --body and --close"};
  }
  return std::string(word);
}

Result<RequestPlan> make_requests(const RequestOptions& o, const std::optional<Url>& url) {
  RequestPlan plan;
  std::vector<Ask> asks = o.asks;
  if (asks.empty()) asks.emplace_back();
  if (asks.size() > kMostAsks) {
    return Error{ErrorKind::usage,
                 fmt::format("--ask: {} of them, at most {}", asks.size(), kMostAsks), ""};
  }
  std::vector<std::vector<double>> weights;
  for (const Ask& ask : asks) {
    if (!ask.url && !url) {
      return Error{ErrorKind::usage, "no URL was given: expected http://ADDRESS[:PORT][/PATH]",
                   "see millrace load --help"};
    }
    Url asked = ask.url ? *ask.url : *url;
    if (!ask.path.empty()) asked.path = ask.path;
    const std::string& method = ask.method.empty() ? o.method : ask.method;
    RequestText text;
    text.has_body = o.has_body && may_have_body(method);
    text.is_head = method == "HEAD";
    text.text = head_of(o, method, asked, text.has_body, false);
    text.last = head_of(o, method, asked, text.has_body, true);
    if (text.last.size() > kMostHead) {
      return Error{ErrorKind::usage,
                   fmt::format("the head of a request has {} bytes, at most {}", text.last.size(),
                               kMostHead),
                   "fewer or shorter --header"};
    }
    auto target = std::find_if(plan.targets.begin(), plan.targets.end(), [&](const Target& t) {
      return t.address == asked.address && t.port == asked.port;
    });
    if (target == plan.targets.end()) {
      plan.targets.push_back({asked.address, asked.port, 0, {}});
      weights.emplace_back();
      target = plan.targets.end() - 1;
    }
    target->weight += ask.weight;
    target->asks.push_back(static_cast<std::uint32_t>(plan.requests.size()));
    weights[static_cast<std::size_t>(target - plan.targets.begin())].push_back(ask.weight);
    plan.requests.push_back(std::move(text));
  }
  std::vector<double> of_targets;
  for (std::size_t i = 0; i < plan.targets.size(); ++i) {
    plan.targets[i].choice = WeightedChoice(weights[i]);
    of_targets.push_back(plan.targets[i].weight);
  }
  plan.choice = WeightedChoice(of_targets);
  return plan;
}

}  // namespace millrace::load
