// SPDX-License-Identifier: BSD-3-Clause
//
// Histograms in result.json. A bin is found again by its lowest value.
#include "apps/report/histogram_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/report/hdr_codec.h"

namespace millrace::report {
namespace {

using nlohmann::json;

constexpr std::array<double, 9> kPercentiles{50.0, 75.0,  90.0,   95.0,   99.0,
                                             99.9, 99.99, 99.999, 99.9999};

Error wrong(std::string what) { return {ErrorKind::usage, std::move(what), ""}; }

/// A number of a histogram's own; negative or missing ones read as absent.
bool take(const json& from, const char* key, std::uint64_t& out) {
  const auto found = from.find(key);
  if (found == from.end() || !found->is_number_unsigned()) return false;
  out = found->get<std::uint64_t>();
  return true;
}

Status add_bin(const json& bin, Histogram& into) {
  const bool shaped = bin.is_array() && bin.size() == 3 && bin[0].is_number_unsigned() &&
                      bin[1].is_number_unsigned() && bin[2].is_number_unsigned();
  if (!shaped) return wrong("a bin is not [lowest, highest, count]");
  const auto low = bin[0].get<std::uint64_t>();
  if (low > Histogram::kMaxValue) return wrong(fmt::format("a bin at {} is none of ours", low));
  const std::size_t index = Histogram::index_of(low);
  if (Histogram::lowest_of(index) != low || Histogram::highest_of(index) != bin[1]) {
    return wrong(fmt::format("a bin from {} to {} is none of ours", low, bin[1].dump()));
  }
  into.add_to_bin(index, bin[2].get<std::uint64_t>());
  return Ok{};
}

}  // namespace

json to_json(const Histogram& h) {
  json percentiles = json::object();
  for (const double percent : kPercentiles) {
    percentiles[fmt::format("p{:g}", percent)] = h.percentile(percent);
  }
  json bins = json::array();
  for (std::size_t i = 0; i < Histogram::kBins; ++i) {
    if (h.count_at(i) == 0) continue;
    bins.push_back({Histogram::lowest_of(i), Histogram::highest_of(i), h.count_at(i)});
  }
  return {{"unit", "ns"},
          {"count", h.count()},
          {"min", h.min()},
          {"max", h.max()},
          {"mean", h.mean()},
          {"sum", h.sum()},
          {"saturated", h.saturated()},
          {"percentiles", std::move(percentiles)},
          {"bins", std::move(bins)}};
}

Result<Histogram> histogram_from(const json& from) {
  Histogram h;
  std::uint64_t count = 0;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::uint64_t sum = 0;
  std::uint64_t saturated = 0;
  if (!from.is_object() || !take(from, "count", count) || !take(from, "min", min) ||
      !take(from, "max", max) || !take(from, "sum", sum) || !take(from, "saturated", saturated) ||
      !from.contains("bins") || !from["bins"].is_array()) {
    return wrong("it lacks bins, or one of count, min, max, sum and saturated");
  }
  for (const json& bin : from["bins"]) {
    if (auto good = add_bin(bin, h); !good) return good.error();
  }
  if (h.count() != count) {
    return wrong(fmt::format("its bins hold {} values, its count says {}", h.count(), count));
  }
  if (count > 0) h.add_figures(min, max, sum, saturated);
  return h;
}

Digest digest_of(const Histogram& h) {
  if (h.count() == 0) return {};
  return {h.count(),          h.percentile(50), h.percentile(99),
          h.percentile(99.9), h.max(),          encode_hdr(h)};
}

json to_json(const Digest& d) {
  return {{"count", d.count}, {"p50", d.p50}, {"p99", d.p99},
          {"p99.9", d.p99_9}, {"max", d.max}, {"hdr", d.hdr}};
}

}  // namespace millrace::report
