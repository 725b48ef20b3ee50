// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace report`: the page around its sections, style and script in it.
#include "apps/report/page.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/config/exit_code.h"
#include "apps/report/merge.h"
#include "apps/report/page_assets.h"
#include "apps/report/result_file.h"

namespace millrace::report {
namespace {

using nlohmann::json;

// The page says itself that it loads nothing, and the browser holds it to that.
constexpr std::string_view kHead =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n";

/// JSON that may stand in a script element.
std::string script_json(const json& value) {
  std::string text;
  for (const char c : value.dump()) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string make_page(const std::vector<json>& results, std::span<const std::string> names) {
  std::string body = "<h1>Millrace report</h1>\n";
  json data = json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    body += page_section(results[i], names[i], i);
    data.push_back(plot_data(results[i]));
  }
  return wrap_page("Millrace report", body, data);
}

std::string wrap_page(std::string_view title, std::string_view body, const json& data) {
  std::string page(kHead);
  page +=
      fmt::format("<title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<main>\n{}</main>\n",
                  escaped(title), kPlotterStyle, kPageStyle, body);
  page +=
      fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n", script_json(data));
  page += fmt::format("<script>\n{}</script>\n<script>\n{}</script>\n</body>\n</html>\n",
                      kPlotterScript, kPageScript);
  return page;
}

Command report_command() {
  struct Options {
    std::vector<std::string> paths;
    std::string output = "report.html";
  };
  auto o = std::make_shared<Options>();
  Command command;
  command.name = "report";
  command.summary = "results as one HTML page that needs no network";
  command.example = "millrace report result.json -o page.html";
  command.options.heading("Results");
  command.options.positionals("results", "RESULT", "files that --json or millrace merge wrote",
                              o->paths, parse_text);
  command.options.value("output", "FILE",
                        "where to write; - for standard output (default "
                        "report.html)",
                        o->output, parse_text);
  command.options.letter("o");
  command.run = [o]() -> Result<int> {
    if (o->paths.empty()) {
      return Error{ErrorKind::usage, "report expects a result",
                   "try millrace report result.json -o page.html"};
    }
    const auto results = read_results(o->paths);
    if (!results) return results.error();
    std::string page;
    try {
      page = make_page(results.value(), o->paths);
    } catch (const json::exception& e) {
      return Error{
          ErrorKind::usage,
          fmt::format("one of {} is no whole result: {}", fmt::join(o->paths, ", "), e.what()),
          "give what this version of millrace load --json wrote"};
    }
    if (auto good = write_text(o->output, page); !good) return good.error();
    if (o->output != "-") std::printf("%s\n", o->output.c_str());
    return static_cast<int>(kExitGood);
  };
  return command;
}

}  // namespace millrace::report
