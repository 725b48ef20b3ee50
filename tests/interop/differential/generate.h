// SPDX-License-Identifier: BSD-3-Clause
//
// Scripts that nobody wrote: for a number, always the same text in the language of
// tests/conformance/scripts. They do what people do not think of: text that overlaps in odd ways,
// acknowledgments of what was never sent, flags in any state, closing in any order.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::differential {

inline constexpr std::uint32_t kGeneratedScripts = 140;

/// "generated/receiving_17": the topic goes round with the number.
[[nodiscard]] std::string generated_name(std::uint32_t number);
[[nodiscard]] std::string generated_script(std::uint32_t number);

}  // namespace millrace::differential
