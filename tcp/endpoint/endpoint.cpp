// SPDX-License-Identifier: BSD-3-Clause
//
// Building an endpoint, and its questions. All memory is reserved here, as address space that costs
// nothing until it is used; nothing allocates afterwards.
#include "tcp/endpoint/endpoint.h"

#include <algorithm>
#include <new>

#include "tcp/connection/autotune.h"
#include "tcp/connection/calls.h"
#include "tcp/connection/closing.h"
#include "tcp/connection/loss_recovery.h"
#include "tcp/connection/receive_window.h"
#include "tcp/connection/timers.h"
#include "tcp/endpoint/config_check.h"
#include "tcp/endpoint/impl.h"
#include "tcp/endpoint/lending.h"
#include "tcp/endpoint/lifecycle.h"
#include "tcp/endpoint/pressure.h"

namespace millrace::tcp {
namespace {

[[nodiscard]] Stores make_stores(const EndpointConfig& c) {
  // A chunk refers to a block of ours or to memory of the application: some for each sender.
  return {.send = Pool<SendState>(c.max_send_states),
          .receive = Pool<ReceiveState>(c.max_receive_states),
          .chunks = Pool<Chunk>(c.max_blocks + 4 * c.max_send_states),
          .blocks = Pool<Block>(c.max_blocks),
          .logs = Pool<SendLog>(c.max_send_states),
          .loss = Pool<LossState>(c.max_send_states),
          .models = Pool<PathModel>(c.max_models),
          .rate_logs = RateLogs(std::min(c.max_models, c.max_send_states)),
          .pairs = Pool<AddressPair6>(c.max_ipv6_pairs),
          .fast_open = {.keys = FastOpenKeys(c.secrets.fast_open),
                        .paths = FastOpenPaths(c.max_fast_open_paths, c.secrets.table)},
          .rounds = ReceiveRounds(c.max_receive_states)};
}

template <typename T>
[[nodiscard]] Endpoint::Memory memory_of(const Pool<T>& pool) {
  return {std::uint64_t{pool.capacity()} * sizeof(T), std::uint64_t{pool.touched()} * sizeof(T)};
}

}  // namespace

EndpointImpl::EndpointImpl(const EndpointConfig& c)
    : config(c),
      profiles((config.profiles.reserve(kMaxProfiles), config.profiles.data())),
      given_profiles(config.profiles.size()),
      hasher(c.secrets.table),
      stores(make_stores(c)),
      connections(c.max_connections),
      generation_pages(std::size_t{c.max_connections} * sizeof(std::uint16_t)),
      generations(reinterpret_cast<std::uint16_t*>(generation_pages.data())),
      index(c.max_connections + c.max_half_open + c.max_time_wait),
      half_open(c.max_half_open, config.profiles),
      cookies(c.secrets.cookies),
      fast_open_pending(c.max_connections),
      time_wait(c.max_time_wait, config.profiles, index, hasher),
      ports(c.secrets.ports, c.first_port, c.last_port),
      own_ports(c.steering == nullptr ? nullptr
                                      : std::make_unique<OwnPorts>(*c.steering, c.worker)),
      wheel(ConnectionTimers{&connections}, c.max_connections, 0),
      dirty(c.max_connections),
      lingering(c.max_connections),
      shedding(high_marks_of(stores, connections)),
      events(EventList::capacity_for(c.max_connections, c.max_blocks)) {}

Result<std::unique_ptr<Endpoint>> Endpoint::create(const EndpointConfig& config) {
  if (const Status status = check_config(config); !status) return status.error();
  try {
    return std::unique_ptr<Endpoint>(new Endpoint(std::make_unique<EndpointImpl>(config)));
  } catch (const std::bad_alloc&) {
    return Error{ErrorKind::environment,
                 "The system did not give the address space that the endpoint's tables need.",
                 "lower max_connections, max_time_wait or max_blocks, or raise ulimit -v"};
  }
}

Endpoint::Endpoint(std::unique_ptr<EndpointImpl> impl) : impl_(std::move(impl)) {}
Endpoint::~Endpoint() = default;

const Counters& Endpoint::counters() const { return impl_->counters; }
const StateCounts& Endpoint::states() const { return impl_->states; }

std::span<const Event> Endpoint::events() const {
  impl_->shown = impl_->events.size();
  return impl_->events.all();
}

void Endpoint::observe(Instant now) { impl_->observe(now); }

void Endpoint::settle(Instant now) {
  impl_->observe(now);
  settle_events(*impl_);
}

namespace {

[[nodiscard]] ConnectionStatus status_of(EndpointImpl& e, std::uint32_t index,
                                         const Connection& c) {
  const Context context = e.context_of(c);
  ConnectionStatus s;
  s.id = e.id_of(index, c);
  s.user = c.user;
  s.tuple = e.tuple_of(c);
  s.state = c.state;
  s.mss = c.mss;
  s.srtt_us = c.srtt_us;
  s.rttvar_us = c.rttvar_us;
  s.rto_us = to_us(retransmission_timeout(c, context.config));
  s.cwnd_bytes = c.congestion.cwnd;
  s.ssthresh_bytes = c.congestion.ssthresh;
  s.snd_wnd_bytes = c.snd_wnd;
  s.rcv_wnd_bytes = c.rcv_wnd();
  s.flight_bytes = flight_bytes(c);
  s.loss = loss_figures(c, context);
  s.unsent_bytes = unsent_bytes(c, context);
  s.unacked_bytes = unacked_bytes(c, context);
  s.unread_bytes = static_cast<std::uint32_t>(unconsumed_bytes(e, index, c));
  s.timestamps = c.has(Connection::kTimestamps);
  s.sack = c.has(Connection::kSack);
  s.window_scaling = c.window_scales != 0;
  s.ecn = c.has(Connection::kEcn);
  s.congestion = context.config.congestion;
  s.profile = c.profile;
  s.receive_buffer_bytes = receive_buffer_of(c, context.stores);
  s.send_buffer_bytes = send_buffer_of(c, context.config);
  if (c.send != kNil) {
    const SendState& st = context.stores.send[c.send];
    s.unanswered = st.unanswered;
    s.soft_error = st.soft_error;
  }
  if (c.state == State::close_wait) s.close_wait = time_since_fin(c, e.now);
  return s;
}

}  // namespace

std::optional<ConnectionStatus> Endpoint::status(ConnectionId id) const {
  const Connection* c = impl_->resolve(id);
  if (c == nullptr) return std::nullopt;
  return status_of(*impl_, id.index, *c);
}

std::uint32_t Endpoint::list(std::uint32_t from, std::span<ConnectionStatus> out,
                             std::size_t& count) const {
  EndpointImpl& e = impl();
  count = 0;
  // Objects first, then listeners; what is half-open or in TIME_WAIT has counts only.
  const std::uint32_t objects = e.connections.touched();
  const std::uint32_t capacity = e.connections.capacity();
  for (; from < objects; ++from) {
    if (count == out.size()) return from;
    const Connection& c = e.connections[from];
    const bool is_listed = !is_over(c) || c.state == State::time_wait ||
                           (c.generation != 0 && ending_of(c) == Ending::reading);
    if (is_listed) out[count++] = status_of(e, from, c);
  }
  if (from < capacity) from = capacity;
  for (; from - capacity < kMaxListeners; ++from) {
    if (count == out.size()) return from;
    const auto listener = static_cast<std::uint16_t>(from - capacity);
    if (!e.listeners.is_open(listener)) continue;
    const Listener& l = e.listeners[listener];
    out[count] = ConnectionStatus{};
    out[count].tuple.local = l.local;
    out[count].tuple.local_port = l.port;
    out[count++].state = State::listen;
  }
  return kNil;
}

std::uint32_t Endpoint::survey_close_wait(std::uint32_t from, std::uint32_t slots,
                                          Duration longer_than, CloseWaits& sum) const {
  const EndpointImpl& e = impl();
  const std::uint32_t objects = e.connections.touched();
  const std::uint32_t left = from < objects ? objects - from : 0;
  const std::uint32_t end = from + std::min(left, slots);
  for (; from < end; ++from) {
    const Connection& c = e.connections[from];
    if (c.state != State::close_wait) continue;
    const Duration age = time_since_fin(c, e.now);
    if (age > longer_than) ++sum.longer;
    sum.longest = std::max(sum.longest, age);
  }
  return from < objects ? from : kNil;
}

Endpoint::Memory Endpoint::memory() const {
  const EndpointImpl& e = impl();
  Memory sum;
  const auto add = [&](std::uint64_t reserved, std::uint64_t touched) {
    sum.reserved_bytes += reserved;
    sum.touched_bytes += touched;
  };
  for (const Memory m :
       {memory_of(e.connections), memory_of(e.stores.send), memory_of(e.stores.receive),
        memory_of(e.stores.chunks), memory_of(e.stores.blocks), memory_of(e.stores.logs),
        memory_of(e.stores.loss), memory_of(e.stores.models), memory_of(e.stores.rate_logs),
        memory_of(e.stores.pairs)}) {
    add(m.reserved_bytes, m.touched_bytes);
  }
  add(e.generation_pages.bytes(), std::uint64_t{e.connections.touched()} * 2);
  // Hashing spreads entries over all buckets: at most a page for each that there ever was.
  constexpr std::uint64_t kPageBytes = 4096;
  const std::uint64_t entries = e.connections.created() + e.half_open.stats().inserted;
  add(e.index.reserved_bytes(),
      std::min<std::uint64_t>(e.index.reserved_bytes(), entries * kPageBytes));
  add(e.half_open.reserved_bytes(), e.half_open.touched_bytes());
  add(e.time_wait.reserved_bytes(), e.time_wait.touched_bytes());
  add(e.stores.rounds.reserved_bytes(), e.stores.rounds.touched_bytes());
  add(e.replies.reserved_bytes(), e.replies.touched_bytes());
  add(e.wheel.reserved_bytes(), e.wheel.touched_bytes());
  add(e.dirty.reserved_bytes(), e.dirty.touched_bytes());
  add(e.lingering.reserved_bytes(), e.lingering.touched_bytes());
  add(e.lowered.reserved_bytes(), e.lowered.touched_bytes());
  add(e.fast_open_pending.reserved_bytes(), e.fast_open_pending.touched_bytes());
  const FastOpenPaths& paths = e.stores.fast_open.paths;
  add(paths.reserved_bytes(), paths.touched_bytes());
  add(e.events.reserved_bytes(), e.events.touched_bytes());
  const std::uint64_t own_ports = e.own_ports == nullptr ? 0 : e.own_ports->bytes();
  const std::uint64_t rest = sizeof(EndpointImpl) + e.ports.bytes() + own_ports;
  add(rest, rest);
  return sum;
}

}  // namespace millrace::tcp
