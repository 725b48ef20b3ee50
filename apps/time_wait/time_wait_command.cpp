// SPDX-License-Identifier: BSD-3-Clause
//
// `millrace time-wait`.
#include "apps/time_wait/time_wait_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/config/exit_code.h"
#include "apps/config/this_command.h"
#include "apps/report/result_file.h"
#include "apps/time_wait/experiments.h"
#include "apps/time_wait/study.h"

namespace millrace::time_wait {
namespace {

struct Options {
  std::string experiment;
  std::string output;
  std::string json;
  Scale scale;
};

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Experiment& e : experiments()) all.emplace_back(e.name);
  return all;
}

Result<std::string> parse_name(std::string_view word) {
  const auto known = names();
  const auto index = parse_choice(word, known);
  if (!index) return index.error();
  return known[index.value()];
}

void print_list() {
  std::printf("experiments:\n");
  for (const Experiment& e : experiments()) {
    std::printf("  %-12s%s\n", std::string(e.name).c_str(), std::string(e.summary).c_str());
  }
  std::printf("\ntry millrace time-wait exhaustion\n");
}

Result<int> run(const Options& o) {
  if (o.experiment.empty()) {
    print_list();
    return static_cast<int>(kExitGood);
  }
  const auto all = experiments();
  const auto chosen = std::find_if(all.begin(), all.end(),
                                   [&](const Experiment& e) { return e.name == o.experiment; });
  const std::vector<std::string> predictions = chosen->predict(o.scale);
  const bool quiet = o.json == "-" || o.output == "-";
  const auto say = [quiet](const std::string& line) {
    if (quiet) return;
    std::printf("  %s\n", line.c_str());
    std::fflush(stdout);
  };
  if (!quiet) std::printf("what theory says:\n");
  for (const std::string& line : predictions) say(line);
  if (!quiet) std::printf("\nwhat happens:\n");
  auto ran = chosen->run(o.scale, say);
  if (!ran) return ran.error();
  Study study = std::move(ran).value();
  study.name = o.experiment;
  study.predictions = predictions;
  if (!quiet) std::fputs(to_text(study).c_str(), stdout);
  const std::string command = this_command();
  if (!o.json.empty()) {
    if (auto good = report::write_json(o.json, to_json(study, command)); !good) return good.error();
  }
  const std::string page =
      o.output.empty() ? fmt::format("time-wait-{}.html", o.experiment) : o.output;
  if (page != "none") {
    if (auto good = report::write_text(page, make_page(study, command)); !good) return good.error();
    if (!quiet) std::printf("\n%s\n", page.c_str());
  }
  return static_cast<int>(study.held() ? kExitGood : kExitVerdict);
}

}  // namespace

std::span<const Experiment> experiments() {
  static const std::array all{kPopulation, kExhaustion,       kExpiry, kReuse,
                              kCloser,     kCapacityPolicies, kStorm,  kLinux};
  return all;
}

Command time_wait_command() {
  auto o = std::make_shared<Options>();
  Command command;
  command.name = "time-wait";
  command.summary = "experiments with TIME_WAIT: what theory predicts, what is found";
  command.example = "millrace time-wait exhaustion -o knee.html";
  command.options.heading("Experiment");
  command.options.positional("experiment", "EXPERIMENT",
                             fmt::format("{}; none: a list of them", fmt::join(names(), ", ")),
                             o->experiment, parse_name);
  command.options.toggle("full", "as large as the machine carries, instead of within two minutes",
                         o->scale.full);
  command.options.value("seed", "N", "of keys and paths (default 1)", o->scale.seed,
                        count_between(0, 0xffff'ffff));
  command.options.value("seeds", "N", "runs of each case of reuse (default 48, with --full 1000)",
                        o->scale.seeds, count_between(1, 1'000'000));
  command.options.heading("Results");
  command.options.value("output", "FILE",
                        "the page; - for standard output, none for no page (default "
                        "time-wait-EXPERIMENT.html)",
                        o->output, parse_text);
  command.options.letter("o");
  command.options.value("json", "FILE", "write data there; - for standard output", o->json,
                        parse_text);
  command.run = [o] { return run(*o); };
  return command;
}

}  // namespace millrace::time_wait
