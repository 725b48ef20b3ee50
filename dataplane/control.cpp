// SPDX-License-Identifier: BSD-3-Clause
//
// The serving side of the control socket: one thread, poll(), a few clients, each with a bounded
// line coming in and one reply going out. A client that sends nothing, reads nothing or sends too
// much is cut off; one of another user is refused before it is read.
#include "dataplane/control.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "dataplane/control_path.h"

namespace millrace {
namespace {

using control::Descriptor;
using Clock = std::chrono::steady_clock;

struct Client {
  Descriptor fd;
  std::string in;        // what came and is not yet answered
  std::size_t seen = 0;  // bytes of `in` known to hold no newline
  std::string out;       // reply
  std::size_t sent = 0;  // bytes of `out` that are gone
  Clock::time_point progress{};
  bool last = false;      // hang up when `out` is gone
  bool finished = false;  // hang up now
};

class Server final : public ControlServer {
 public:
  Server(std::string path, Descriptor listener, ControlHandler handler, const ControlLimits& limits)
      : path_(std::move(path)),
        listener_(std::move(listener)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        handler_(std::move(handler)),
        limits_(limits),
        owner_(geteuid()) {
    struct stat s {};
    if (lstat(path_.c_str(), &s) == 0) inode_ = s.st_ino;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { serve(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~Server() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
    thread_.join();
    struct stat s {};
    if (lstat(path_.c_str(), &s) == 0 && s.st_ino == inode_) unlink(path_.c_str());
  }

 private:
  void serve();
  void accept_one();
  void read_from(Client& c);
  void answer(Client& c);
  void write_to(Client& c);
  [[nodiscard]] int poll_timeout_ms(Clock::time_point now) const;

  std::string path_;
  Descriptor listener_;
  Descriptor wake_;
  ControlHandler handler_;
  ControlLimits limits_;
  uid_t owner_;
  ino_t inode_ = 0;
  std::vector<Client> clients_;
  std::thread thread_;
};

int Server::poll_timeout_ms(Clock::time_point now) const {
  if (clients_.empty()) return -1;
  Clock::time_point first = Clock::time_point::max();
  for (const Client& c : clients_) first = std::min(first, c.progress + limits_.idle);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void Server::serve() {
  std::vector<pollfd> polled;
  for (;;) {
    polled.clear();
    polled.push_back({wake_.get(), POLLIN, 0});
    const bool room = clients_.size() < limits_.max_clients;
    polled.push_back({listener_.get(), static_cast<short>(room ? POLLIN : 0), 0});
    for (const Client& c : clients_) {
      // Nothing more is read from a client that has not taken its last reply.
      polled.push_back({c.fd.get(), static_cast<short>(c.out.empty() ? POLLIN : POLLOUT), 0});
    }
    const int ready = poll(polled.data(), polled.size(), poll_timeout_ms(Clock::now()));
    if (ready < 0 && errno != EINTR) return;
    if ((polled[0].revents & POLLIN) != 0) return;
    const auto now = Clock::now();
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      Client& c = clients_[i];
      const short happened = ready > 0 ? polled[i + 2].revents : short{0};
      if (happened != 0) {
        c.progress = now;
        if (c.out.empty()) read_from(c);
        answer(c);
      }
      if (now - c.progress >= limits_.idle) c.finished = true;
    }
    std::erase_if(clients_, [](const Client& c) { return c.finished; });
    if (ready > 0 && (polled[1].revents & POLLIN) != 0) accept_one();
  }
}

void Server::accept_one() {
  Descriptor fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) return;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  if (peer.uid != owner_ && peer.uid != 0) return;
  Client c;
  c.fd = std::move(fd);
  c.progress = Clock::now();
  clients_.push_back(std::move(c));
}

void Server::read_from(Client& c) {
  char chunk[16 * 1024];
  const ssize_t got = recv(c.fd.get(), chunk, sizeof chunk, 0);
  if (got > 0) {
    c.in.append(chunk, static_cast<std::size_t>(got));
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    c.finished = true;
  }
}

/// Answers complete lines for as long as the replies go out at once.
void Server::answer(Client& c) {
  for (;;) {
    if (c.finished) return;
    if (!c.out.empty()) write_to(c);
    if (!c.out.empty() || c.finished) return;
    if (c.last) {
      c.finished = true;
      return;
    }
    const std::size_t end = c.in.find('\n', c.seen);
    const std::size_t line_bytes = end == std::string::npos ? c.in.size() : end;
    if (line_bytes > limits_.max_request_bytes) {
      c.out = "{\"error\":\"request longer than " + std::to_string(limits_.max_request_bytes) +
              " bytes\"}\n";
      c.last = true;
      continue;
    }
    c.seen = line_bytes;
    if (end == std::string::npos) return;
    const std::string line = c.in.substr(0, end);
    c.in.erase(0, end + 1);
    c.seen = 0;
    c.out = handler_(line) + "\n";
  }
}

void Server::write_to(Client& c) {
  const ssize_t sent = send(c.fd.get(), c.out.data() + c.sent, c.out.size() - c.sent, MSG_NOSIGNAL);
  if (sent > 0) {
    c.sent += static_cast<std::size_t>(sent);
    if (c.sent < c.out.size()) return;
    c.out.clear();
    c.sent = 0;
  } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    c.finished = true;
  }
}

Error cannot_listen(const std::string& path) {
  return {ErrorKind::environment,
          "cannot listen on control socket " + path + ": " + std::strerror(errno),
          {}};
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& path,
                                                            ControlHandler handler,
                                                            const ControlLimits& limits) {
  sockaddr_un address;
  if (!control::make_address(path, address)) {
    return Error{ErrorKind::usage,
                 "control socket path is empty or longer than " +
                     std::to_string(sizeof address.sun_path - 1) + " bytes: " + path,
                 {}};
  }
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                                           : path.substr(0, slash);
  if (const Status secure = control::secure_directory(directory); !secure.ok()) {
    return secure.error();
  }
  // The lock keeps two starters from each taking the other's fresh socket for a stale one.
  const Descriptor lock(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid() || flock(lock.get(), LOCK_EX) != 0) return cannot_listen(path);
  if (control::is_served(path)) {
    return Error{ErrorKind::environment,
                 "control socket " + path + " is in use by a running instance",
                 "choose another name"};
  }
  struct stat s {};
  if (lstat(path.c_str(), &s) == 0) {
    if (!S_ISSOCK(s.st_mode)) {
      return Error{ErrorKind::environment, path + " exists and is not a socket", {}};
    }
    unlink(path.c_str());
  }
  Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // The mode is set before bind() makes the file, so that it is never wider.
  if (!fd.valid() || fchmod(fd.get(), 0600) != 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), 16) != 0) {
    return cannot_listen(path);
  }
  return std::unique_ptr<ControlServer>(
      new Server(path, std::move(fd), std::move(handler), limits));
}

}  // namespace millrace
