// SPDX-License-Identifier: BSD-3-Clause
//
// Any bytes as a request: the framing check and the parser of record must agree or refuse, whatever
// the pieces in which the bytes come, and a chunked body must be read the same in any pieces.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "apps/http_server/chunk_reader.h"
#include "apps/http_server/plan.h"
#include "apps/http_server/request.h"
#include "apps/http_server/response.h"
#include "apps/http_server/strict_framing.h"
#include "tcp/base/check.h"

namespace {

using namespace millrace::http;

// Where the head ends must not depend on how much of it an earlier scan has seen.
void check_scan(std::string_view text) {
  const HeadScan whole = scan_head(text, 0);
  for (std::size_t seen = 1; seen < text.size(); seen += 1 + seen / 8) {
    const HeadScan part = scan_head(text.substr(0, seen), 0);
    if (part.outcome != HeadScan::Outcome::incomplete) {
      MR_CHECK(part.outcome == whole.outcome && part.length == whole.length);
      break;
    }
    const HeadScan rest = scan_head(text, seen);
    MR_CHECK(rest.outcome == whole.outcome && rest.length == whole.length);
  }
  MR_CHECK(whole.length <= text.size());
}

void check_request(std::string_view head) {
  const Request request = parse_request(head);
  if (request.error_status == 0) {
    // What was accepted says one thing about its length, and says it plainly.
    MR_CHECK(!(request.chunked && request.has_length));
    MR_CHECK(request.content_length >> 63 == 0);
    MR_CHECK(!request.path.empty());
    MR_CHECK(head.find('\0') == std::string_view::npos);
    MR_CHECK(head.find("\n ") == std::string_view::npos);
  }
  const Plan plan = plan_for(request);
  MR_CHECK(plan.status >= 200 && plan.status < 600);
  std::array<char, kMostHeadBytes> space;
  MR_CHECK(view_of(write_head(plan, space)).starts_with("HTTP/1.1 "));
}

std::string read_body(std::string_view text, std::size_t piece, std::size_t& used) {
  ChunkReader reader;
  std::string data;
  used = 0;
  while (used < text.size()) {
    const ChunkReader::Step step = reader.next(text.substr(used, piece), piece);
    MR_CHECK(step.used <= piece);
    used += step.used;
    data += step.data;
    if (step.outcome == ChunkReader::Outcome::done) return data + "|done";
    if (step.outcome == ChunkReader::Outcome::bad) return data + "|bad";
    MR_CHECK(step.used > 0);
  }
  return data + "|more";
}

void check_body(std::string_view text) {
  std::size_t used = 0;
  const std::string whole = read_body(text, text.size() + 1, used);
  for (const std::size_t piece : {1U, 3U, 64U}) {
    std::size_t used_in_pieces = 0;
    MR_CHECK(read_body(text, piece, used_in_pieces) == whole && used_in_pieces == used);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_scan(text);
  std::string_view rest = text;
  for (int i = 0; i < 16; ++i) {
    const HeadScan scan = scan_head(rest, 0);
    if (scan.outcome == HeadScan::Outcome::complete) {
      check_request(rest.substr(0, scan.length));
    } else if (scan.outcome != HeadScan::Outcome::blank) {
      break;
    }
    rest.remove_prefix(scan.length);
  }
  check_body(rest);
  return 0;
}
