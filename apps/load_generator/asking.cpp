// SPDX-License-Identifier: BSD-3-Clause
//
// What a connection asks, and when it asks again: requests drawn by weight, their bodies, several
// without an answer at once, thought between them. A body is the bytes i mod 251, lent to the
// endpoint from one place; a head whose length varies is written for each request.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "apps/load_generator/generator.h"

namespace millrace::load {

namespace {

constexpr std::size_t kPeriod = 251;
constexpr std::size_t kMostHead = 2048;
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr int kThoughtsPerIteration = 64;

using Pattern = std::array<std::byte, kPeriod * 262>;

constexpr Pattern make_pattern() {
  Pattern pattern{};
  for (std::size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<std::byte>(i % kPeriod);
  return pattern;
}
constexpr Pattern kPattern = make_pattern();

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// The head of a request with a body, in `room`.
std::span<const std::byte> head_with_length(const std::string& text, std::uint64_t length,
                                            std::array<char, kMostHead>& room) {
  std::memcpy(room.data(), text.data(), text.size());
  char* at = std::to_chars(room.data() + text.size(), room.data() + room.size(), length).ptr;
  at += kHeadEnd.copy(at, kHeadEnd.size());
  return std::as_bytes(std::span(room.data(), at));
}

}  // namespace

/// All that the connection may ask now; if it could do more later it is listed, and if it will
/// never, it ends.
void Generator::go_on(std::uint32_t index) {
  Client& client = clients_[index];
  if (client.phase == Client::Phase::closing) return;
  const bool over = phase_ >= Phase::collect;
  if (over || client.requests_left == 0) {
    if (client.outstanding > 0) return;
    if (over || plan_.mode != Mode::concurrent) return end_connection(index);
    client.phase = Client::Phase::held;
    return;
  }
  if (!schedules_transactions()) {
    while (may_ask(client)) start_request(index, now_);
    return;
  }
  if (plan_.closed && offers()) {
    while (may_ask(client) && transactions_.live() < allowed() * plan_.pipeline) {
      start_request(index, now_);
    }
  }
  if (may_ask(client)) list(index);
}

void Generator::think(std::uint32_t index) {
  Client& client = clients_[index];
  client.phase = Client::Phase::thinking;
  const auto length = static_cast<std::int64_t>(plan_.think.draw(random_));
  thinkers_.push({now_ + Duration{length}, client.id, index}, [this](const Thinkers::Entry& e) {
    return clients_[e.client].phase == Client::Phase::thinking && clients_[e.client].id == e.id;
  });
}

/// Those who have thought ask; their requests count from when they were to.
void Generator::end_thinking() {
  for (int i = 0; i < kThoughtsPerIteration && thinkers_.due(now_); ++i) {
    const Thinkers::Entry entry = thinkers_.pop();
    Client& client = clients_[entry.client];
    if (client.phase != Client::Phase::thinking || !(client.id == entry.id)) continue;
    client.phase = Client::Phase::idle;
    if (!schedules_transactions() || transactions_.live() < allowed() * plan_.pipeline) {
      start_request(entry.client, entry.due);
    }
    go_on(entry.client);
  }
}

void Generator::start_request(std::uint32_t index, Instant intended) {
  Client& client = clients_[index];
  Book& book = ledger_.transactions;
  if (plan_.closed || !schedules_transactions()) ++book.offered;
  const std::uint32_t transaction = transactions_.create();
  if (transaction == kNil) {
    book.miss(NotLaunched::no_memory);
    return close(index);
  }
  ++book.launched;
  if (client.requests_left != Client::kNoLimit) --client.requests_left;
  Transaction& t = transactions_[transaction];
  t.intended = intended;
  t.started = now_;
  t.client = index;
  if (client.outstanding++ == 0) {
    t.behind = transaction;
  } else {
    Transaction& last = transactions_[client.transaction];
    t.behind = last.behind;
    last.behind = transaction;
  }
  client.transaction = transaction;
  client.phase = Client::Phase::busy;
  http_parser_init(&t.parser, HTTP_RESPONSE);
  t.parser.data = &t;
  active_.append(transaction);
  if (client.has_asked) [[unlikely]] {
    client.has_asked = false;
    t.request = early_request_;
    t.sent = true;
  } else {
    const Target& target = plan_.ask.targets[client.target];
    t.request = static_cast<std::uint16_t>(target.asks[target.choice.pick(random_)]);
    t.last_request = client.requests_left == 0;
    if (plan_.ask.requests[t.request].has_body) t.body_bytes = plan_.body.draw(random_);
    t.sent = send_more(client, t);
    client.blocked = !t.sent;
    // An empty queue takes something, unless there is no memory.
    if (t.head_sent == 0 && client.outstanding == 1) return give_up(index, Failed::no_memory);
  }
  t.no_body = plan_.ask.requests[t.request].is_head;
}

/// With the SYN (RFC 7413), if it goes whole; else it is sent when the connection is there.
void Generator::send_early(Client& client, Transaction& t) {
  const Target& target = plan_.ask.targets[client.target];
  t.request = static_cast<std::uint16_t>(target.asks[target.choice.pick(random_)]);
  const RequestText& request = plan_.ask.requests[t.request];
  if (request.has_body) return;
  const auto bytes = bytes_of(client.requests_left == 1 ? request.last : request.text);
  if (endpoint_->send_space(client.id) < bytes.size()) return;
  client.has_asked = endpoint_->send(client.id, bytes, tcp::Lifetime::fixed) == bytes.size();
  if (client.has_asked) ledger_.sent_bytes += bytes.size();
}

/// What of the request is not in the send queue yet; false if that is full: a writable event
/// follows.
bool Generator::send_more(const Client& client, Transaction& t) {
  const RequestText& request = plan_.ask.requests[t.request];
  const std::string& text = t.last_request ? request.last : request.text;
  std::array<char, kMostHead> room;  // NOLINT(*-member-init): written before it is read
  const auto whole = request.has_body ? head_with_length(text, t.body_bytes, room) : bytes_of(text);
  if (t.head_sent < whole.size()) {
    const auto lifetime = request.has_body ? tcp::Lifetime::copied : tcp::Lifetime::fixed;
    const std::size_t taken = endpoint_->send(client.id, whole.subspan(t.head_sent), lifetime);
    t.head_sent = static_cast<std::uint16_t>(t.head_sent + taken);
    ledger_.sent_bytes += taken;
    if (t.head_sent < whole.size()) return false;
  }
  while (t.body_sent < t.body_bytes) {
    const auto from = std::span(kPattern).subspan(t.body_sent % kPeriod);
    const auto bytes = from.first(std::min<std::uint64_t>(from.size(), t.body_bytes - t.body_sent));
    const std::size_t taken = endpoint_->send(client.id, bytes, tcp::Lifetime::fixed);
    t.body_sent += taken;
    ledger_.sent_bytes += taken;
    if (taken < bytes.size()) return false;
  }
  return true;
}

void Generator::on_writable(std::uint32_t index) {
  Client& client = clients_[index];
  if (!client.blocked || client.outstanding == 0) return;
  Transaction& t = transactions_[client.transaction];  // the last is the one that is not sent
  if (!send_more(client, t)) return;
  t.sent = true;
  client.blocked = false;
  go_on(index);
}

/// Who has nothing outstanding goes to the front, who has some to the end.
void Generator::list(std::uint32_t index) {
  Client& client = clients_[index];
  if (client.listed) return;
  client.listed = true;
  const bool at_front = client.outstanding == 0;
  client.prev_idle = at_front ? kNil : idle_tail_;
  client.next_idle = at_front ? idle_head_ : kNil;
  (client.prev_idle == kNil ? idle_head_ : clients_[client.prev_idle].next_idle) = index;
  (client.next_idle == kNil ? idle_tail_ : clients_[client.next_idle].prev_idle) = index;
}

void Generator::unlist(std::uint32_t index) {
  Client& client = clients_[index];
  if (!client.listed) return;
  client.listed = false;
  (client.prev_idle == kNil ? idle_head_ : clients_[client.prev_idle].next_idle) = client.next_idle;
  (client.next_idle == kNil ? idle_tail_ : clients_[client.next_idle].prev_idle) = client.prev_idle;
}

}  // namespace millrace::load
