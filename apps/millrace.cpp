// SPDX-License-Identifier: BSD-3-Clause
//
// One binary: finds the command, gives it its options, and turns what it returns into an exit code.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "apps/config/command_line.h"
#include "apps/config/exit_code.h"
#include "apps/config/interrupt.h"
#include "apps/http_server/serve.h"
#include "apps/inspect/ss.h"
#include "apps/load_generator/commands.h"
#include "dataplane/backend.h"
#include "millrace_version.h"

namespace millrace {
namespace {

std::string version_text() {
  return fmt::format("millrace {}\ncompiler: {}, {} build for {}\ndataplane: {}\nfeatures: {}\n",
                     build::kVersion, build::kCompiler, build::kBuildType,
                     build::kMarch.empty() ? "any x86-64" : build::kMarch, dataplane_version(),
                     build::kFeatures.empty() ? "none" : build::kFeatures);
}

// In the order of the help.
std::vector<Command> all_commands() {
  std::vector<Command> commands;
  commands.push_back(load::loopback_command([](std::size_t, tcp::Endpoint& endpoint) {
    auto server = std::make_unique<http::HttpServer>(http::server_config(65'536));
    (void)server->listen(endpoint, 80);
    return server;
  }));
  commands.push_back(http::serve_command());
  commands.push_back(load::load_command());
  commands.push_back(inspect::ss_command());
  return commands;
}

int run(int argc, char** argv) {
  std::vector<Command> commands = all_commands();
  const std::vector<std::string> args(argv + 1, argv + argc);
  auto line = parse_command_line(args, commands, version_text(), process_environment());
  if (!line) return report_error(line.error());
  if (line.value().command == nullptr) {
    std::fputs(line.value().text.c_str(), stdout);
    return kExitGood;
  }
  watch_signals();
  auto code = line.value().command->run();
  return code ? code.value() : report_error(code.error());
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  try {
    return millrace::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return millrace::report_error({millrace::ErrorKind::environment, "there is not enough memory",
                                   "lower --max-connections, or see what uses it: free -m"});
  } catch (const std::exception& error) {
    return millrace::report_error({millrace::ErrorKind::failed, error.what(), ""});
  }
}
