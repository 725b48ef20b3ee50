// SPDX-License-Identifier: BSD-3-Clause
//
// Reading and writing of result files.
#include "apps/report/result_file.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace millrace::report {

using nlohmann::json;

namespace {

/// In large pieces: an hour's result is tens of megabytes.
bool read_whole(const std::string& path, std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return false;
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::size_t got = 0;
  do {
    text.resize(text.size() + kPiece);
    got = std::fread(text.data() + text.size() - kPiece, 1, kPiece, file);
    text.resize(text.size() - kPiece + got);
  } while (got == kPiece);
  const bool good = std::ferror(file) == 0;
  (void)std::fclose(file);
  return good;
}

}  // namespace

Result<json> read_result(const std::string& path) {
  std::string text;
  if (!read_whole(path, text)) {
    return Error{ErrorKind::environment, fmt::format("{} cannot be read", path), ""};
  }
  json found = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (found.is_discarded()) {
    return Error{ErrorKind::usage, fmt::format("{} is not JSON", path),
                 "give what millrace load --json wrote"};
  }
  const bool is_result = found.is_object() && found.contains("start") && found.contains("end") &&
                         found.contains("latency");
  if (!is_result || found.value("schema_version", json()) != kSchemaVersion) {
    return Error{ErrorKind::usage,
                 fmt::format("{} is not a result of millrace: expected schema_version {}", path,
                             kSchemaVersion),
                 "give what millrace load --json wrote"};
  }
  return found;
}

Status write_text(const std::string& path, const std::string& text) {
  std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "we");
  bool good = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file != nullptr) good = std::fflush(file) == 0 && good;
  if (file != nullptr && file != stdout) good = std::fclose(file) == 0 && good;
  if (good) return Ok{};
  return Error{ErrorKind::environment, fmt::format("cannot write to '{}'", path),
               "name a file in a directory that exists and is writable"};
}

Status write_json(const std::string& path, const json& value) {
  return write_text(path, value.dump(1) + "\n");
}

}  // namespace millrace::report
