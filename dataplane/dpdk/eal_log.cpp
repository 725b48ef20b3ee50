// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/eal_log.h"

#include <rte_log.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace millrace::dpdk {

namespace {
ssize_t write_log(void* log, const char* bytes, std::size_t size) {
  static_cast<EalLog*>(log)->append(bytes, size);
  return static_cast<ssize_t>(size);
}
}  // namespace

EalLog& EalLog::instance() {
  static EalLog log;
  return log;
}

bool EalLog::attach() {
  if (stream_ != nullptr) return true;
  cookie_io_functions_t functions{};
  functions.write = write_log;
  stream_ = fopencookie(this, "w", functions);
  if (stream_ == nullptr) return false;
  std::setvbuf(stream_, nullptr, _IOLBF, 512);
  return rte_openlog_stream(stream_) == 0;
}

std::string EalLog::text() const {
  if (stream_ != nullptr) std::fflush(stream_);
  const std::lock_guard lock(mutex_);
  return text_;
}

void EalLog::clear() {
  const std::lock_guard lock(mutex_);
  text_.clear();
}

void EalLog::append(const char* bytes, std::size_t size) {
  const std::lock_guard lock(mutex_);
  text_.append(bytes, size);
  if (text_.size() > kKeepBytes) text_.erase(0, text_.size() - kKeepBytes);
}

CaughtOutput::CaughtOutput() {
  std::fflush(stdout);
  std::fflush(stderr);
  file_ = memfd_create("millrace-output", MFD_CLOEXEC);
  if (file_ < 0) return;
  for (int fd = 1; fd <= 2; ++fd) {
    int& saved = saved_[fd - 1];
    saved = dup(fd);
    if (saved >= 0) dup2(file_, fd);
  }
}

CaughtOutput::~CaughtOutput() {
  std::fflush(stdout);
  std::fflush(stderr);
  for (int fd = 1; fd <= 2; ++fd) {
    const int saved = saved_[fd - 1];
    if (saved < 0) continue;
    dup2(saved, fd);
    close(saved);
  }
  if (file_ >= 0) close(file_);
}

std::string CaughtOutput::text() const {
  std::fflush(stdout);
  std::fflush(stderr);
  std::string text;
  std::array<char, 4096> part{};
  off_t at = 0;
  while (file_ >= 0) {
    const ssize_t got = pread(file_, part.data(), part.size(), at);
    if (got <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(got));
    at += got;
  }
  return text;
}

}  // namespace millrace::dpdk
