// SPDX-License-Identifier: BSD-3-Clause
//
// The Backend that production uses: EAL, devices, the cable, and how each finds its workers.
#include "dataplane/backend.h"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_version.h>

#include <cstring>
#include <utility>

#include "dataplane/dpdk/cable.h"
#include "dataplane/dpdk/device_spec.h"
#include "dataplane/dpdk/eal.h"
#include "dataplane/dpdk/eth_device.h"
#include "dataplane/dpdk/ring_inbox.h"
#include "dataplane/dpdk/steering.h"
#include "dataplane/key_source.h"

namespace millrace {

namespace dpdk {
namespace {

constexpr std::uint64_t kKeyStream = 0x6465'7669'6365;  // apart from the endpoints' secrets

bool is_cable(const BackendConfig& config) {
  return config.devices.size() == 2 && config.devices[0].device.empty() &&
         config.devices[1].device.empty();
}

Result<std::vector<DeviceSpec>> specs_of(const BackendConfig& config) {
  std::vector<DeviceSpec> specs;
  if (is_cable(config)) return specs;
  for (const DeviceConfig& device : config.devices) {
    if (device.device.empty()) {
      return Error{ErrorKind::usage, "No device is named.",
                   "For example --device net_tap0,iface=mr0"};
    }
    Result<DeviceSpec> spec = parse_device(device.device);
    if (!spec) return spec.error();
    specs.push_back(std::move(spec).value());
  }
  return specs;
}

/// Packet memory and what DPDK and its drivers take beside, in MiB.
std::uint32_t needed_mib(const BackendConfig& config) {
  std::uint64_t bytes = std::uint64_t{16} << 20;
  for (std::size_t i = 0; i < config.devices.size(); ++i) {
    const DeviceConfig& d = config.devices[i];
    const std::uint32_t buffers = is_cable(config)
                                      ? Cable::buffers_for(d.workers, config.devices[1 - i].workers)
                                      : EthDevice::buffers_for(d);
    // A pool also has a ring of its buffers and each core's cache.
    bytes += buffers * (bytes_per_buffer(d.mtu) + 16) + (std::uint64_t{4} << 20);
  }
  return static_cast<std::uint32_t>((bytes + (1U << 20) - 1) >> 20);
}

class DpdkBackend final : public Backend {
 public:
  [[nodiscard]] Result<std::vector<Device>> open(const BackendConfig& config) override {
    Result<std::vector<DeviceSpec>> specs = specs_of(config);
    if (!specs) return specs.error();
    Result<EalPlan> planned = check(config, specs.value());
    if (!planned) return planned.error();
    if (!planned.value().note.empty()) notes_.push_back(planned.value().note);
    Status started = start_eal(planned.value());
    if (!started) return started.error();
    KeySource keys(config.seed, kKeyStream);
    return is_cable(config) ? open_cable(config, keys) : open_devices(config, specs.value(), keys);
  }

  [[nodiscard]] Result<std::vector<std::string>> plan(const BackendConfig& config) override {
    Result<std::vector<DeviceSpec>> specs = specs_of(config);
    if (!specs) return specs.error();
    Result<EalPlan> planned = check(config, specs.value());
    if (!planned) return planned.error();
    return std::move(planned).value().words;
  }

  [[nodiscard]] std::vector<std::string> notes() const override { return notes_; }

  [[nodiscard]] Status enter_thread() override {
    if (rte_lcore_id() != LCORE_ID_ANY || rte_thread_register() == 0) return Ok{};
    return Error{ErrorKind::environment,
                 "DPDK takes no more threads: " + std::string(rte_strerror(rte_errno)) + ".",
                 "It serves " + std::to_string(RTE_MAX_LCORE) + " at most."};
  }
  void leave_thread() override {
    if (rte_lcore_id() != LCORE_ID_ANY) rte_thread_unregister();
  }

 private:
  static Result<EalPlan> check(const BackendConfig& config, const std::vector<DeviceSpec>& specs) {
    const Machine machine;
    for (const DeviceSpec& spec : specs) {
      Status status = check_device(spec, machine);
      if (!status) return status.error();
    }
    return plan_eal(config, specs, needed_mib(config), machine);
  }

  Result<std::vector<Device>> open_cable(const BackendConfig& config, KeySource& keys) {
    Result<std::unique_ptr<Cable>> made =
        Cable::make(config.cable, config.devices[0], config.devices[1], keys);
    if (!made) return made.error();
    cable_ = std::move(made).value();
    notes_.push_back(cable_->note());
    std::vector<Device> devices(2);
    for (std::size_t side = 0; side < 2; ++side) {
      const std::uint16_t workers = config.devices[side].workers;
      Device& device = devices[side];
      for (std::uint16_t w = 0; w < workers; ++w) device.ports.push_back(cable_->port(side, w));
      device.inboxes = make_inboxes(workers, cable_->pool(side));
      device.steering = cable_->steering(side);
      device.steerer = cable_->steerer(side);
      device.steering_name = cable_->steering_name(side);
    }
    return devices;
  }

  Result<std::vector<Device>> open_devices(const BackendConfig& config,
                                           const std::vector<DeviceSpec>& specs, KeySource& keys) {
    std::vector<Device> devices;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      Result<std::unique_ptr<EthDevice>> opened =
          EthDevice::open(specs[i], config.devices[i], keys);
      if (!opened) return opened.error();
      eth_.push_back(std::move(opened).value());
      devices.push_back(ports_of(*eth_.back(), config.devices[i].workers, keys));
      notes_.push_back(eth_.back()->note());
      notes_.push_back(specs[i].name + ": " + devices.back().steering_name + ".");
    }
    return devices;
  }

  static Device ports_of(const EthDevice& eth, std::uint16_t workers, KeySource& keys) {
    Device device;
    device.inboxes = make_inboxes(workers, eth.pool());
    if (workers > 1 && eth.own_steering() == nullptr) return steered_ports_of(eth, workers, keys);
    device.steering = eth.own_steering();
    device.steering_name = eth.steering_name();
    for (std::uint16_t w = 0; w < workers; ++w) {
      PortInfo info = eth.info();
      info.queue = w;
      device.ports.push_back(std::make_unique<MbufPort<EthWire>>(
          info, eth.pool(), eth.rx_checksums(), EthWire(eth, w, w)));
    }
    return device;
  }

  static Device steered_ports_of(const EthDevice& eth, std::uint16_t workers, KeySource& keys) {
    Device device;
    device.inboxes = make_inboxes(workers, eth.pool());
    auto rings = std::make_shared<SteeringRings>(workers, eth.tx_queues() >= workers, keys);
    device.steering = rings->flows;
    std::vector<EthWire> queues;
    for (std::uint16_t q = 0; q < eth.rx_queues(); ++q)
      queues.emplace_back(eth, q, std::uint16_t{0});
    device.steerer = std::make_unique<SoftwareSteerer<EthWire>>(std::move(queues), rings);
    device.steering_name = "software steering to " + std::to_string(workers) +
                           " workers, because " + eth.no_steering();
    using Wire = SteeredWire<EthWire>;
    for (std::uint16_t w = 0; w < workers; ++w) {
      PortInfo info = eth.info();
      info.queue = w;
      device.ports.push_back(std::make_unique<MbufPort<Wire>>(info, eth.pool(), eth.rx_checksums(),
                                                              Wire(EthWire(eth, w, w), rings, w)));
    }
    return device;
  }

  std::vector<std::string> notes_;
  std::unique_ptr<Cable> cable_;
  std::vector<std::unique_ptr<EthDevice>> eth_;
};

}  // namespace
}  // namespace dpdk

std::unique_ptr<Backend> make_dpdk_backend() { return std::make_unique<dpdk::DpdkBackend>(); }

std::string dataplane_version() {
  std::string text = rte_version();  // "DPDK 22.11.11"
  return text;
}

}  // namespace millrace
