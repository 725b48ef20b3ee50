// SPDX-License-Identifier: BSD-3-Clause
//
// What the kernel says of the machine.
#include "apps/report/machine.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <fstream>
#include <thread>

namespace millrace::report {

std::string machine_text() {
  utsname kernel{};
  if (uname(&kernel) != 0) return "";
  std::string processor = "an unknown processor";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (!line.starts_with("model name") || colon == std::string::npos) continue;
    processor = line.substr(colon + 2);
    break;
  }
  return fmt::format("{} {} {}, {}, {} cores", kernel.sysname, kernel.release, kernel.machine,
                     processor, std::thread::hardware_concurrency());
}

}  // namespace millrace::report
