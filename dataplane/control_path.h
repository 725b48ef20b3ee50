// SPDX-License-Identifier: BSD-3-Clause
//
// Where control sockets lie, and what the two ends of one share. Internal to control*.cpp.
#pragma once

#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "tcp/base/result.h"

namespace millrace::control {

/// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// The socket address of `path`; false if it is too long for one.
[[nodiscard]] bool make_address(const std::string& path, sockaddr_un& address);

/// Makes `directory` and what is missing above it, each 0700. Fails unless the last belongs to this
/// user and is closed to others, and nobody else can replace any directory on the way.
[[nodiscard]] Status secure_directory(const std::string& directory);

/// True if a process accepts on the socket at `path`.
[[nodiscard]] bool is_served(const std::string& path);

}  // namespace millrace::control
