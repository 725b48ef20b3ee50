// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fleet.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

#include "dataplane/clock.h"
#include "dataplane/core_thread.h"
#include "dataplane/key_source.h"
#include "dataplane/net/host.h"
#include "dataplane/probe.h"
#include "dataplane/worker.h"
#include "tcp/base/check.h"

namespace millrace {

class FleetImpl {
 public:
  explicit FleetImpl(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  [[nodiscard]] Status build(const FleetConfig& config, const AppFactory& make_app);
  void start() {
    for (const auto& [core, thread] : threads_) thread->start();
  }
  void stop() {
    for (const auto& [core, thread] : threads_) thread->stop();
  }

 private:
  friend class Fleet;
  struct End {
    std::vector<std::unique_ptr<WorkerSlot>> slots;
    std::vector<CoreThread*> threads;  // of each slot
  };

  [[nodiscard]] Status open_devices(const FleetConfig& config);
  [[nodiscard]] Status build_end(std::size_t index, const EndConfig& config, std::uint64_t seed,
                                 const AppFactory& make_app);
  [[nodiscard]] Status build_worker(std::size_t end, std::uint16_t index, const EndConfig& config,
                                    const WorkerConfig& worker, const tcp::Secrets& secrets,
                                    const AppFactory& make_app);
  CoreThread& thread_on(int core);
  void note_cores(std::size_t end, const EndConfig& config);

  // In the order of who needs whom: threads go first, the backend last.
  Clock clock_;
  Idle idle_ = Idle::poll;
  std::unique_ptr<Backend> backend_;
  std::vector<Device> devices_;
  std::vector<End> ends_;
  std::map<int, std::unique_ptr<CoreThread>> threads_;
  std::vector<std::string> notes_;
};

namespace {

constexpr std::size_t kMostWorkers = 64;  // of an end

Error no_such_core(int core, const std::vector<CoreInfo>& there) {
  std::vector<int> ids;
  ids.reserve(there.size());
  for (const CoreInfo& c : there) ids.push_back(c.id);
  return {
      ErrorKind::usage,
      "There is no core " + std::to_string(core) + ": this machine has " + cpu_list_text(ids) + ".",
      "Name one of these, for example --cores " + std::to_string(ids.empty() ? 0 : ids.front())};
}

Status check_cores(const FleetConfig& config) {
  const std::vector<CoreInfo> there = Machine().cores();
  const auto exists = [&there](int core) {
    return std::any_of(there.begin(), there.end(), [core](const auto& c) { return c.id == core; });
  };
  for (const EndConfig& end : config.ends) {
    if (end.cores.empty()) return Error{ErrorKind::usage, "An end has no core to run on.", ""};
    if (end.cores.size() > kMostWorkers) {
      return Error{ErrorKind::usage,
                   "An end has " + std::to_string(end.cores.size()) + " cores; at most " +
                       std::to_string(kMostWorkers) + " are served.",
                   ""};
    }
    for (const int core : end.cores) {
      if (!exists(core)) return no_such_core(core, there);
    }
    if (end.steering_core >= 0 && !exists(end.steering_core)) {
      return no_such_core(end.steering_core, there);
    }
  }
  return Ok{};
}

/// Those of one worker; `fast_open` is that of its end.
tcp::Secrets draw_secrets(KeySource& keys, SipKey fast_open) {
  tcp::Secrets s;
  s.fast_open = fast_open;
  s.numbers = keys.sip_key();
  s.table = keys.sip_key();
  s.ports = keys.sip_key();
  s.cookies = keys.sip_key();
  return s;
}

std::string clock_note(const Clock& clock) {
  if (!clock.uses_tsc()) {
    return "Clock: the system's, because this processor's counter is not invariant.";
  }
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "Clock: processor's counter, %.3f MHz as measured.",
                clock.frequency_hz() / 1e6);
  return text.data();
}

}  // namespace

Status FleetImpl::build(const FleetConfig& config, const AppFactory& make_app) {
  if (config.ends.empty()) return Error{ErrorKind::usage, "There is no end to run.", ""};
  Status status = check_cores(config);
  for (const EndConfig& end : config.ends) {
    if (status) status = net::check_config(end.interface);
  }
  idle_ = config.idle;
  if (status) status = open_devices(config);
  if (!status) return status;
  ends_.resize(config.ends.size());
  for (std::size_t i = 0; i < config.ends.size(); ++i) {
    status = build_end(i, config.ends[i], config.seed, make_app);
    if (!status) return status;
  }
  clock_.ready();
  notes_.push_back(clock_note(clock_));
  if (idle_ == Idle::pause) notes_.push_back("Idle cores pause between looks.");
  if (idle_ == Idle::sleep) {
    notes_.push_back("Idle cores sleep for up to 250 us, and are late by as much.");
  }
  for (const auto& [core, thread] : threads_) {
    status = thread->launch();
    if (!status) return status;
  }
  return Ok{};
}

Status FleetImpl::open_devices(const FleetConfig& config) {
  BackendConfig wanted;
  wanted.cable = config.cable;
  wanted.memory_mib = config.memory_mib;
  wanted.hugepages = config.hugepages;
  wanted.eal_extra = config.eal_extra;
  wanted.seed = config.seed;
  for (const EndConfig& end : config.ends) {
    wanted.devices.push_back(
        {end.device, static_cast<std::uint16_t>(end.cores.size()), end.interface.mtu});
    wanted.cores.insert(wanted.cores.end(), end.cores.begin(), end.cores.end());
    if (end.steering_core >= 0) wanted.cores.push_back(end.steering_core);
  }
  Result<std::vector<Device>> opened = backend_->open(wanted);
  if (!opened) return opened.error();
  devices_ = std::move(opened).value();
  MR_CHECK(devices_.size() == config.ends.size());
  notes_ = backend_->notes();
  return Ok{};
}

Status FleetImpl::build_end(std::size_t index, const EndConfig& config, std::uint64_t seed,
                            const AppFactory& make_app) {
  Device& device = devices_[index];
  MR_CHECK(device.ports.size() == config.cores.size());
  if (device.steerer != nullptr) {
    const int core = config.steering_core >= 0 ? config.steering_core : config.cores.front();
    thread_on(core).add(*device.steerer);
  }
  KeySource keys(seed, index + 1);
  WorkerConfig worker;
  worker.interface = config.interface;
  worker.interface.mac = device.ports.front()->info().mac;
  worker.interface.mtu = device.ports.front()->info().mtu;
  worker.interface.neighbour_key = keys.sip_key();
  // Once more: the device had the last word on the MTU.
  if (Status status = net::check_config(worker.interface); !status) return status;
  for (const tcp::TcpConfig& profile : config.endpoint.profiles) {
    worker.max_segment_bytes = std::max(worker.max_segment_bytes, profile.max_segment_burst);
  }
  const SipKey fast_open = keys.sip_key();
  for (std::size_t w = 0; w < config.cores.size(); ++w) {
    Status status = build_worker(index, static_cast<std::uint16_t>(w), config, worker,
                                 draw_secrets(keys, fast_open), make_app);
    if (!status) return status;
  }
  note_cores(index, config);
  return Ok{};
}

Status FleetImpl::build_worker(std::size_t end, std::uint16_t index, const EndConfig& config,
                               const WorkerConfig& shared, const tcp::Secrets& secrets,
                               const AppFactory& make_app) {
  Device& device = devices_[end];
  tcp::EndpointConfig endpoint = config.endpoint;
  endpoint.secrets = secrets;
  endpoint.steering = device.steering;
  endpoint.worker = index;
  Result<std::unique_ptr<tcp::Endpoint>> made = tcp::Endpoint::create(endpoint);
  if (!made) return made.error();

  auto slot = std::make_unique<WorkerSlot>();
  slot->endpoint = std::move(made).value();
  slot->app = make_app(end, index, *slot->endpoint);
  MR_CHECK(slot->app != nullptr);
  WorkerConfig worker = shared;
  worker.index = index;
  worker.steering = device.steering;
  Inbox* const inbox = device.inboxes.empty() ? nullptr : device.inboxes[index].get();
  slot->worker =
      std::make_unique<Worker>(worker, *device.ports[index], *slot->endpoint, *slot->app, inbox);
  slot->worker->publish(slot->board);
  CoreThread& thread = thread_on(config.cores[index]);
  thread.add(*slot);
  ends_[end].threads.push_back(&thread);
  ends_[end].slots.push_back(std::move(slot));
  return Ok{};
}

CoreThread& FleetImpl::thread_on(int core) {
  std::unique_ptr<CoreThread>& thread = threads_[core];
  if (thread == nullptr) thread = std::make_unique<CoreThread>(core, clock_, *backend_, idle_);
  return *thread;
}

void FleetImpl::note_cores(std::size_t end, const EndConfig& config) {
  std::uint64_t reserved = 0;
  for (const auto& slot : ends_[end].slots) reserved += slot->endpoint->memory().reserved_bytes;
  std::string cores;
  for (const int core : config.cores) {
    if (!cores.empty()) cores += ',';
    cores += std::to_string(core);
  }
  notes_.push_back("End " + std::to_string(end) + ": cores " + cores + ", " +
                   devices_[end].steering_name + ", " + std::to_string(reserved >> 20) +
                   " MiB of address space for connections.");
}

Fleet::Fleet(std::unique_ptr<FleetImpl> impl) : impl_(std::move(impl)) {}
Fleet::~Fleet() = default;

Result<std::unique_ptr<Fleet>> Fleet::create(const FleetConfig& config, const AppFactory& make_app,
                                             std::unique_ptr<Backend> backend) {
  MR_CHECK(backend != nullptr);
  auto impl = std::make_unique<FleetImpl>(std::move(backend));
  Status status = impl->build(config, make_app);
  if (!status) return status.error();
  return std::unique_ptr<Fleet>(new Fleet(std::move(impl)));
}

void Fleet::start() { impl_->start(); }
void Fleet::stop() { impl_->stop(); }

void Fleet::ask(std::size_t end, std::size_t worker,
                const std::function<void(tcp::Endpoint&, tcp::App&)>& work) {
  FleetImpl::End& e = impl_->ends_.at(end);
  WorkerSlot& slot = *e.slots.at(worker);
  e.threads[worker]->ask([&] { work(*slot.endpoint, *slot.app); });
}

bool Fleet::reaches(std::size_t end, const Address& destination) {
  FleetImpl::End& e = impl_->ends_.at(end);
  bool all = true;
  for (std::size_t i = 0; i < e.slots.size(); ++i) {
    Worker& worker = *e.slots[i]->worker;
    e.threads[i]->ask([&] { all &= worker.reaches(destination); });
  }
  return all;
}

std::size_t Fleet::ends() const { return impl_->ends_.size(); }
std::size_t Fleet::workers(std::size_t end) const { return impl_->ends_.at(end).slots.size(); }

StatsSnapshot Fleet::stats(std::size_t end, std::size_t worker) const {
  return impl_->ends_.at(end).slots.at(worker)->board.read();
}

const std::vector<std::string>& Fleet::notes() const { return impl_->notes_; }
Instant Fleet::now() const { return impl_->clock_.now(); }

}  // namespace millrace
