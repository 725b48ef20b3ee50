// SPDX-License-Identifier: BSD-3-Clause
//
// Control sockets as files: where they are, and whose directories may hold them. Whoever can
// replace the directory of a socket can answer in our place, so every directory on the way is
// looked at.
#include "dataplane/control_path.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "dataplane/control.h"

namespace millrace {
namespace control {

namespace fs = std::filesystem;

bool make_address(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return true;
}

namespace {

Error unusable(const std::string& directory, const std::string& why, std::string hint = {}) {
  return {ErrorKind::environment, "control directory " + directory + " " + why, std::move(hint)};
}

/// An ancestor is safe if it is ours or root's, and others can at most add entries to it.
bool others_may_replace_entries(const struct stat& s) {
  if (s.st_uid != 0 && s.st_uid != geteuid()) return true;
  return (s.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (s.st_mode & S_ISVTX) == 0;
}

}  // namespace

Status secure_directory(const std::string& directory) {
  std::error_code failed;
  const fs::path whole = fs::weakly_canonical(fs::absolute(directory), failed);
  if (failed) return unusable(directory, "cannot be looked up: " + failed.message());
  fs::path sofar;
  struct stat s {};
  for (const fs::path& part : whole) {
    sofar /= part;
    if (mkdir(sofar.c_str(), 0700) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES) {
      return unusable(sofar, std::string("cannot be made: ") + std::strerror(errno));
    }
    if (lstat(sofar.c_str(), &s) != 0 || !S_ISDIR(s.st_mode)) {
      return unusable(sofar, "does not exist and cannot be made",
                      "set XDG_RUNTIME_DIR to a directory of your own");
    }
    if (sofar != whole && others_may_replace_entries(s)) {
      return unusable(sofar, "can be changed by other users",
                      "set XDG_RUNTIME_DIR to a directory of your own");
    }
  }
  if (s.st_uid != geteuid()) return unusable(whole, "belongs to another user");
  if ((s.st_mode & 077) != 0) {
    return unusable(whole, "is open to other users", "chmod 0700 " + whole.string());
  }
  return Ok{};
}

bool is_served(const std::string& path) {
  sockaddr_un address;
  if (!make_address(path, address)) return false;
  const Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return false;
  // EAGAIN: somebody listens, and the backlog is full.
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;
}

namespace {

/// Directories that may hold this user's sockets, the preferred one first. Whoever sets
/// XDG_RUNTIME_DIR has said where, and no other instance is to be seen.
std::vector<std::string> candidates() {
  std::vector<std::string> all;
  const std::string uid = std::to_string(geteuid());
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && runtime[0] == '/') return {std::string(runtime) + "/millrace"};
  struct stat s {};
  const std::string user = "/run/user/" + uid;
  if (stat(user.c_str(), &s) == 0 && S_ISDIR(s.st_mode)) all.push_back(user);
  all.push_back("/tmp/millrace-" + uid);
  for (std::string& directory : all) directory += "/millrace";
  return all;
}

constexpr std::string_view kSuffix = ".sock";

}  // namespace
}  // namespace control

std::string control_path(const std::string& name) {
  const std::string& chosen = name.empty() ? std::to_string(getpid()) : name;
  return control::candidates().front() + "/" + chosen + std::string(control::kSuffix);
}

std::vector<std::string> control_instances() {
  std::vector<std::string> found;
  for (const std::string& directory : control::candidates()) {
    DIR* open = opendir(directory.c_str());
    if (open == nullptr) continue;
    while (const dirent* entry = readdir(open)) {
      const std::string path = directory + "/" + entry->d_name;
      const bool known = std::find(found.begin(), found.end(), path) != found.end();
      if (path.ends_with(control::kSuffix) && !known && control::is_served(path)) {
        found.push_back(path);
      }
    }
    closedir(open);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace millrace
