// SPDX-License-Identifier: BSD-3-Clause
//
// A machine of files: what /sys and /proc would show, in a folder that goes with the test.
#pragma once

#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "dataplane/probe.h"

namespace millrace::test {

class FakeMachine {
 public:
  FakeMachine() {
    std::string name = std::filesystem::temp_directory_path() / "millrace-machine-XXXXXX";
    root_ = mkdtemp(name.data());
    write("/sys/devices/system/cpu/online", "0-1\n");
    write("/sys/devices/system/cpu/isolated", "1\n");
    write("/proc/self/status", "Name:\tx\nCapEff:\t0000000000001000\n");  // CAP_NET_ADMIN alone
  }
  ~FakeMachine() { std::filesystem::remove_all(root_); }
  FakeMachine(const FakeMachine&) = delete;
  FakeMachine& operator=(const FakeMachine&) = delete;

  [[nodiscard]] Machine machine() const { return Machine(root_); }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void link(const std::string& path, const std::string& target) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::filesystem::create_symlink(target, file);
  }
  void hugepages(std::uint64_t total, std::uint64_t free) const {
    const std::string pool = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB";
    write(pool + "/nr_hugepages", std::to_string(total) + "\n");
    write(pool + "/free_hugepages", std::to_string(free) + "\n");
  }
  /// A network controller; `driver` may be empty, group -1 means no IOMMU.
  void pci(const std::string& address, const std::string& driver, int group,
           const std::string& class_code = "0x020000") const {
    const std::string folder = "/sys/bus/pci/devices/" + address;
    write(folder + "/class", class_code + "\n");
    write(folder + "/vendor", "0x8086\n");
    write(folder + "/device", "0x1572\n");
    write(folder + "/numa_node", "0\n");
    if (!driver.empty()) link(folder + "/driver", "../../../bus/pci/drivers/" + driver);
    if (group < 0) return;
    const std::string number = std::to_string(group);
    const std::string devices = root_ + "/sys/kernel/iommu_groups/" + number + "/devices";
    std::filesystem::create_directories(devices + "/" + address);
    link(folder + "/iommu_group", root_ + "/sys/kernel/iommu_groups/" + number);
  }

 private:
  std::string root_;
};

}  // namespace millrace::test
