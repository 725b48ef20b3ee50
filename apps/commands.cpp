// SPDX-License-Identifier: BSD-3-Clause
//
// Puts the rooms of the applications together. The one file that knows them all.
#include "apps/commands.h"

#include <fmt/format.h>

#include <memory>

#include "apps/check.h"
#include "apps/http_server/serve.h"
#include "apps/inspect/ss.h"
#include "apps/load_generator/commands.h"
#include "apps/report/compare.h"
#include "apps/report/merge.h"
#include "apps/report/page.h"
#include "apps/time_wait/time_wait_command.h"
#include "dataplane/backend.h"
#include "millrace_version.h"
#include "tcp/base/check.h"

namespace millrace {

namespace {

std::vector<Command> commands_but_check() {
  std::vector<Command> commands;
  commands.push_back(load::loopback_command([](tcp::Endpoint& endpoint, std::uint32_t most) {
    auto server = std::make_unique<http::HttpServer>(http::server_config(most));
    const Status listening = server->listen(endpoint, 80);
    MR_CHECK(listening.ok());  // nobody else is on this endpoint
    return server;
  }));
  commands.push_back(http::serve_command());
  commands.push_back(load::load_command());
  commands.push_back(time_wait::time_wait_command());
  commands.push_back(inspect::ss_command());
  commands.push_back(report::compare_command());
  commands.push_back(report::merge_command());
  commands.push_back(report::report_command());
  return commands;
}

}  // namespace

std::vector<Command> all_commands() {
  std::vector<Command> commands = commands_but_check();
  commands.push_back(check_command(commands_but_check));
  return commands;
}

std::string version_text() {
  return fmt::format("millrace {}\ncompiler: {}, {} build for {}\ndataplane: {}\nfeatures: {}\n",
                     build::kVersion, build::kCompiler, build::kBuildType,
                     build::kMarch.empty() ? "any x86-64" : build::kMarch, dataplane_version(),
                     build::kFeatures.empty() ? "none" : build::kFeatures);
}

}  // namespace millrace
