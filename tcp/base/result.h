// SPDX-License-Identifier: BSD-3-Clause
//
// The operator's kind of wrong: a value or one sentence. The sentence says what is wrong, where,
// and what was expected; `hint` holds the command or spelling that mends it, where there is one.
// Never used on the packet path, so it may allocate.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace millrace {

/// Decides the process's exit code (see apps/exit_code.h).
enum class ErrorKind : unsigned char {
  usage,        // the command line or configuration is wrong: exit 2
  environment,  // device, memory or permission is missing: exit 3
  failed,       // went wrong while running: exit 1
};

struct Error {
  ErrorKind kind = ErrorKind::usage;
  std::string sentence;
  std::string hint;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Ok {};
using Status = Result<Ok>;

}  // namespace millrace
