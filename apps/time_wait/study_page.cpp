// SPDX-License-Identifier: BSD-3-Clause
//
// A study as a page: theory beside what was found, tables, plots, and what the curves mean.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/report/page.h"
#include "apps/time_wait/study.h"

namespace millrace::time_wait {
namespace {

using report::escaped;

/// A paragraph, its `words` as code.
std::string paragraph(std::string_view line) {
  std::string text = "<p>";
  bool code = false;
  for (const char c : escaped(line)) {
    if (c != '`') {
      text += c;
      continue;
    }
    text += code ? "</code>" : "<code>";
    code = !code;
  }
  return text + "</p>\n";
}

std::string checks_html(const Study& study) {
  std::string text = fmt::format(
      "<div class=\"verdict {}\"><strong>{}</strong><ul>\n", study.held() ? "good" : "bad",
      study.held() ? "Theory and experiment agree" : "Theory and experiment differ");
  for (const Check& c : study.checks) {
    text +=
        fmt::format("<li{}>{}: predicted {}, found {}</li>\n", c.held ? "" : " class=\"missed\"",
                    escaped(c.claim), escaped(c.predicted), escaped(c.found));
  }
  return text + "</ul></div>\n";
}

std::string table_html(const Table& table) {
  std::string text = "<div class=\"wide\"><table class=\"numbers\"><thead><tr>";
  for (const std::string& word : table.head) text += fmt::format("<th>{}</th>", escaped(word));
  text += "</tr></thead><tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += fmt::format("<{0}>{1}</{0}>", i == 0 ? "th" : "td", escaped(row[i]));
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

}  // namespace

std::string make_page(const Study& study, std::string_view command) {
  std::string body = fmt::format("<h1>TIME_WAIT: {}</h1>\n<h3>What theory says</h3>\n<ul>\n",
                                 escaped(study.title));
  for (const std::string& line : study.predictions) {
    body += fmt::format("<li>{}</li>\n", escaped(line));
  }
  body += "</ul>\n" + checks_html(study);
  for (const Table& table : study.tables) body += table_html(table);
  body += "<div class=\"plots\">\n";
  for (std::size_t i = 0; i < study.plots.size(); ++i) {
    body += fmt::format(
        "<figure><figcaption>{}</figcaption><div class=\"plot\" id=\"plot-{}\"></div></figure>\n",
        escaped(study.plots[i].title), i);
  }
  body += "</div>\n<noscript><p>The plots need JavaScript; the tables do not.</p></noscript>\n";
  body += "<h3>What it means</h3>\n";
  for (const std::string& line : study.explanation) {
    body += paragraph(line);
  }
  body += fmt::format("<h3>Command</h3>\n<pre class=\"command\">{}</pre>\n", escaped(command));
  const nlohmann::json data = {{{"plots", to_json(study, command)["plots"]}}};
  return report::wrap_page("Millrace: TIME_WAIT", body, data);
}

}  // namespace millrace::time_wait
