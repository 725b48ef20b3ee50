// SPDX-License-Identifier: BSD-3-Clause
//
// One flag and one eventfd: both may be touched in a signal handler, and the flag is the only
// mutable state of the process that is not owned by somebody.
#include "apps/config/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>

#include "tcp/base/check.h"

namespace millrace {
namespace {

std::atomic<int> signal_number{0};
std::atomic<int> wake_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void on_signal(int number) {
  const int saved = errno;
  int none = 0;
  signal_number.compare_exchange_strong(none, number);
  const std::uint64_t one = 1;
  (void)!write(wake_fd.load(), &one, sizeof one);
  errno = saved;
}

}  // namespace

void watch_signals() {
  wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  MR_CHECK(wake_fd >= 0);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGINT, &action, nullptr);
  (void)sigaction(SIGTERM, &action, nullptr);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  (void)sigaction(SIGPIPE, &ignore, nullptr);
}

int interrupted_by() { return signal_number.load(std::memory_order_relaxed); }

bool sleep_unless_interrupted(Duration duration) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + duration;
  while (!interrupted()) {
    const auto left = until - Clock::now();
    if (left <= Duration{0}) return true;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    pollfd fd{wake_fd.load(), POLLIN, 0};
    (void)poll(&fd, 1, static_cast<int>(std::min<std::int64_t>(ms, 60'000)));
  }
  return false;
}

}  // namespace millrace
