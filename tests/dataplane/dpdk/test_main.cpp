// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/dataplane/dpdk/eal_environment.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // The first backend fixes the memory of all that follow.
  const auto backend = millrace::make_dpdk_backend();
  const auto opened = backend->open(millrace::test::cable_config(1, 1));
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n%s\n", opened.error().sentence.c_str(), opened.error().hint.c_str());
    return 1;
  }
  return RUN_ALL_TESTS();
}
