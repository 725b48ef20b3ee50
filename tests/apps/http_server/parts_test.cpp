// SPDX-License-Identifier: BSD-3-Clause
//
// The server's parts without an endpoint: chunks, routes, answers, known heads and deadlines.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "apps/http_server/buffers.h"
#include "apps/http_server/chunk_reader.h"
#include "apps/http_server/deadlines.h"
#include "apps/http_server/head_memo.h"
#include "apps/http_server/plan.h"
#include "apps/http_server/response.h"

namespace millrace::http {
namespace {

// ---- chunk reader

struct Read {
  std::string data;
  ChunkReader::Outcome outcome = ChunkReader::Outcome::more;
  std::size_t used = 0;
};

// Feeds `text` in pieces of `piece` bytes and takes at most `most` bytes of data at a time.
Read read_chunks(const std::string& text, std::size_t piece, std::size_t most) {
  ChunkReader reader;
  Read read;
  while (read.used < text.size()) {
    const std::string_view input = std::string_view(text).substr(read.used, piece);
    const ChunkReader::Step step = reader.next(input, most);
    read.used += step.used;
    read.data += step.data;
    read.outcome = step.outcome;
    if (step.outcome == ChunkReader::Outcome::done || step.outcome == ChunkReader::Outcome::bad)
      break;
  }
  return read;
}

TEST(ChunkReader, ReadsWhateverThePieces) {
  const std::string text =
      "5\r\nhello\r\nA;name=\"value\"\r\n0123456789\r\n00003\r\nabc\r\n0\r\nTrailer: x\r\n\r\n";
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 1000U}) {
    for (const std::size_t most : {1U, 4U, 1000U}) {
      const Read read = read_chunks(text + "GET", piece, most);
      EXPECT_EQ(read.data, "hello0123456789abc") << piece << " " << most;
      EXPECT_EQ(read.outcome, ChunkReader::Outcome::done);
      EXPECT_EQ(read.used, text.size()) << "the next request is left alone";
    }
  }
}

TEST(ChunkReader, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const std::string text : {"\r\n",
                                 "g\r\n",
                                 "+5\r\nhello\r\n",
                                 "-1\r\n",
                                 "0x5\r\nhello\r\n",
                                 " 5\r\nhello\r\n",
                                 "5 \r\nhello\r\n",
                                 "5\nhello\r\n",
                                 "5\r\nhello\n0\r\n\r\n",
                                 "5\r\nhelloX\r\n",
                                 "5\r\r\n",
                                 "5\r\nhello\r\n\r\n",
                                 "8000000000000000\r\n",
                                 "FFFFFFFFFFFFFFFF\r\n",
                                 "10000000000000000\r\n",
                                 "5;a\nhello",
                                 "5;\x01\r\nhello",
                                 "0\r\n folded: x\r\n\r\n",
                                 "0\r\nT: a\nb\r\n\r\n",
                                 "0\r\n\rX"}) {
    for (const std::size_t piece : {1U, 1000U}) {
      EXPECT_EQ(read_chunks(text, piece, 1000).outcome, ChunkReader::Outcome::bad) << text;
    }
  }
}

TEST(ChunkReader, TakesTheLargestSize) {
  ChunkReader reader;
  const ChunkReader::Step step = reader.next("7FFFFFFFFFFFFFFF\r\nab", 1000);
  EXPECT_EQ(step.outcome, ChunkReader::Outcome::data);
  EXPECT_EQ(step.data, "ab");
}

TEST(ChunkReader, BoundsWhatItDrops) {
  EXPECT_EQ(read_chunks("5;" + std::string(2000, 'x') + "\r\nhello\r\n", 1000, 1000).outcome,
            ChunkReader::Outcome::bad);
  EXPECT_EQ(read_chunks("0\r\n" + std::string(2000, 'x'), 1000, 1000).outcome,
            ChunkReader::Outcome::bad);
  EXPECT_EQ(read_chunks(std::string(2000, '0') + "\r\n\r\n", 1000, 1000).outcome,
            ChunkReader::Outcome::bad);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "1\r\nx\r\n";
  EXPECT_EQ(read_chunks(many + "0\r\n\r\n", 1000, 1000).outcome, ChunkReader::Outcome::done);
}

// ---- plans

Plan plan_of(const std::string& line, const std::string& fields = "") {
  const std::string head = line + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
  return plan_for(parse_request(head));
}

TEST(Plan, Routes) {
  EXPECT_EQ(plan_of("GET /").kind, Kind::page);
  EXPECT_EQ(plan_of("GET /bytes/10737418240").number, kMostBytes);
  EXPECT_EQ(plan_of("GET /chunked/5").kind, Kind::chunked);
  EXPECT_EQ(plan_of("GET /status/418").status, 418);
  EXPECT_EQ(plan_of("GET /delay/60000").number, 60'000U);
  EXPECT_TRUE(plan_of("HEAD /bytes/5").head_only);
  EXPECT_EQ(plan_of("POST /echo", "Content-Length: 5\r\n").number, 5U);
  EXPECT_TRUE(plan_of("POST /echo", "Transfer-Encoding: chunked\r\n").chunked_body);
}

TEST(Plan, Refusals) {
  for (const char* path :
       {"/x", "/bytes", "/bytes/", "/bytes/5x", "/bytes/-1", "/bytes/10737418241", "/status/199",
        "/status/600", "/status/", "/delay/60001", "/echo/", "//", "/bytes/5/", "/BYTES/5"}) {
    const Plan plan = plan_of(std::string("GET ") + path);
    EXPECT_EQ(plan.status, 404) << path;
    EXPECT_FALSE(plan.close) << path;
  }
  EXPECT_EQ(plan_of("GET /echo").status, 405);
  EXPECT_TRUE(plan_of("GET /echo").allow_post);
  EXPECT_EQ(plan_of("DELETE /bytes/5").status, 405);
  EXPECT_FALSE(plan_of("DELETE /bytes/5").allow_post);
  EXPECT_EQ(plan_of("POST /").status, 405);
  EXPECT_EQ(plan_of("POST /echo").status, 411);
  EXPECT_EQ(plan_of("POST /echo", "Content-Length: 10737418241\r\n").status, 413);
  EXPECT_EQ(plan_of("BREW /").status, 501);
  // A body that nobody reads ends the connection.
  EXPECT_TRUE(plan_of("POST /x", "Content-Length: 5\r\n").close);
  EXPECT_TRUE(plan_of("POST /x", "Content-Length: 5\r\n").linger);
  EXPECT_FALSE(plan_of("POST /x", "Content-Length: 0\r\n").close);
}

// ---- answers

std::string whole_answer(const Plan& plan, const Pattern& pattern) {
  std::array<char, kMostHeadBytes> space;
  std::string text(view_of(write_head(plan, space)));
  std::array<char, 16> scratch;
  for (std::uint64_t sent = 0;;) {
    const BodyPiece piece = body_piece(plan, sent, pattern, scratch);
    if (piece.bytes.empty()) return text;
    text += view_of(piece.bytes);
    sent += piece.bytes.size();
  }
}

std::string pattern_text(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i % 251);
  return text;
}

TEST(Answers, Bytes) {
  const Pattern pattern;
  EXPECT_EQ(whole_answer(plan_of("GET /bytes/3"), pattern),
            std::string("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                        "Content-Length: 3\r\n\r\n") +
                pattern_text(3));
  EXPECT_EQ(
      whole_answer(plan_of("HEAD /bytes/3"), pattern),
      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\n");
  const std::string large = whole_answer(plan_of("GET /bytes/1000000"), pattern);
  EXPECT_TRUE(large.ends_with(pattern_text(1'000'000)));
}

TEST(Answers, Statuses) {
  const Pattern pattern;
  EXPECT_EQ(whole_answer(plan_of("GET /status/404"), pattern),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\n"
            "404 Not Found\n");
  EXPECT_EQ(whole_answer(plan_of("GET /status/204"), pattern), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(whole_answer(plan_of("GET /status/304"), pattern), "HTTP/1.1 304 Not Modified\r\n\r\n");
  EXPECT_EQ(whole_answer(plan_of("GET /status/299"), pattern).substr(0, 26),
            "HTTP/1.1 299 Test Status\r\n");
  EXPECT_NE(whole_answer(plan_of("PUT /"), pattern).find("\r\nAllow: GET, HEAD\r\n"),
            std::string::npos);
  EXPECT_NE(whole_answer(plan_of("GET /echo"), pattern).find("\r\nAllow: POST\r\n"),
            std::string::npos);
  EXPECT_NE(whole_answer(error_plan(400), pattern).find("\r\nConnection: close\r\n"),
            std::string::npos);
}

TEST(Answers, EveryStatusFits) {
  const Pattern pattern;
  for (std::uint16_t status = 200; status < 600; ++status) {
    Plan plan = error_plan(status);
    plan.allow_post = true;
    EXPECT_TRUE(whole_answer(plan, pattern).starts_with("HTTP/1.1 " + std::to_string(status)));
  }
}

// The chunked framing, taken apart by the reader of chunks, at every place where it could be cut.
TEST(Answers, Chunked) {
  const Pattern pattern;
  for (const std::size_t bytes : {0UL, 1UL, 16383UL, 16384UL, 16385UL, 50'000UL, 65'536UL}) {
    const Plan plan = plan_of("GET /chunked/" + std::to_string(bytes));
    const std::string whole = whole_answer(plan, pattern);
    const std::size_t end = whole.find("\r\n\r\n") + 4;
    EXPECT_NE(whole.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    const std::string body = whole.substr(end);
    const Read read = read_chunks(body, 100'000, 100'000);
    EXPECT_EQ(read.outcome, ChunkReader::Outcome::done) << bytes;
    EXPECT_EQ(read.used, body.size()) << bytes;
    EXPECT_EQ(read.data, pattern_text(bytes)) << bytes;
    std::array<char, 16> scratch;
    for (std::size_t from = 0; from < body.size(); from += from % 16'000 < 40 ? 1 : 97) {
      const BodyPiece piece = body_piece(plan, from, pattern, scratch);
      ASSERT_FALSE(piece.bytes.empty());
      ASSERT_EQ(view_of(piece.bytes), std::string_view(body).substr(from, piece.bytes.size()))
          << bytes << " from " << from;
    }
  }
}

TEST(Answers, ChunkedWithoutChunksForOldClients) {
  Plan plan = plan_of("GET /chunked/1000");
  plan.http_1_0 = plan.close = true;
  const std::string whole = whole_answer(plan, Pattern());
  EXPECT_EQ(whole.find("chunked"), std::string::npos);
  EXPECT_TRUE(whole.ends_with("\r\n\r\n" + pattern_text(1000)));
}

TEST(PreparedAnswers, AreTheSameBytes) {
  const Pattern pattern;
  PreparedAnswers prepared;
  for (const char* line : {"GET /", "GET /bytes/64", "HEAD /bytes/64", "GET /chunked/100",
                           "GET /status/500", "GET /x", "GET /bytes/0"}) {
    const Plan plan = plan_of(line);
    const Bytes first = prepared.find(plan, pattern);
    EXPECT_EQ(view_of(first), whole_answer(plan, pattern)) << line;
    EXPECT_EQ(prepared.find(plan, pattern).data(), first.data()) << "made once";
    Plan closing = plan;
    closing.close = true;
    EXPECT_EQ(view_of(prepared.find(closing, pattern)), whole_answer(closing, pattern)) << line;
  }
  EXPECT_TRUE(prepared.find(plan_of("GET /bytes/1000000"), pattern).empty());
  EXPECT_TRUE(prepared.find(plan_of("GET /delay/5"), pattern).empty());
}

TEST(PreparedAnswers, AreBounded) {
  const Pattern pattern;
  PreparedAnswers prepared;
  int kept = 0;
  for (int i = 0; i < 5000; ++i) {
    kept += prepared.find(plan_of("GET /bytes/" + std::to_string(i)), pattern).empty() ? 0 : 1;
  }
  EXPECT_GT(kept, 100);
  EXPECT_LT(kept, 200);
}

// ---- known heads

TEST(HeadMemo, KnowsWholeHeadsAlone) {
  HeadMemo memo;
  const std::string head = "GET /bytes/64 HTTP/1.1\r\nHost: 198.18.0.2\r\n\r\n";
  memo.learn(bytes_of(head), plan_of("GET /bytes/64"), {});
  ASSERT_NE(memo.find(bytes_of(head)), nullptr);
  EXPECT_EQ(memo.find(bytes_of(head))->length, head.size());
  const std::string more = head + "GET /";
  EXPECT_NE(memo.find(bytes_of(more)), nullptr);
  for (std::size_t cut = 0; cut < head.size(); ++cut) {
    EXPECT_EQ(memo.find(bytes_of(head.substr(0, cut))), nullptr) << cut;
  }
  for (std::size_t at = 0; at < head.size(); ++at) {
    std::string other = head;
    other[at] = static_cast<char>(other[at] ^ 1);
    EXPECT_EQ(memo.find(bytes_of(other)), nullptr) << at;
  }
  const std::string too_long = head.substr(0, head.size() - 2) + std::string(300, 'x') + "\r\n\r\n";
  memo.learn(bytes_of(too_long), Plan{}, {});
  EXPECT_EQ(memo.find(bytes_of(too_long)), nullptr);
}

// ---- deadlines

TEST(Deadlines, ComeInOrderWhateverIsMoved) {
  Pool<Exchange> exchanges(500);
  Deadlines deadlines(exchanges);
  std::mt19937_64 random(7);
  std::vector<Instant> due(500, Instant{});
  for (std::uint32_t i = 0; i < 500; ++i) ASSERT_EQ(exchanges.create(), i);
  const auto time = [&] { return Instant{} + Duration(1 + random() % 1000); };
  for (int step = 0; step < 5000; ++step) {
    const auto i = static_cast<std::uint32_t>(random() % 500);
    if (random() % 4 == 0) {
      deadlines.clear(i);
      due[i] = {};
    } else {
      due[i] = time();
      deadlines.set(i, due[i]);
    }
  }
  Instant last{};
  std::size_t seen = 0;
  EXPECT_EQ(deadlines.pop_due(Instant{}), kNil);
  while (deadlines.size() != 0) {
    const std::uint32_t i = deadlines.pop_due(Instant{} + 2000ns);
    ASSERT_NE(i, kNil);
    EXPECT_GE(due[i], last);
    EXPECT_EQ(exchanges[i].deadline, kNil);
    last = due[i];
    due[i] = {};
    ++seen;
  }
  EXPECT_GT(seen, 100U);
  EXPECT_TRUE(std::all_of(due.begin(), due.end(), [](Instant t) { return t == Instant{}; }));
}

TEST(Buffers, GrowAndKeepWhatIsInThem) {
  Buffers buffers(4);
  BufferHandle handle;
  ASSERT_TRUE(buffers.grow(handle, 0, 3));
  std::memcpy(buffers.space(handle).data(), "abc", 3);
  ASSERT_TRUE(buffers.grow(handle, 3, 600));
  ASSERT_TRUE(buffers.grow(handle, 3, 8192));
  EXPECT_EQ(view_of(Bytes(buffers.space(handle)).first(3)), "abc");
  EXPECT_FALSE(buffers.grow(handle, 3, 8193));
  EXPECT_EQ(buffers.live(), 1U);
  buffers.release(handle);
  EXPECT_EQ(buffers.live(), 0U);
}

}  // namespace
}  // namespace millrace::http
