// SPDX-License-Identifier: BSD-3-Clause
//
// What a page carries in it: its style, its script, and uPlot, which draws its plots.
#pragma once

#include <string_view>

namespace millrace::report {

extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;
extern const std::string_view kPlotterStyle;
extern const std::string_view kPlotterScript;  // its licence is in it

}  // namespace millrace::report
