// SPDX-License-Identifier: BSD-3-Clause
//
// What the generator does with events: a connection opens, an answer arrives, a connection ends.
// Answers are parsed by http_parser; one whose head equals, byte for byte, a head that was parsed
// before is counted without it.
#include "apps/load_generator/generator.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::load {

namespace {

Transaction& transaction_of(http_parser* parser) {
  return *static_cast<Transaction*>(parser->data);
}

/// An answer to HEAD has the fields of a body and none of it.
int on_headers_complete(http_parser* parser) { return transaction_of(parser).no_body ? 1 : 0; }

/// Stops there: what follows is the next answer's, or nobody's.
int on_message_complete(http_parser* parser) {
  transaction_of(parser).complete = true;
  http_parser_pause(parser, 1);
  return 0;
}

Failed cause_of(tcp::CloseReason reason) {
  switch (reason) {
    case tcp::CloseReason::refused:
      return Failed::refused;
    case tcp::CloseReason::timeout:
    case tcp::CloseReason::keepalive:
      return Failed::timeout;
    case tcp::CloseReason::unreachable:
      return Failed::unreachable;
    case tcp::CloseReason::no_memory:
      return Failed::no_memory;
    case tcp::CloseReason::none:
    case tcp::CloseReason::graceful:
      return Failed::peer_closed;
    case tcp::CloseReason::reset:
    case tcp::CloseReason::aborted:
    case tcp::CloseReason::unread_data:
      return Failed::reset;
  }
  return Failed::reset;
}

/// Arrivals draw from the streams below; each worker of each job from its own.
constexpr std::uint64_t kDrawStream = 1 << 16;

std::uint64_t since(Instant from, Instant to) {
  return to > from ? static_cast<std::uint64_t>((to - from).count()) : 0;
}

}  // namespace

std::string_view name_of(Mode mode) {
  switch (mode) {
    case Mode::cps:
      return "cps";
    case Mode::tps:
      return "tps";
    case Mode::concurrent:
      return "concurrent";
    case Mode::throughput:
      return "throughput";
  }
  return "";
}

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::init:
      return "init";
    case Phase::search:
      return "search";
    case Phase::ramp_up:
      return "ramp-up";
    case Phase::sustain:
      return "sustain";
    case Phase::ramp_down:
      return "ramp-down";
    case Phase::collect:
      return "collect";
    case Phase::done:
      return "done";
  }
  return "";
}

Generator::Generator(Plan plan)
    : plan_(std::move(plan)),
      random_(plan_.seed, kDrawStream + stream_of(plan_)),
      clients_(plan_.connections),
      transactions_(plan_.connections * plan_.pipeline),
      thinkers_(plan_.think.is_nothing() ? 0 : plan_.connections),
      next_local_(plan_.ask.targets.size()),
      known_heads_(plan_.ask.requests.size()) {
  settings_.on_headers_complete = on_headers_complete;
  settings_.on_message_complete = on_message_complete;
}

void Generator::on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                          Instant now) {
  begin_iteration(endpoint, now);
  for (const tcp::Event& event : events) on_event(event);
  pace();
}

void Generator::on_event(const tcp::Event& event) {
  const std::uint32_t index = event.user & ((1U << kJobShift) - 1);
  switch (event.kind) {
    case tcp::EventKind::connected:
      on_connected(index);
      break;
    case tcp::EventKind::data: {
      const std::span<const std::byte> bytes = event.bytes;  // consuming empties the event
      endpoint_->consume(event.connection, bytes.size());
      on_data(index, bytes);
      break;
    }
    case tcp::EventKind::peer_closed:
      on_peer_closed(index);
      break;
    case tcp::EventKind::closed:
      on_closed(index, event.reason);
      break;
    case tcp::EventKind::writable:
      on_writable(index);
      break;
    case tcp::EventKind::accepted:
      break;  // nobody listens here
  }
}

void Generator::on_connected(std::uint32_t index) {
  Client& client = clients_[index];
  if (client.phase != Client::Phase::connecting) return;
  const std::uint32_t open = std::exchange(client.transaction, kNil);
  const Instant intended = transactions_[open].intended;
  if (measured(intended)) {
    latencies_[Measure::connect].record(since(intended, now_));
    latencies_[Measure::connect_raw].record(since(transactions_[open].started, now_));
  }
  connecting_.remove(open);
  const std::uint16_t asked = transactions_[open].request;
  transactions_.free(open);
  client.phase = Client::Phase::idle;
  // What went with the SYN has an answer on its way.
  if (phase_ >= Phase::collect && !client.has_asked) return close(index);
  if (!schedules_transactions()) {
    early_request_ = asked;
    start_request(index, intended);  // the wait for the handshake counts
    if (client.phase == Client::Phase::closing) return;
  }
  go_on(index);
}

void Generator::on_data(std::uint32_t index, std::span<const std::byte> bytes) {
  Client& client = clients_[index];
  if (client.phase == Client::Phase::closing) return;
  ledger_.received_bytes += bytes.size();
  // Answers to what was asked before these bytes came, and to nothing that they lead to.
  for (unsigned left = client.outstanding; !bytes.empty(); --left) {
    if (left == 0) return give_up(index, Failed::bad_response);
    Transaction& t = first_of(client);
    const std::size_t taken = read_answer(t, bytes, left == 1);
    if (taken == 0) return give_up(index, Failed::bad_response);
    if (!t.complete) return;
    bytes = bytes.subspan(taken);
    finish_transaction(index);
    if (client.phase == Client::Phase::closing) return;
  }
}

/// Bytes of the answer to `t`, all of them unless they complete it; 0: that is no answer to it.
/// `only`: nothing else is awaited behind it.
std::size_t Generator::read_answer(Transaction& t, std::span<const std::byte> bytes, bool only) {
  const KnownHead& known = known_heads_[t.request];
  std::span<const std::byte> rest = bytes;
  const bool first = !std::exchange(t.answered, true);
  if (first) {
    t.first_byte = now_;
    t.known_head = !known.text.empty() && bytes.size() >= known.text.size() &&
                   std::memcmp(bytes.data(), known.text.data(), known.text.size()) == 0;
    if (t.known_head) {
      t.body_left = known.body_bytes;
      rest = rest.subspan(known.text.size());
    }
  }
  if (t.known_head) {
    if (rest.size() > t.body_left && only) return 0;
    const std::size_t taken = std::min<std::uint64_t>(rest.size(), t.body_left);
    t.body_left -= taken;
    t.complete = t.body_left == 0;
    return bytes.size() - rest.size() + taken;
  }
  const char* text = reinterpret_cast<const char*>(bytes.data());
  const std::size_t parsed = http_parser_execute(&t.parser, &settings_, text, bytes.size());
  const auto fault = static_cast<http_errno>(t.parser.http_errno);
  if (fault != HPE_OK && fault != HPE_PAUSED) return 0;
  if (parsed != bytes.size() && (only || !t.complete)) return 0;
  if (t.complete && first) remember_head(t, bytes.first(parsed));
  return parsed;
}

/// The next answer to the same request is compared with this one's head before it is parsed.
void Generator::remember_head(const Transaction& t, std::span<const std::byte> whole) {
  const bool plain = t.parser.status_code == 200 && (t.parser.flags & F_CHUNKED) == 0;
  if (!plain || http_should_keep_alive(&t.parser) == 0) return;
  const std::string_view text(reinterpret_cast<const char*>(whole.data()), whole.size());
  const std::size_t head = text.find("\r\n\r\n") + 4;
  known_heads_[t.request].text.assign(text.substr(0, head));
  known_heads_[t.request].body_bytes = text.size() - head;
}

void Generator::finish_transaction(std::uint32_t index) {
  Client& client = clients_[index];
  const std::uint32_t first = transactions_[client.transaction].behind;
  const Transaction& t = transactions_[first];
  // What is not wholly sent cannot be followed by another request.
  const bool keep_alive = t.sent && (t.known_head || http_should_keep_alive(&t.parser) != 0);
  if (!t.known_head && t.parser.status_code >= 400) {
    ledger_.transactions.fail(Failed::bad_status);
  } else {
    ++ledger_.transactions.completed;
    if (measured(t.intended)) {
      latencies_[Measure::first_byte].record(since(t.intended, t.first_byte));
      latencies_[Measure::first_byte_raw].record(since(t.started, t.first_byte));
      latencies_[Measure::last_byte].record(since(t.intended, now_));
      latencies_[Measure::last_byte_raw].record(since(t.started, now_));
    }
  }
  transactions_[client.transaction].behind = t.behind;
  active_.remove(first);
  transactions_.free(first);
  if (--client.outstanding == 0) {
    client.transaction = kNil;
    client.phase = Client::Phase::idle;
  }
  after_answer(index, keep_alive);
}

void Generator::after_answer(std::uint32_t index, bool keep_alive) {
  Client& client = clients_[index];
  if (!keep_alive) {
    if (client.outstanding > 0) return close(index);
    if (!server_ends(plan_.closer)) return end_connection(index);
    unlist(index);
    client.answered = true;
    client.phase = Client::Phase::held;  // until it ends the connection
    return;
  }
  if (client.outstanding == 0) unlist(index);
  if (client.outstanding == 0 && client.requests_left > 0 && phase_ < Phase::collect &&
      !plan_.think.is_nothing()) {
    return think(index);
  }
  go_on(index);
}

void Generator::close(std::uint32_t index) {
  Client& client = clients_[index];
  unlist(index);
  fail_outstanding(client, Failed::peer_closed);
  client.phase = Client::Phase::closing;
  client.set_closed_at(now_);
  endpoint_->close(client.id);
}

/// It has done what it was for.
void Generator::end_connection(std::uint32_t index) {
  if (plan_.closer != Closer::client_reset) return close(index);
  Client& client = clients_[index];
  unlist(index);
  client.reset = true;
  client.phase = Client::Phase::closing;
  endpoint_->abort(client.id);
}

/// What was asked and can have no answer any more.
void Generator::fail_outstanding(Client& client, Failed cause) {
  for (; client.outstanding > 0; --client.outstanding) {
    Transaction& last = transactions_[client.transaction];
    const std::uint32_t first = last.behind;
    last.behind = transactions_[first].behind;
    ledger_.transactions.fail(cause);
    active_.remove(first);
    transactions_.free(first);
  }
  client.transaction = kNil;
}

void Generator::on_peer_closed(std::uint32_t index) {
  Client& client = clients_[index];
  if (client.phase == Client::Phase::closing) return;
  if (client.phase == Client::Phase::busy) {
    Transaction& t = first_of(client);
    // An answer without a length ends with the connection (RFC 9112 §6.3).
    if (t.answered && !t.known_head) {
      (void)http_parser_execute(&t.parser, &settings_, nullptr, 0);
      if (t.complete) {
        finish_transaction(index);
        if (client.phase != Client::Phase::closing) close(index);
        return;
      }
    }
    return give_up(index, Failed::peer_closed);
  }
  const bool was_to_reset = client.answered && plan_.closer == Closer::server_reset;
  if (was_to_reset) return give_up(index, Failed::peer_closed);
  close(index);  // idle: the server had enough, nothing is lost
}

void Generator::give_up(std::uint32_t index, Failed cause) {
  Client& client = clients_[index];
  unlist(index);
  if (client.phase == Client::Phase::connecting) {
    connecting_.remove(client.transaction);
    transactions_.free(std::exchange(client.transaction, kNil));
  } else {
    fail_outstanding(client, cause);
  }
  if (!client.has_cause) {
    client.has_cause = true;
    client.cause = static_cast<std::uint8_t>(cause);
  }
  client.phase = Client::Phase::closing;
  endpoint_->abort(client.id);
}

void Generator::on_closed(std::uint32_t index, tcp::CloseReason reason) {
  Client& client = clients_[index];
  unlist(index);
  if (client.phase == Client::Phase::connecting) {
    connecting_.remove(client.transaction);
    transactions_.free(client.transaction);
  } else {
    fail_outstanding(client, cause_of(reason));
  }
  count_end(client, reason);
  client.used = false;
  clients_.free(index);
}

void Generator::count_end(const Client& client, tcp::CloseReason reason) {
  Book& book = ledger_.connections;
  if (client.has_cause) return book.fail(static_cast<Failed>(client.cause));
  const bool reset_by_server = client.phase == Client::Phase::held && client.answered &&
                               plan_.closer == Closer::server_reset &&
                               reason == tcp::CloseReason::reset;
  if (client.reset || reset_by_server) {
    ++book.completed;  // as it was to be
    return;
  }
  if (client.phase == Client::Phase::closing && reason == tcp::CloseReason::graceful) {
    ++book.completed;
    // What is held to the end is closed behind it.
    const bool counts = plan_.ramp_down == 0s || client.closed_at() < sustain_until_;
    if (client.closed_at() >= sustain_from_ && counts) {
      latencies_[Measure::close].record(since(client.closed_at(), now_));
    }
    return;
  }
  const bool in_handshake = client.phase == Client::Phase::connecting;
  book.fail(in_handshake && reason == tcp::CloseReason::timeout ? Failed::connect_timeout
                                                                : cause_of(reason));
}

}  // namespace millrace::load
