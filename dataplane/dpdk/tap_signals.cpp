// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/tap_signals.h"

#include <signal.h>

#include <cstddef>

namespace millrace::dpdk {

NoTapSignals::NoTapSignals() {
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) continue;
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    if (sigaction(number, &ignore, nullptr) == 0) taken_.set(static_cast<std::size_t>(number));
  }
}

NoTapSignals::~NoTapSignals() {
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) {
    if (!taken_.test(static_cast<std::size_t>(number))) continue;
    struct sigaction as_before {};
    as_before.sa_handler = SIG_DFL;
    sigaction(number, &as_before, nullptr);
  }
}

}  // namespace millrace::dpdk
