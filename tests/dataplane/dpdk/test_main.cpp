// SPDX-License-Identifier: BSD-3-Clause
//
// Starts the EAL that all tests of this executable share; or, as `--child CASE ARGUMENT`, tries one
// start in this process and prints what came of it, for eal_test.cpp.
#include <grp.h>
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "tests/dataplane/dpdk/eal_environment.h"

namespace {

using namespace millrace;

const char* name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::environment:
      return "environment";
    case ErrorKind::failed:
      return "failed";
  }
  return "";
}

cpu_set_t affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  return set;
}

int report(const BackendConfig& config) {
  const auto backend = make_dpdk_backend();
  const cpu_set_t before = affinity();
  const auto opened = backend->open(config);
  const cpu_set_t after = affinity();
  if (!CPU_EQUAL(&before, &after)) {
    std::puts("the thread that opened it is pinned");
  } else if (opened.ok()) {
    const bool left = access(rte_eal_get_runtime_dir(), F_OK) == 0;
    std::puts(left ? "ok, but its folder is left behind" : "ok");
  } else {
    std::printf("%s: %s\n%s\n", name_of(opened.error().kind), opened.error().sentence.c_str(),
                opened.error().hint.c_str());
  }
  return 0;
}

int child(std::string_view what, const char* argument) {
  BackendConfig config = test::cable_config(1, 1);
  if (what == "extra") config.eal_extra = argument;
  if (what == "twice") {
    const char* words[] = {"x",    "--no-huge", "--no-shconf",          "--no-pci",
                           "-m",   "32",        "--log-level=critical", "--no-telemetry",
                           nullptr};
    if (rte_eal_init(8, const_cast<char**>(words)) < 0) return 1;
  }
  if (what == "nobody") {
    if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) return 1;
    if (*argument != '\0') {
      config.devices = {{argument, 1, 1500}};
      config.memory_mib = 0;
    }
  }
  return report(config);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 3 && std::string_view(argv[1]) == "--child") {
    return child(argv[2], argc > 3 ? argv[3] : "");
  }
  testing::InitGoogleTest(&argc, argv);
  // The first backend fixes the memory of all that follow.
  const auto backend = make_dpdk_backend();
  const cpu_set_t before = affinity();
  const auto opened = backend->open(test::cable_config(1, 1));
  if (!opened.ok()) return report(test::cable_config(1, 1));
  const cpu_set_t after = affinity();
  if (!CPU_EQUAL(&before, &after)) {
    std::puts("The EAL pinned the thread that started it: children would not notice.");
    return 1;
  }
  return RUN_ALL_TESTS();
}
