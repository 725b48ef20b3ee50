// SPDX-License-Identifier: BSD-3-Clause
//
// net_tap wants a real-time signal of the kernel for every frame, so that a poll of a silent tap
// need not ask the kernel. With traffic that costs far more than it saves: the kernel queues a
// siginfo for each frame in the sender's own context and wakes a thread of ours to take it, on
// whatever core that thread is; and every blocking call in the process ends with EINTR. The driver
// does without where no such signal is to be had, and then each poll is a read. So none is.
#pragma once

#include <bitset>

namespace millrace::dpdk {

/// While it lives, every real-time signal that nobody handles looks taken. A net_tap device that is
/// probed and whose queues are made meanwhile never uses one. Changes what the process as a whole
/// does with these signals: one at a time, and not for long.
class NoTapSignals {
 public:
  NoTapSignals();
  ~NoTapSignals();
  NoTapSignals(const NoTapSignals&) = delete;
  NoTapSignals& operator=(const NoTapSignals&) = delete;

 private:
  std::bitset<65> taken_;  // by signal number
};

}  // namespace millrace::dpdk
