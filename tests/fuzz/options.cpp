// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: the TCP option list. Any bytes; the verdict is compared with a second, plainer
// reading of RFC 9293 §3.2, and what was read is written and read again.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "tcp/base/check.h"
#include "tcp/wire/emit.h"
#include "tcp/wire/parse.h"

namespace {

using namespace millrace;
using namespace millrace::tcp;

/// True if the list is well-formed; counts its options on the way.
bool well_formed(std::span<const std::uint8_t> list) {
  for (std::size_t at = 0; at < list.size();) {
    const unsigned kind = list[at];
    if (kind == 0) return true;
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= list.size()) return false;
    const unsigned length = list[at + 1];
    if (length < 2 || at + length > list.size()) return false;
    if (kind == 2 && length != 4) return false;
    if (kind == 3 && length != 3) return false;
    if (kind == 4 && length != 2) return false;
    if (kind == 5 && (length < 10 || length > 34 || length % 8 != 2)) return false;
    if (kind == 8 && length != 10) return false;
    at += length;
  }
  return true;
}

void write_and_read(const Options& options) {
  SegmentOut out;
  out.tuple.local_port = out.tuple.remote_port = 1;
  out.options = options;
  std::byte header[kMaxHeaderBytes];
  const std::size_t bytes = emit_header(out, header);
  MR_CHECK(bytes == header_bytes(out) && bytes <= kMaxHeaderBytes);
  Ports ports;
  SegmentIn in;
  MR_CHECK(parse_segment({header, bytes}, ports, in) == Drop::none);
  MR_CHECK(in.options.has == options.has && in.options.sack_count <= options.sack_count);
  if (options.has_mss()) MR_CHECK(in.options.mss == options.mss);
  if (options.has_window_scale()) MR_CHECK(in.options.window_scale == options.window_scale);
  if (options.has_timestamps()) {
    MR_CHECK(in.options.tsval == options.tsval && in.options.tsecr == options.tsecr);
  }
  if (options.has_fast_open()) {
    MR_CHECK(in.options.cookie_bytes == options.cookie_bytes);
    MR_CHECK(std::memcmp(in.options.cookie.data(), options.cookie.data(), options.cookie_bytes) ==
             0);
  }
  for (std::size_t i = 0; i < in.options.sack_count; ++i) {
    MR_CHECK(in.options.sack[i] == options.sack[i]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Options options;
  const bool ok = parse_options(std::as_bytes(std::span(data, size)), options);
  MR_CHECK(ok == well_formed({data, size}));
  if (!ok) return 0;
  MR_CHECK(options.window_scale <= kMaxWindowScale && options.sack_count <= kMaxSackBlocks);
  write_and_read(options);
  return 0;
}
