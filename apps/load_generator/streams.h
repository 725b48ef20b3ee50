// SPDX-License-Identifier: BSD-3-Clause
//
// What a run writes while it goes on: NDJSON (--ndjson), one object a line, the first of type
// "start", one of type "interval" a second, the last of type "end"; and the histogram log (--hlog).
// The files are opened before the run begins: who could not write finds out at once.
#pragma once

#include <cstdio>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "apps/load_generator/load_options.h"
#include "apps/load_generator/summary.h"

namespace millrace::load {

class Streams {
 public:
  /// Opens what the options name. Errors: environment, with the file's name; usage where two
  /// results would share standard output.
  [[nodiscard]] static Result<Streams> open(const LoadOptions& options);

  void start(const Setup& setup);
  /// `latencies`: of this interval alone.
  void interval(const Interval& interval, const Latencies& latencies);
  /// Closes the files. `result` is the whole of result.json; the line has its end, its latency and
  /// its verdict. An error says which file could not be written.
  [[nodiscard]] Status end(const nlohmann::json& result);

 private:
  struct Closer {
    void operator()(std::FILE* file) const {
      if (file != stdout) std::fclose(file);
    }
  };
  struct Output {
    std::string path;
    std::unique_ptr<std::FILE, Closer> file;  // null: not asked for
    bool broken = false;

    [[nodiscard]] Status open(const std::string& at, const char* how = "we");
    void write(const std::string& text);
    [[nodiscard]] Status close();
  };

  Output ndjson_;
  Output hlog_;
};

}  // namespace millrace::load
