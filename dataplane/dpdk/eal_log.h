// SPDX-License-Identifier: BSD-3-Clause
//
// What DPDK has to say, kept instead of printed: its log lines, and while it starts also what it
// writes to standard output and error by itself. The last of it becomes part of a sentence when
// something fails; nothing of it reaches a terminal otherwise.
#pragma once

#include <cstdio>
#include <mutex>
#include <string>

namespace millrace::dpdk {

/// The last few kilobytes of DPDK's log. One for the process, as the log stream is.
class EalLog {
 public:
  static EalLog& instance();

  /// Makes DPDK log here. Returns false if the C library refuses.
  bool attach();
  [[nodiscard]] std::string text() const;
  void clear();
  void append(const char* bytes, std::size_t size);

 private:
  EalLog() = default;
  static constexpr std::size_t kKeepBytes = 16 * 1024;
  mutable std::mutex mutex_;
  std::string text_;
  std::FILE* stream_ = nullptr;
};

/// Catches what is written to the descriptors 1 and 2 for as long as it lives. For the moment of
/// starting the EAL alone, before there are other threads.
class CaughtOutput {
 public:
  CaughtOutput();
  ~CaughtOutput();
  CaughtOutput(const CaughtOutput&) = delete;
  CaughtOutput& operator=(const CaughtOutput&) = delete;
  [[nodiscard]] std::string text() const;

 private:
  int file_ = -1;
  int saved_[2] = {-1, -1};
};

}  // namespace millrace::dpdk
