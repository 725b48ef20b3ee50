// SPDX-License-Identifier: BSD-3-Clause
//
// A device of DPDK's: opened, configured for a number of workers, started, and closed again. What a
// port cannot do is found out here by trying, since drivers promise what they do not keep: a tap
// advertises receive side scaling and has none, and segmentation that refuses full segments.
#pragma once

#include <rte_ethdev.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/backend.h"
#include "dataplane/dpdk/device_spec.h"
#include "dataplane/dpdk/mbuf_pool.h"
#include "dataplane/dpdk/mbuf_port.h"
#include "dataplane/key_source.h"
#include "tcp/base/flow_steering.h"
#include "tcp/base/result.h"

namespace millrace::dpdk {

class EthDevice {
 public:
  static constexpr std::uint16_t kDescriptors = 1024;

  /// Buffers that a device's pool needs: descriptors, and what workers and steerer hold.
  [[nodiscard]] static std::uint32_t buffers_for(const DeviceConfig& config);

  [[nodiscard]] static Result<std::unique_ptr<EthDevice>> open(const DeviceSpec& spec,
                                                               const DeviceConfig& config,
                                                               KeySource& keys);
  ~EthDevice();
  EthDevice(const EthDevice&) = delete;
  EthDevice& operator=(const EthDevice&) = delete;

  [[nodiscard]] std::uint16_t id() const { return id_; }
  [[nodiscard]] rte_mempool* pool() const { return pool_.get(); }
  [[nodiscard]] const PortInfo& info() const { return info_; }
  [[nodiscard]] RxChecksumFlags rx_checksums() const { return RxChecksumFlags(virtio_); }
  [[nodiscard]] std::uint16_t rx_queues() const { return rx_queues_; }
  [[nodiscard]] std::uint16_t tx_queues() const { return tx_queues_; }
  /// How the device itself spreads flows over its receive queues; null if it does not.
  [[nodiscard]] const std::shared_ptr<const FlowSteering>& own_steering() const {
    return steering_;
  }
  [[nodiscard]] std::string steering_name() const;
  /// Why it does not spread them, in words that follow "because".
  [[nodiscard]] const std::string& no_steering() const { return no_steering_; }
  [[nodiscard]] std::string note() const;

 private:
  EthDevice() = default;

  [[nodiscard]] Status attach(const DeviceSpec& spec);
  [[nodiscard]] Status set_up(const DeviceConfig& config, KeySource& keys);
  [[nodiscard]] Status configure(std::uint16_t rx_queues, std::uint16_t tx_queues,
                                 std::span<std::uint8_t> rss_key);
  [[nodiscard]] Status start();
  [[nodiscard]] bool try_rss(std::uint16_t workers, KeySource& keys);
  [[nodiscard]] bool try_rules(std::uint16_t workers, KeySource& keys);
  [[nodiscard]] Status single_queue(std::uint16_t workers);
  void stop();
  [[nodiscard]] std::shared_ptr<const FlowSteering> read_rss(std::span<std::uint8_t> drawn);
  [[nodiscard]] Status set_mtu();
  [[nodiscard]] Error mtu_refused() const;
  void describe();
  void close();
  [[nodiscard]] Error failed(const char* doing, int code) const;

  DeviceSpec spec_;
  std::uint16_t id_ = RTE_MAX_ETHPORTS;
  bool attached_ = false;  // by us: to be removed again
  bool started_ = false;
  bool virtio_ = false;
  rte_eth_dev_info dev_{};
  rte_eth_conf conf_{};
  MbufPool pool_;
  PortInfo info_;
  std::uint16_t rx_queues_ = 0;
  std::uint16_t tx_queues_ = 0;
  std::shared_ptr<const FlowSteering> steering_;
  std::size_t rules_ = 0;  // that do it
  std::string no_steering_;
  bool rss_key_fixed_ = false;
};

/// One queue pair of a device, as MbufPort uses it.
class EthWire {
 public:
  EthWire(const EthDevice& device, std::uint16_t rx_queue, std::uint16_t tx_queue)
      : port_(device.id()), rx_queue_(rx_queue), tx_queue_(tx_queue) {}

  std::uint16_t receive(rte_mbuf** packets, std::uint16_t room) {
    return rte_eth_rx_burst(port_, rx_queue_, packets, room);
  }
  std::uint16_t transmit(rte_mbuf** packets, std::uint16_t count) {
    return send(port_, tx_queue_, packets, count, rejected_);
  }
  bool link_up() { return link_up(port_); }
  void add_to(PortStats& stats) {
    stats.tx_rejected += rejected_;
    if (rx_queue_ == 0) add_device_stats(port_, stats);
  }

  /// Lets the driver prepare checksums and segmentation where any packet asks for it. A packet that
  /// it will never take is dropped and counted.
  static std::uint16_t send(std::uint16_t port, std::uint16_t queue, rte_mbuf** packets,
                            std::uint16_t count, std::uint64_t& rejected);
  static bool link_up(std::uint16_t port);
  static void add_device_stats(std::uint16_t port, PortStats& stats);

 private:
  std::uint16_t port_;
  std::uint16_t rx_queue_;
  std::uint16_t tx_queue_;
  std::uint64_t rejected_ = 0;
};

}  // namespace millrace::dpdk
