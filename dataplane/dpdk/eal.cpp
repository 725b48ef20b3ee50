// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dpdk/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sstream>

#include "dataplane/dpdk/eal_log.h"

namespace millrace::dpdk {

namespace {

/// What this process's EAL was started with. The EAL itself is a thing of the process.
struct Started {
  std::mutex mutex;
  bool yes = false;
  bool hugepages = false;
  std::uint32_t memory_mib = 0;
};

Started& started() {
  static Started state;
  return state;
}

/// Restores the calling thread's affinity, which the EAL changes, when it goes.
class AffinityGuard {
 public:
  explicit AffinityGuard(const std::vector<int>& cores) {
    saved_ok_ = sched_getaffinity(0, sizeof saved_, &saved_) == 0;
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    for (const int core : cores) CPU_SET(static_cast<unsigned>(core), &wanted);
    // DPDK gives its control threads the affinity that it finds here.
    if (!cores.empty()) sched_setaffinity(0, sizeof wanted, &wanted);
  }
  ~AffinityGuard() {
    if (saved_ok_) sched_setaffinity(0, sizeof saved_, &saved_);
  }
  AffinityGuard(const AffinityGuard&) = delete;
  AffinityGuard& operator=(const AffinityGuard&) = delete;

 private:
  cpu_set_t saved_{};
  bool saved_ok_ = false;
};

std::vector<int> housekeeping_cores(const BackendConfig& config, const Machine& machine) {
  std::vector<int> allowed;
  std::vector<int> free;
  for (const CoreInfo& core : machine.cores()) {
    if (!core.allowed) continue;
    allowed.push_back(core.id);
    if (std::find(config.cores.begin(), config.cores.end(), core.id) == config.cores.end()) {
      free.push_back(core.id);
    }
  }
  return free.empty() ? allowed : free;
}

std::string unique_prefix() {
  std::array<char, 48> text{};
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  std::snprintf(text.data(), text.size(), "millrace-%d-%06lx", static_cast<int>(getpid()),
                static_cast<unsigned long>(now.tv_nsec ^ (now.tv_sec << 12)) & 0xff'ffff);
  return text.data();
}

bool needs_single_files(const std::vector<DeviceSpec>& devices) {
  // Their peers map our memory by file descriptors, of which they take only a few.
  return std::any_of(devices.begin(), devices.end(), [](const DeviceSpec& d) {
    return d.driver == "net_memif" || d.driver == "net_virtio_user" || d.driver == "net_vhost";
  });
}

std::string tail(const std::string& text, std::size_t bytes) {
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

Status use_started(const EalPlan& plan) {
  const Started& eal = started();
  if (eal.hugepages || plan.memory_mib <= eal.memory_mib) return Ok{};
  return Error{ErrorKind::environment,
               "This process started with " + std::to_string(eal.memory_mib) +
                   " MiB for packets and cannot get the " + std::to_string(plan.memory_mib) +
                   " MiB that are needed now.",
               "Ask for them at the first start (memory), or start a process anew."};
}

}  // namespace

Result<EalPlan> plan_eal(const BackendConfig& config, const std::vector<DeviceSpec>& devices,
                         std::uint32_t needed_mib, const Machine& machine) {
  EalPlan plan;
  plan.housekeeping = housekeeping_cores(config, machine);
  plan.memory_mib = std::max(config.memory_mib, needed_mib);
  if (config.memory_mib != 0 && config.memory_mib < needed_mib) {
    return Error{ErrorKind::usage,
                 "The packet memory of " + std::to_string(config.memory_mib) +
                     " MiB is too small: these devices and workers need " +
                     std::to_string(needed_mib) + " MiB.",
                 "Leave it out to have what is needed."};
  }
  const std::uint64_t free_mib = config.hugepages ? machine.free_hugepage_mib() : 0;
  plan.hugepages = config.hugepages && free_mib >= plan.memory_mib;
  const bool any_pci =
      std::any_of(devices.begin(), devices.end(), [](const auto& d) { return d.pci; });
  const std::string need = std::to_string(plan.memory_mib) + " MiB";
  if (plan.hugepages) {
    plan.note = "Packets are in hugepages (" + need + " of " + std::to_string(free_mib) +
                " MiB that are free).";
  } else {
    plan.note = !config.hugepages ? "Packets are in ordinary memory (" + need + "), as asked."
                                  : "Packets are in ordinary memory (" + need + "): only " +
                                        std::to_string(free_mib) + " MiB of hugepages are free.";
    if (any_pci) {
      return Error{ErrorKind::environment,
                   "A PCI device needs hugepages: " + need + ", but only " +
                       std::to_string(free_mib) + " MiB of them are free.",
                   "sudo sysctl vm.nr_hugepages=" + std::to_string((plan.memory_mib + 1) / 2 + 8)};
    }
  }
  auto& words = plan.words;
  if (plan.hugepages) {
    words = {"--in-memory"};
    if (needs_single_files(devices)) words.emplace_back("--single-file-segments");
  } else {
    words = {"--no-huge", "--no-shconf", "-m", std::to_string(plan.memory_mib)};
  }
  words.push_back("--file-prefix=" + unique_prefix());
  words.emplace_back("--no-telemetry");
  words.emplace_back("--log-level=warning");
  std::string cpus;
  for (const int core : plan.housekeeping) cpus += (cpus.empty() ? "" : ",") + std::to_string(core);
  words.push_back("--lcores=0@(" + cpus + ")");
  if (any_pci) {
    for (const DeviceSpec& d : devices) {
      if (d.pci) words.insert(words.end(), {"-a", d.text});
    }
  } else {
    words.insert(words.end(), {"--no-pci", "--iova-mode=va"});
  }
  std::istringstream extra(config.eal_extra);
  for (std::string word; extra >> word;) words.push_back(word);
  return plan;
}

Status start_eal(const EalPlan& plan) {
  Started& eal = started();
  const std::lock_guard lock(eal.mutex);
  if (eal.yes) return use_started(plan);
  EalLog& log = EalLog::instance();
  log.attach();
  log.clear();
  std::vector<std::string> words = plan.words;
  words.insert(words.begin(), "millrace");
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);  // getopt, which the EAL uses, expects it

  int code = 0;
  bool ok = false;
  std::string printed;
  {
    const AffinityGuard guard(plan.housekeeping);
    const CaughtOutput output;
    ok = rte_eal_init(static_cast<int>(words.size()), argv.data()) >= 0;
    code = rte_errno;
    printed = output.text();
  }
  if (!ok) return explain_failed_eal(code, log.text() + printed, plan);
  eal.yes = true;
  eal.hugepages = plan.hugepages;
  eal.memory_mib = plan.memory_mib;
  // Nothing is kept in it, as nothing is shared with other processes.
  rmdir(rte_eal_get_runtime_dir());
  return Ok{};
}

Error explain_failed_eal(int code, const std::string& log, const EalPlan& plan) {
  const auto says = [&log](const char* part) { return log.find(part) != std::string::npos; };
  std::string all;
  for (const std::string& word : plan.words) all += (all.empty() ? "" : " ") + word;
  if (code == EALREADY) {
    return {ErrorKind::failed, "DPDK's EAL was started in this process by someone else.", ""};
  }
  if (says("unrecognized option")) {
    const std::size_t at = log.find("unrecognized option") + std::strlen("unrecognized option ");
    return {ErrorKind::usage,
            "DPDK does not know the option " + log.substr(at, log.find('\n', at) - at) + ".",
            "The words after --eal-extra go to DPDK as they are."};
  }
  if (says("command line") || code == EINVAL) {
    return {ErrorKind::usage, "DPDK refuses its arguments: \"" + telling_line(log) + "\".",
            "They were: " + all};
  }
  if (says("hugepage information") || says("No free hugepages")) {
    return {ErrorKind::environment, "There are no hugepages that DPDK could use.",
            "sudo sysctl vm.nr_hugepages=" + std::to_string(plan.memory_mib / 2 + 8) +
                ", or go without: --no-hugepages"};
  }
  if (code == ENOMEM || says("Cannot allocate memory") || says("Cannot init memory")) {
    const bool root = geteuid() == 0;
    return {ErrorKind::environment,
            "DPDK could not get " + std::to_string(plan.memory_mib) + " MiB of memory" +
                (root ? "." : ", which without root usually means that it may not."),
            root ? "free -m and ulimit -l show what there is."
                 : "ulimit -l unlimited, or run as root, or go without hugepages: --no-hugepages"};
  }
  if (code == EACCES || code == EPERM) {
    return {ErrorKind::environment,
            "DPDK was refused by the system: \"" + telling_line(log) + "\".", "Run as root."};
  }
  const std::string line = telling_line(log);
  return {ErrorKind::environment,
          "DPDK did not start: " + std::string(std::strerror(code)) +
              (line.empty() ? "." : " (\"" + tail(line, 200) + "\")."),
          "Its arguments were: " + all};
}

}  // namespace millrace::dpdk
