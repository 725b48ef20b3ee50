// SPDX-License-Identifier: BSD-3-Clause
//
// Results as one HTML page that needs nothing else: no network, no other file. What a reader has to
// know stands in tables that need no script; the plots are drawn by uPlot, which is in the page.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/config/options.h"

namespace millrace::report {

/// A section for each result under its file's name. Throws nlohmann::json::exception where a result
/// lacks something.
[[nodiscard]] std::string make_page(const std::vector<nlohmann::json>& results,
                                    std::span<const std::string> names);

/// A page with this body, which loads nothing. `data` is what its plots are drawn from: for each
/// section plot_data(), or {"plots": [...]} with plots that say themselves what they show: "x", its
/// name and unit, or "cases", curves, and which axes are logarithmic ("plot-0" and on in the
/// body).
[[nodiscard]] std::string wrap_page(std::string_view title, std::string_view body,
                                    const nlohmann::json& data);

// The parts of the page.
/// Everything of a result that is text: verdict, figures, tables. `index` names its plots.
[[nodiscard]] std::string page_section(const nlohmann::json& result, const std::string& name,
                                       std::size_t index);
/// What the plots of a result are drawn from: columns over time, and the latency spectrum.
[[nodiscard]] nlohmann::json plot_data(const nlohmann::json& result);
/// Text for HTML.
[[nodiscard]] std::string escaped(std::string_view text);

/// `millrace report RESULT... -o page.html`.
[[nodiscard]] Command report_command();

}  // namespace millrace::report
