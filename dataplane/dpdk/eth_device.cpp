// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/eth_device.h"

#include <rte_alarm.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <thread>

#include "dataplane/dpdk/eal_log.h"
#include "dataplane/dpdk/flow_rules.h"
#include "dataplane/dpdk/ring_inbox.h"
#include "dataplane/dpdk/rss_key.h"
#include "dataplane/dpdk/tap_signals.h"

namespace millrace::dpdk {

namespace {

constexpr std::uint64_t kRssTcp = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
/// With IPv6 extension headers too, where the device looks behind them.
constexpr std::uint64_t kRssTypes =
    kRssTcp | RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_IPV6_EX | RTE_ETH_RSS_IPV6_TCP_EX;
constexpr std::size_t kMaxKeyBytes = 64;

constexpr std::string_view kTap = "net_tap";
constexpr std::string_view kMemif = "net_memif";

/// The driver gives both sides of a tap one address. Each would take the other's frames for echoes
/// of its own, a bridge would not forward them, and both would claim one link-local address. So
/// ours is the neighbour of the kernel's: the driver does not filter, all frames come to us.
void part_from_kernel(MacAddress& mac) { mac.back() ^= 1; }

/// The device as the driver shall hear of it: mac= of a tap is to be ours, so the kernel gets
/// another.
std::string text_for_driver(const DeviceSpec& spec) {
  std::string text = spec.text;
  const std::string mac = spec.argument("mac");
  rte_ether_addr own{};
  if (spec.driver != kTap || rte_ether_unformat_addr(mac.c_str(), &own) != 0) return text;
  MacAddress kernel{};
  std::copy_n(own.addr_bytes, kernel.size(), kernel.begin());
  part_from_kernel(kernel);
  std::copy_n(kernel.begin(), kernel.size(), own.addr_bytes);
  std::array<char, RTE_ETHER_ADDR_FMT_SIZE> words{};
  rte_ether_format_addr(words.data(), words.size(), &own);
  return text.replace(text.find("mac=" + mac) + 4, mac.size(), words.data());
}

struct Task {
  std::function<void()> work;
  std::promise<void> done;
};

/// Runs `work` on the thread on which the EAL runs drivers' handlers, and waits for it.
void run_among_handlers(std::function<void()> work) {
  auto task = std::make_unique<Task>(Task{std::move(work), {}});
  const std::future<void> done = task->done.get_future();
  const auto run = [](void* argument) {
    const std::unique_ptr<Task> own(static_cast<Task*>(argument));
    own->work();
    own->done.set_value();
  };
  if (rte_eal_alarm_set(1, run, task.get()) != 0) {
    task->work();
    return;
  }
  static_cast<void>(task.release());  // the handler's
  done.wait();
}

bool asks_for_offload(rte_mbuf* const* packets, std::uint16_t count) {
  std::uint64_t all = 0;
  for (std::uint16_t i = 0; i < count; ++i) all |= packets[i]->ol_flags;
  return (all & RTE_MBUF_F_TX_OFFLOAD_MASK) != 0;
}

/// A tap claims 65,535 and refuses, in sending too, what exceeds its frames of 1,522 bytes.
std::uint32_t largest_mtu(const rte_eth_dev_info& dev) {
  const bool both = dev.max_mtu != UINT16_MAX && dev.max_rx_pktlen > dev.max_mtu;
  const std::uint32_t around =
      both ? dev.max_rx_pktlen - dev.max_mtu : std::uint32_t{RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN};
  return std::min<std::uint32_t>(dev.max_mtu, dev.max_rx_pktlen - around);
}

}  // namespace

std::uint32_t EthDevice::buffers_for(const DeviceConfig& config) {
  // Each worker: both rings, what its cache keeps, a burst in hand and one waiting; with several
  // workers the steerer's ring to it, and its inbox.
  const std::uint32_t per_worker =
      2 * kDescriptors + 1024 + (config.workers > 1 ? 1024U + kInboxSlots : 0U);
  return per_worker * config.workers + 1023;
}

Result<std::unique_ptr<EthDevice>> EthDevice::open(const DeviceSpec& spec,
                                                   const DeviceConfig& config, KeySource& keys) {
  std::unique_ptr<EthDevice> device(new EthDevice);
  EalLog::instance().clear();
  std::optional<NoTapSignals> no_signals;
  if (spec.driver == kTap) no_signals.emplace();
  Status status = device->attach(spec);
  if (!status) return status.error();
  status = device->set_up(config, keys);
  if (!status) return status.error();
  return device;
}

EthDevice::~EthDevice() {
  if (spec_.driver == kMemif) {
    // Its handlers take a connection down when the peer does, without a lock against us.
    run_among_handlers([this] { close(); });
  } else {
    close();
  }
}

void EthDevice::close() {
  stop();
  rte_device* const device = dev_.device;
  if (attached_ && id_ != RTE_MAX_ETHPORTS) rte_eth_dev_close(id_);
  if (attached_ && device != nullptr && !spec_.pci) rte_dev_remove(device);
}

Error EthDevice::failed(const char* doing, int code) const {
  const std::string line = telling_line(EalLog::instance().text());
  return {ErrorKind::environment,
          "The device '" + spec_.text + "' failed in " + doing + ": " +
              std::strerror(std::abs(code)) + (line.empty() ? "." : " (\"" + line + "\")."),
          ""};
}

Status EthDevice::attach(const DeviceSpec& spec) {
  spec_ = spec;
  if (!spec.pci && rte_dev_probe(text_for_driver(spec).c_str()) != 0) {
    return explain_failed_device(spec, EalLog::instance().text());
  }
  if (rte_eth_dev_get_port_by_name(spec.name.c_str(), &id_) != 0) {
    id_ = RTE_MAX_ETHPORTS;
    if (!spec.pci) return explain_failed_device(spec, EalLog::instance().text());
    return Error{ErrorKind::environment,
                 "DPDK has no driver for the PCI device " + spec.name + ", or it could not start.",
                 "dpdk-devbind.py --status shows what it is and what drives it."};
  }
  attached_ = true;
  if (const int code = rte_eth_dev_info_get(id_, &dev_); code != 0) return failed("asking", code);
  return Ok{};
}

Status EthDevice::set_up(const DeviceConfig& config, KeySource& keys) {
  const int node = rte_eth_dev_socket_id(id_);
  Result<MbufPool> pool = make_pool(buffers_for(config), config.mtu, node);
  if (!pool) return pool.error();
  pool_ = std::move(pool).value();
  info_.device = spec_.text;
  info_.driver = dev_.driver_name;
  virtio_ = info_.driver.find("virtio") != std::string::npos || info_.driver == "net_vhost";

  info_.mtu = config.mtu;
  if (info_.mtu < dev_.min_mtu || info_.mtu > largest_mtu(dev_)) return mtu_refused();
  const bool spreads =
      config.workers > 1 && (try_rss(config.workers, keys) || try_rules(config.workers, keys));
  if (!spreads) {
    Status status = single_queue(config.workers);
    if (status) status = start();
    if (!status) return status;
  }
  describe();
  return Ok{};
}

Status EthDevice::configure(std::uint16_t rx_queues, std::uint16_t tx_queues,
                            std::span<std::uint8_t> rss_key) {
  conf_ = rte_eth_conf{};
  conf_.rxmode.mtu = info_.mtu;
  conf_.rxmode.offloads =
      dev_.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
  const std::uint64_t checksums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
  const std::uint64_t tso =
      RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
  if (info_.driver == kTap) {
    // A tap's driver does all this in software too, and worse: it writes 0xffff where TCP's
    // checksum is 0 (as only UDP does), refuses segments that fill the MTU, and cannot segment
    // IPv6.
    conf_.txmode.offloads = dev_.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  } else if ((dev_.tx_offload_capa & tso) == tso) {
    conf_.txmode.offloads = tso | (dev_.tx_offload_capa & checksums);
  } else {
    conf_.txmode.offloads = dev_.tx_offload_capa & (checksums | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
  }
  if (!rss_key.empty()) {
    conf_.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf_.rx_adv_conf.rss_conf.rss_hf = dev_.flow_type_rss_offloads & kRssTypes;
    conf_.rx_adv_conf.rss_conf.rss_key = rss_key.data();
    conf_.rx_adv_conf.rss_conf.rss_key_len = static_cast<std::uint8_t>(rss_key.size());
  }
  int code = rte_eth_dev_configure(id_, rx_queues, tx_queues, &conf_);
  if (code != 0) return failed("configuring its queues", code);
  if (Status status = set_mtu(); !status) return status;
  std::uint16_t rx = kDescriptors;
  std::uint16_t tx = kDescriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx, &tx);
  const auto node = static_cast<unsigned>(rte_eth_dev_socket_id(id_));
  for (std::uint16_t q = 0; q < rx_queues; ++q) {
    code = rte_eth_rx_queue_setup(id_, q, rx, node, nullptr, pool_.get());
    if (code != 0) return failed("making a receive queue", code);
  }
  for (std::uint16_t q = 0; q < tx_queues; ++q) {
    code = rte_eth_tx_queue_setup(id_, q, tx, node, nullptr);
    if (code != 0) return failed("making a transmit queue", code);
  }
  rx_queues_ = rx_queues;
  tx_queues_ = tx_queues;
  return Ok{};
}

Status EthDevice::start() {
  using namespace std::chrono_literals;
  // A memif client cannot start before its server is there: give the server ten seconds.
  const auto give_up = std::chrono::steady_clock::now() + 10s;
  int code = rte_eth_dev_start(id_);
  while (code != 0 && info_.driver == kMemif && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(100ms);
    code = rte_eth_dev_start(id_);
  }
  if (code != 0) {
    if (info_.driver != kMemif) return failed("starting", code);
    return Error{ErrorKind::environment, "Nobody serves the socket of '" + spec_.text + "'.",
                 "Start the side with role=server first, with the same socket=."};
  }
  started_ = true;
  // Neighbour discovery is by multicast. Who cannot take all of it must take everything.
  if (rte_eth_allmulticast_enable(id_) != 0) rte_eth_promiscuous_enable(id_);
  return Ok{};
}

void EthDevice::stop() {
  if (started_) rte_eth_dev_stop(id_);
  started_ = false;
}

bool EthDevice::try_rss(std::uint16_t workers, KeySource& keys) {
  const auto no = [this](std::string why) {
    no_steering_ = std::move(why);
    stop();
    return false;
  };
  if (dev_.max_rx_queues < workers || dev_.max_tx_queues < workers) {
    return no("the device has but " +
              std::to_string(std::min(dev_.max_rx_queues, dev_.max_tx_queues)) + " queues");
  }
  if ((dev_.flow_type_rss_offloads & kRssTcp) == 0 || dev_.reta_size == 0) {
    return no("the device does not hash");
  }
  if ((dev_.flow_type_rss_offloads & kRssTcp) != kRssTcp) {
    return no("the device hashes TCP of one IP version only");
  }
  std::array<std::uint8_t, kMaxKeyBytes> key{};
  const std::size_t size = dev_.hash_key_size == 0 ? 40 : dev_.hash_key_size;
  if (size < FlowSteering::kKeyBytes || size > key.size()) {
    return no("the device's hash is not the usual one");
  }
  draw_rss_key(keys, std::span(key).first(size));
  if (!configure(workers, workers, std::span(key).first(size)) || !start()) {
    return no("the device does not hash, though it says so");
  }
  steering_ = read_rss(std::span(key).first(size));
  return steering_ != nullptr || no("the device does not say how it hashes");
}

/// What rules a device takes is found out by giving it some.
bool EthDevice::try_rules(std::uint16_t workers, KeySource& keys) {
  if (dev_.max_rx_queues < workers || dev_.max_tx_queues < workers) return false;
  const std::shared_ptr<const FlowRules> rules = FlowRules::make(workers, keys);
  if (rules == nullptr || !configure(workers, workers, {}) || !rules->thinkable(id_)) return false;
  if (!start() || !rules->install(id_)) {
    stop();
    return false;
  }
  steering_ = rules->steering;
  rules_ = rules->rules.size();
  return true;
}

std::string EthDevice::steering_name() const {
  if (rx_queues_ == 1) return "single queue";
  const std::string queues = " over " + std::to_string(rx_queues_) + " queues";
  if (rules_ == 0) return "RSS" + queues;
  return std::to_string(rules_) + " flow rules" + queues + ", because " + no_steering_;
}

/// Key and table as the device has them now: where it cannot tell, it does not hash by them. Asks
/// once more for the key that was drawn, as some take it only while they run.
std::shared_ptr<const FlowSteering> EthDevice::read_rss(std::span<std::uint8_t> drawn) {
  std::array<std::uint8_t, kMaxKeyBytes> key{};
  rte_eth_rss_conf conf{};
  const auto read = [&] {
    conf = rte_eth_rss_conf{};
    conf.rss_key = key.data();
    conf.rss_key_len = static_cast<std::uint8_t>(key.size());
    return rte_eth_dev_rss_hash_conf_get(id_, &conf) == 0;
  };
  if (!read()) return nullptr;
  if ((conf.rss_hf & kRssTcp) != kRssTcp) return nullptr;
  const auto is_drawn = [&] { return std::memcmp(key.data(), drawn.data(), drawn.size()) == 0; };
  if (!is_drawn()) {
    rte_eth_rss_conf wanted = conf;
    wanted.rss_key = drawn.data();
    wanted.rss_key_len = static_cast<std::uint8_t>(drawn.size());
    rte_eth_dev_rss_hash_update(id_, &wanted);
    if (!read()) return nullptr;
  }
  rss_key_fixed_ = !is_drawn();
  std::array<rte_eth_rss_reta_entry64, RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE> table{};
  const std::uint16_t size = dev_.reta_size;
  if (size > RTE_ETH_RSS_RETA_SIZE_512 || (size & (size - 1)) != 0) return nullptr;
  for (auto& group : table) group.mask = ~std::uint64_t{0};
  for (std::uint16_t i = 0; i < size; ++i) {
    table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
        static_cast<std::uint16_t>(i % rx_queues_);
  }
  rte_eth_dev_rss_reta_update(id_, table.data(), size);  // where it is fixed, the query tells
  if (rte_eth_dev_rss_reta_query(id_, table.data(), size) != 0) return nullptr;
  std::vector<std::uint16_t> reta(size);
  for (std::uint16_t i = 0; i < size; ++i) {
    reta[i] = table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
    if (reta[i] >= rx_queues_) return nullptr;
  }
  const std::size_t key_bytes = conf.rss_key_len == 0 ? FlowSteering::kKeyBytes : conf.rss_key_len;
  if (key_bytes < FlowSteering::kKeyBytes || key_bytes > key.size()) return nullptr;
  return std::make_shared<FlowSteering>(std::span(key).first(key_bytes), std::move(reta));
}

Status EthDevice::single_queue(std::uint16_t workers) {
  const std::uint16_t own = dev_.max_tx_queues >= workers ? workers : std::uint16_t{1};
  if (own == 1) return configure(1, 1, {});
  Status status = configure(1, own, {});
  // A tap wants as many queues one way as the other; the steerer then polls all of them.
  if (!status && dev_.max_rx_queues >= own) status = configure(own, own, {});
  if (!status) status = configure(1, 1, {});
  return status;
}

Error EthDevice::mtu_refused() const {
  return {ErrorKind::usage,
          "The device '" + spec_.text + "' does not take an MTU of " + std::to_string(info_.mtu) +
              "; it takes " + std::to_string(dev_.min_mtu) + " to " +
              std::to_string(largest_mtu(dev_)) + ".",
          "1500 always works: --mtu 1500"};
}

Status EthDevice::set_mtu() {
  // DPDK noted the MTU with the configuration; the device may have to hear of it.
  const int code = rte_eth_dev_set_mtu(id_, info_.mtu);
  if (code == 0 || code == -ENOTSUP || info_.mtu <= RTE_ETHER_MTU) return Ok{};
  return mtu_refused();
}

void EthDevice::describe() {
  rte_ether_addr mac{};
  rte_eth_macaddr_get(id_, &mac);
  std::copy_n(mac.addr_bytes, info_.mac.size(), info_.mac.begin());
  if (info_.driver == kTap) part_from_kernel(info_.mac);
  const std::uint64_t tx = conf_.txmode.offloads;
  info_.tx_ip_checksum = (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
  info_.tx_tcp_checksum = (tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
  info_.tx_tso = (tx & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;
  const std::uint16_t most = dev_.tx_desc_lim.nb_seg_max;
  info_.max_pieces =
      info_.tx_tso ? std::min<std::uint16_t>(most == 0 ? 32 : most, 32) : std::uint16_t{1};
}

std::string EthDevice::note() const {
  const auto yes = [](bool b) { return b ? "device" : "software"; };
  const bool rx = (conf_.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) != 0;
  // On a veth the kernel leaves sums to whoever takes the frame to a wire, and these drivers do not
  // pass on that it did.
  const bool unfilled = info_.driver == "net_af_packet" || info_.driver == "net_af_xdp";
  return spec_.name + " (" + info_.driver + "): checksums sent by " + yes(info_.tx_tcp_checksum) +
         ", verified by " + yes(rx) + ", segmentation by " + yes(info_.tx_tso) + "." +
         (unfilled ? " A peer on this machine must fill in its own: ethtool -K PEER tx off" : "") +
         (rss_key_fixed_
              ? " Its RSS key cannot be changed: whoever knows it can pile flows on one core."
              : "");
}

std::uint16_t EthWire::send(std::uint16_t port, std::uint16_t queue, rte_mbuf** packets,
                            std::uint16_t count, std::uint64_t& rejected) {
  if (asks_for_offload(packets, count)) {
    count = rte_eth_tx_prepare(port, queue, packets, count);
    if (count == 0) [[unlikely]] {  // it never will: what follows shall not wait for it
      rte_pktmbuf_free(packets[0]);
      ++rejected;
      return 1;
    }
  }
  return rte_eth_tx_burst(port, queue, packets, count);
}

bool EthWire::link_up(std::uint16_t port) {
  rte_eth_link link{};
  // Taps never signal a change: ask.
  return rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

void EthWire::add_device_stats(std::uint16_t port, PortStats& stats) {
  rte_eth_stats device{};
  if (rte_eth_stats_get(port, &device) != 0) return;
  stats.rx_missed += device.imissed;
  stats.rx_no_buffer += device.rx_nombuf;
}

}  // namespace millrace::dpdk
