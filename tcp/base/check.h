// SPDX-License-Identifier: BSD-3-Clause
//
// Our own kind of wrong: a broken invariant ends the process. MR_CHECK stays in release builds
// where it is cheap; MR_DCHECK is for debug and sanitizer builds. Neither ever judges input from
// the wire.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace millrace::detail {
[[noreturn]] inline void check_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, what);
  std::abort();
}
}  // namespace millrace::detail

#define MR_CHECK(condition)                                             \
  do {                                                                  \
    if (!(condition)) [[unlikely]] {                                    \
      ::millrace::detail::check_failed(#condition, __FILE__, __LINE__); \
    }                                                                   \
  } while (false)

#ifdef NDEBUG
#define MR_DCHECK(condition) \
  do {                       \
  } while (false)
#else
#define MR_DCHECK(condition) MR_CHECK(condition)
#endif
