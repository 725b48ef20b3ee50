// SPDX-License-Identifier: BSD-3-Clause
//
// result.json as a file: read for the commands that work on results, and written.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tcp/base/result.h"

namespace millrace::report {

/// A change of meaning raises it.
inline constexpr int kSchemaVersion = 1;

/// A result.json of this schema version. Errors: environment (not readable), usage (not JSON, or
/// not a result), each with the file's name.
[[nodiscard]] Result<nlohmann::json> read_result(const std::string& path);

/// Writes text to a file, or to standard output if that is "-".
[[nodiscard]] Status write_text(const std::string& path, const std::string& text);
/// The same with JSON, one line of it for each of its parts.
[[nodiscard]] Status write_json(const std::string& path, const nlohmann::json& value);

}  // namespace millrace::report
