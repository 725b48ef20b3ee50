// SPDX-License-Identifier: BSD-3-Clause
//
// The words of one line, and complaints that name file, line and what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tcp/base/time.h"

namespace millrace::script {

/// Where a line stands, for complaints.
struct Place {
  std::string path;
  int line = 0;
};

class Words {
 public:
  Words(Place place, std::string_view line, bool ipv6);

  [[nodiscard]] bool at_end() const { return next_ == words_.size(); }
  /// The word that comes, empty at the end; a quoted text begins with a quote.
  [[nodiscard]] std::string_view peek() const;
  std::string take(std::string_view expected);
  /// Steps over `word` if it comes.
  bool accept(std::string_view word);
  void require(std::string_view word);
  void require_end();

  /// `A|B` is A for IPv4 and B for IPv6, wherever a number is taken.
  [[nodiscard]] std::int64_t number(std::string_view expected, std::int64_t least,
                                    std::int64_t most);
  [[nodiscard]] Duration duration(std::string_view expected);
  [[nodiscard]] std::string quoted();

  /// The number that `word` is, if it is one.
  [[nodiscard]] std::optional<std::int64_t> to_number(std::string_view word) const;
  [[nodiscard]] static std::optional<Duration> to_duration(std::string_view word);
  [[noreturn]] void fail(std::string_view expected) const;

 private:
  [[nodiscard]] std::string_view of_family(std::string_view word) const;

  Place place_;
  bool ipv6_;
  std::vector<std::string> words_;
  std::size_t next_ = 0;
};

}  // namespace millrace::script
