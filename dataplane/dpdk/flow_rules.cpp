// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/flow_rules.h"

#include <rte_byteorder.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "dataplane/dpdk/flow_hash.h"
#include "dataplane/dpdk/rss_key.h"

namespace millrace::dpdk {

namespace {

constexpr int kMostBits = 4;               // of FlowRules::kMostQueues
constexpr std::uint16_t kUsable = 0x07fe;  // bits 1 to 10: in which ports in sequence soon differ

std::uint16_t draw_mask(int bits, KeySource& keys) {
  std::uint16_t mask = 0;
  while (std::popcount(mask) < bits) {
    std::uint8_t draw = 0;
    keys.fill({&draw, 1});
    const auto bit = static_cast<std::uint16_t>(1U << (draw % 16));
    mask = static_cast<std::uint16_t>(mask | (bit & kUsable));
  }
  return mask;
}

/// The port whose bits of `mask` are those of `value`.
std::uint16_t spread(unsigned value, std::uint16_t mask) {
  unsigned port = 0;
  for (unsigned from = 0, to = 0; to < 16; ++to) {
    if ((mask >> to & 1U) != 0) port |= (value >> from++ & 1U) << to;
  }
  return static_cast<std::uint16_t>(port);
}

bool matches(const rte_flow_item* item, const FlowFields& f) {
  for (; item->type != RTE_FLOW_ITEM_TYPE_END; ++item) {
    switch (item->type) {
      case RTE_FLOW_ITEM_TYPE_ETH:
        break;
      case RTE_FLOW_ITEM_TYPE_IPV4:
        if (!f.v4) return false;
        break;
      case RTE_FLOW_ITEM_TYPE_IPV6:
        if (f.v4) return false;
        break;
      case RTE_FLOW_ITEM_TYPE_TCP: {
        const auto& spec = static_cast<const rte_flow_item_tcp*>(item->spec)->hdr;
        const auto& mask = static_cast<const rte_flow_item_tcp*>(item->mask)->hdr;
        std::array<rte_be16_t, 2> ports{};
        std::memcpy(ports.data(), f.ports, sizeof ports);
        if (((ports[0] ^ spec.src_port) & mask.src_port) != 0 ||
            ((ports[1] ^ spec.dst_port) & mask.dst_port) != 0) {
          return false;
        }
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

}  // namespace

FlowRule::FlowRule(bool v4, std::uint16_t source, std::uint16_t destination, std::uint16_t mask,
                   std::uint16_t queue) {
  attributes_.ingress = 1;
  spec_.hdr.src_port = rte_cpu_to_be_16(source);
  spec_.hdr.dst_port = rte_cpu_to_be_16(destination);
  mask_.hdr.src_port = mask_.hdr.dst_port = rte_cpu_to_be_16(mask);
  queue_.index = queue;
  pattern_[0].type = RTE_FLOW_ITEM_TYPE_ETH;
  pattern_[1].type = v4 ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6;
  pattern_[2].type = RTE_FLOW_ITEM_TYPE_TCP;
  pattern_[2].spec = &spec_;
  pattern_[2].mask = &mask_;
  pattern_[3].type = RTE_FLOW_ITEM_TYPE_END;
  actions_[0].type = RTE_FLOW_ACTION_TYPE_QUEUE;
  actions_[0].conf = &queue_;
  actions_[1].type = RTE_FLOW_ACTION_TYPE_END;
}

std::shared_ptr<const FlowRules> FlowRules::make(std::uint16_t queues, KeySource& keys) {
  if (queues > kMostQueues || queues < 2) return nullptr;
  // Where queues are no power of two, more values make their shares more even.
  const int bits = std::has_single_bit(queues) ? std::bit_width(queues) - 1 : kMostBits;
  const std::uint16_t mask = draw_mask(bits, keys);
  const auto values = 1U << static_cast<unsigned>(bits);
  std::vector<std::uint16_t> table = even_table(values, queues);
  auto made = std::make_shared<FlowRules>();
  for (const bool v4 : {true, false}) {
    for (unsigned source = 0; source < values; ++source) {
      for (unsigned destination = 0; destination < values; ++destination) {
        made->rules.push_back(std::make_unique<FlowRule>(v4, spread(source, mask),
                                                         spread(destination, mask), mask,
                                                         table[source ^ destination]));
      }
    }
  }
  made->steering =
      std::make_shared<const FlowSteering>(FlowSteering::by_ports(mask, std::move(table)));
  return made;
}

bool FlowRules::thinkable(std::uint16_t port) const {
  const FlowRule& rule = *rules.front();
  rte_flow_error error{};
  const int code =
      rte_flow_validate(port, &rule.attributes(), rule.pattern(), rule.actions(), &error);
  return code != -ENOSYS && code != -ENOTSUP;
}

bool FlowRules::install(std::uint16_t port) const {
  for (const auto& rule : rules) {
    rte_flow_error error{};
    if (rte_flow_create(port, &rule->attributes(), rule->pattern(), rule->actions(), &error) ==
        nullptr) {
      rte_flow_flush(port, &error);
      return false;
    }
  }
  return true;
}

std::uint16_t FlowRules::queue_of(const std::uint8_t* frame, std::size_t length) const {
  const FlowFields f = flow_fields(frame, length);
  if (f.kind != FlowFields::Kind::tcp || f.extended) return 0;
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&f](const auto& rule) { return matches(rule->pattern(), f); });
  return found == rules.end() ? std::uint16_t{0} : (*found)->queue();
}

}  // namespace millrace::dpdk
