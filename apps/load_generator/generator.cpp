// SPDX-License-Identifier: BSD-3-Clause
//
// What the generator does with events: a connection opens, an answer arrives, a connection ends.
// Answers are parsed by http_parser; one whose head equals, byte for byte, a head that was parsed
// before is counted without it.
#include "apps/load_generator/generator.h"

#include <cstring>
#include <utility>

namespace millrace::load {

namespace {

Transaction& transaction_of(http_parser* parser) {
  return *static_cast<Transaction*>(parser->data);
}

int on_message_begin(http_parser* parser) {
  return transaction_of(parser).complete ? 1 : 0;  // a second answer to one request
}

int on_message_complete(http_parser* parser) {
  transaction_of(parser).complete = true;
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
    : plan_(std::move(plan)), clients_(plan_.connections), transactions_(plan_.connections) {
  settings_.on_message_begin = on_message_begin;
  settings_.on_message_complete = on_message_complete;
}

void Generator::on_events(tcp::Endpoint& endpoint, std::span<const tcp::Event> events,
                          Instant now) {
  endpoint_ = &endpoint;
  now_ = now;
  for (const tcp::Event& event : events) on_event(event);
  pace();
}

void Generator::on_event(const tcp::Event& event) {
  switch (event.kind) {
    case tcp::EventKind::connected:
      on_connected(event.user);
      break;
    case tcp::EventKind::data: {
      const std::span<const std::byte> bytes = event.bytes;  // consuming empties the event
      endpoint_->consume(event.connection, bytes.size());
      on_data(event.user, bytes);
      break;
    }
    case tcp::EventKind::peer_closed:
      on_peer_closed(event.user);
      break;
    case tcp::EventKind::closed:
      on_closed(event.user, event.reason);
      break;
    case tcp::EventKind::accepted:
    case tcp::EventKind::writable:
      break;  // nobody listens here, and a request always fits an empty send queue
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
  transactions_.free(open);
  if (phase_ >= Phase::collect) {
    close(index);
  } else if (schedules_transactions()) {
    after_answer(index, true);
  } else {
    start_request(index, intended);  // the wait for the handshake counts
  }
}

void Generator::on_data(std::uint32_t index, std::span<const std::byte> bytes) {
  Client& client = clients_[index];
  if (client.phase == Client::Phase::closing) return;
  ledger_.received_bytes += bytes.size();
  if (client.phase != Client::Phase::busy) return give_up(index, Failed::bad_response);
  Transaction& t = transactions_[client.transaction];
  const bool first = !std::exchange(t.answered, true);
  if (first) {
    t.first_byte = now_;
    t.known_head = !known_head_.empty() && bytes.size() >= known_head_.size() &&
                   std::memcmp(bytes.data(), known_head_.data(), known_head_.size()) == 0;
    if (t.known_head) {
      t.body_left = known_body_bytes_;
      bytes = bytes.subspan(known_head_.size());
    }
  }
  if (t.known_head) {
    if (bytes.size() > t.body_left) return give_up(index, Failed::bad_response);
    t.body_left -= bytes.size();
    if (t.body_left == 0) finish_transaction(index);
    return;
  }
  const char* text = reinterpret_cast<const char*>(bytes.data());
  const std::size_t parsed = http_parser_execute(&t.parser, &settings_, text, bytes.size());
  if (parsed != bytes.size() || t.parser.http_errno != HPE_OK) {
    return give_up(index, Failed::bad_response);
  }
  if (!t.complete) return;
  const bool keep_alive = http_should_keep_alive(&t.parser) != 0;
  if (first && keep_alive && t.parser.status_code == 200 && (t.parser.flags & F_CHUNKED) == 0) {
    const std::string_view whole(text, bytes.size());
    const std::size_t head = whole.find("\r\n\r\n") + 4;
    known_head_.assign(whole.substr(0, head));
    known_body_bytes_ = whole.size() - head;
  }
  finish_transaction(index);
}

void Generator::finish_transaction(std::uint32_t index) {
  Client& client = clients_[index];
  Transaction& t = transactions_[client.transaction];
  const bool keep_alive = t.known_head || http_should_keep_alive(&t.parser) != 0;
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
  active_.remove(client.transaction);
  transactions_.free(std::exchange(client.transaction, kNil));
  after_answer(index, keep_alive);
}

void Generator::after_answer(std::uint32_t index, bool keep_alive) {
  Client& client = clients_[index];
  if (!keep_alive && plan_.server_closes) {
    client.phase = Client::Phase::held;  // until its FIN
    return;
  }
  if (phase_ >= Phase::collect || !keep_alive) return close(index);
  if (!wants_another_request(client)) {
    if (plan_.mode != Mode::concurrent) return close(index);
    client.phase = Client::Phase::held;
    return;
  }
  if (!schedules_transactions() || (plan_.closed && offers() && transactions_.live() < allowed())) {
    return start_request(index, now_);
  }
  push_idle(index);
}

void Generator::push_idle(std::uint32_t index) {
  Client& client = clients_[index];
  client.phase = Client::Phase::idle;
  client.prev_idle = kNil;
  client.next_idle = idle_head_;
  if (idle_head_ != kNil) clients_[idle_head_].prev_idle = index;
  idle_head_ = index;
}

void Generator::remove_idle(std::uint32_t index) {
  const Client& client = clients_[index];
  (client.prev_idle == kNil ? idle_head_ : clients_[client.prev_idle].next_idle) = client.next_idle;
  if (client.next_idle != kNil) clients_[client.next_idle].prev_idle = client.prev_idle;
}

void Generator::close(std::uint32_t index) {
  Client& client = clients_[index];
  if (client.phase == Client::Phase::idle) remove_idle(index);
  client.phase = Client::Phase::closing;
  client.set_closed_at(now_);
  endpoint_->close(client.id);
}

void Generator::on_peer_closed(std::uint32_t index) {
  Client& client = clients_[index];
  if (client.phase == Client::Phase::closing) return;
  if (client.phase == Client::Phase::busy) {
    Transaction& t = transactions_[client.transaction];
    // An answer without a length ends with the connection (RFC 9112 §6.3).
    if (t.answered && !t.known_head) {
      (void)http_parser_execute(&t.parser, &settings_, nullptr, 0);
      if (t.complete) return finish_transaction(index);
    }
    return give_up(index, Failed::peer_closed);
  }
  close(index);  // idle: the server had enough, nothing is lost
}

void Generator::give_up(std::uint32_t index, Failed cause) {
  Client& client = clients_[index];
  if (client.phase == Client::Phase::idle) remove_idle(index);
  if (client.transaction != kNil) {
    const bool connecting = client.phase == Client::Phase::connecting;
    (connecting ? connecting_ : active_).remove(client.transaction);
    if (!connecting) ledger_.transactions.fail(cause);
    transactions_.free(std::exchange(client.transaction, kNil));
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
  Failed cause = cause_of(reason);
  if (client.phase == Client::Phase::connecting) {
    if (reason == tcp::CloseReason::timeout) cause = Failed::connect_timeout;
    connecting_.remove(client.transaction);
    transactions_.free(client.transaction);
  } else if (client.phase == Client::Phase::idle) {
    remove_idle(index);
  } else if (client.phase == Client::Phase::busy) {
    ledger_.transactions.fail(cause);
    active_.remove(client.transaction);
    transactions_.free(client.transaction);
  }
  if (client.has_cause) {
    ledger_.connections.fail(static_cast<Failed>(client.cause));
  } else if (client.phase == Client::Phase::closing && reason == tcp::CloseReason::graceful) {
    ++ledger_.connections.completed;
    // What is held to the end is closed behind it.
    const bool counts = plan_.ramp_down == 0s || client.closed_at() < sustain_until_;
    if (client.closed_at() >= sustain_from_ && counts) {
      latencies_[Measure::close].record(since(client.closed_at(), now_));
    }
  } else {
    ledger_.connections.fail(cause);
  }
  client.used = false;
  clients_.free(index);
}

}  // namespace millrace::load
