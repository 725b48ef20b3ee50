// SPDX-License-Identifier: BSD-3-Clause
//
// Histograms in the V2 encoding of HdrHistogram (counts as ZigZag LEB128 with runs of zeros, zlib,
// base64), which its tools for many languages read. Lowest value 1, highest 2^42 - 1, three
// significant digits: with these HdrHistogram has the very bins that report::Histogram has, one for
// one, so nothing is rounded. What the encoding has no place for, it does not carry: least,
// greatest and sum are those of the bins once decoded, to within 1/1024.
#pragma once

#include <string>
#include <string_view>

#include "apps/report/histogram.h"
#include "tcp/base/result.h"

namespace millrace::report {

/// Compressed and in base64, as a line of a log has it ("HISTFAAA...").
[[nodiscard]] std::string encode_hdr(const Histogram& histogram);

/// Adds what encode_hdr() made to `into`, with its figures to within a bin. Says what is wrong with
/// any other text, also with histograms of other bins, and leaves `into` as it was.
[[nodiscard]] Status decode_hdr(std::string_view text, Histogram& into);

}  // namespace millrace::report
