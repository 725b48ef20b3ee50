// SPDX-License-Identifier: BSD-3-Clause
//
// impair: a relay that joins two taps and does to frames what a path does: delay, jitter, a rate
// with a queue, loss, reordering, duplication; each way the same, from one seed. The kernel here
// has no netem, and a sender whose own stack drops its packets is told so.
//
//   impair --one im0 --other im1 --delay 25ms --rate 100M --loss 1 --seed 7
//
// It makes the taps, prints "ready", relays until a signal, and then says what it did.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "apps/config/command_line.h"
#include "apps/config/exit_code.h"
#include "apps/config/interrupt.h"
#include "tests/support/link.h"

namespace millrace {
namespace {

constexpr std::size_t kLargestFrame = 65'536;
constexpr int kBurst = 64;  // frames read of one tap before the other has its turn

struct Options {
  std::array<std::string, 2> taps{"im0", "im1"};
  Duration delay = 0s;
  Duration jitter = 0s;
  double bits_per_second = 0;
  std::uint64_t queue_bytes = 256 * 1024;
  double loss_percent = 0;
  double reorder_percent = 0;
  Duration reorder_delay = 5ms;
  double duplicate_percent = 0;
  std::uint64_t seed = 1;
};

Result<double> parse_percent(std::string_view word) {
  auto number = parse_rate(word);
  if (word == "0") return 0.0;
  if (number && number.value() <= 100) return number;
  return bad_word(word, "a percentage", "a number from 0 to 100", "try 1");
}

/// A tap of that name, made if it is not there.
class Tap {
 public:
  explicit Tap(const std::string& name) : fd_(open("/dev/net/tun", O_RDWR | O_NONBLOCK)) {
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    if (fd_ >= 0 && ioctl(fd_, TUNSETIFF, &request) < 0) close_now();
  }
  ~Tap() { close_now(); }
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  /// The next frame, empty if there is none.
  [[nodiscard]] std::span<const std::byte> receive(std::span<std::byte> room) const {
    const ssize_t got = read(fd_, room.data(), room.size());
    return room.first(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  /// A tap that is down takes nothing, as a cable that is not plugged in.
  [[nodiscard]] bool send(std::span<const std::byte> frame) const {
    return write(fd_, frame.data(), frame.size()) == static_cast<ssize_t>(frame.size());
  }

 private:
  void close_now() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int fd_;
};

Instant now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Instant(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

sim::Impairment impairment_of(const Options& o) {
  sim::Impairment i;
  i.delay = o.delay;
  i.jitter = o.jitter;
  i.bits_per_second = static_cast<std::uint64_t>(o.bits_per_second);
  i.queue_bytes = static_cast<std::uint32_t>(o.queue_bytes);
  i.loss = o.loss_percent / 100;
  i.reorder = o.reorder_percent / 100;
  i.reorder_delay = o.reorder_delay;
  i.duplicate = o.duplicate_percent / 100;
  return i;
}

/// Sleeps until a tap has a frame or one on the way is due; a signal ends it early.
void wait(const std::array<Tap, 2>& taps, const sim::Link& link) {
  std::array<pollfd, 2> waiting{pollfd{taps[0].fd(), POLLIN, 0}, pollfd{taps[1].fd(), POLLIN, 0}};
  Duration most = 100ms;
  if (const auto due = link.next_delivery()) {
    most = std::clamp(*due - now(), Duration{0}, most);
  }
  const timespec patience{0, static_cast<long>(most.count())};
  (void)ppoll(waiting.data(), waiting.size(), &patience, nullptr);
}

Result<int> run(const Options& o) {
  const std::array<Tap, 2> taps{Tap(o.taps[0]), Tap(o.taps[1])};
  for (std::size_t i = 0; i < taps.size(); ++i) {
    if (taps[i].fd() >= 0) continue;
    return Error{ErrorKind::environment,
                 "the tap " + o.taps[i] + " cannot be made: " + std::strerror(errno),
                 "run this as root"};
  }
  sim::Link link(impairment_of(o), impairment_of(o), o.seed);
  std::printf("ready\n");
  std::fflush(stdout);
  std::vector<std::byte> room(kLargestFrame);
  std::uint64_t refused = 0;
  while (!interrupted()) {
    wait(taps, link);
    for (int from = 0; from < 2; ++from) {
      for (int i = 0; i < kBurst; ++i) {
        const auto frame = taps[static_cast<std::size_t>(from)].receive(room);
        if (frame.empty()) break;
        link.send(from, frame, now());
      }
    }
    while (const auto arrived = link.receive(now())) {
      refused += taps[static_cast<std::size_t>(arrived->to)].send(arrived->frame) ? 0 : 1;
    }
  }
  for (int from = 0; from < 2; ++from) {
    const sim::LinkStats& s = link.stats(from);
    std::printf(
        "from %s: %llu frames, %llu lost, %llu beyond the queue, %llu held back, %llu twice\n",
        o.taps[static_cast<std::size_t>(from)].c_str(), static_cast<unsigned long long>(s.sent),
        static_cast<unsigned long long>(s.lost), static_cast<unsigned long long>(s.overflowed),
        static_cast<unsigned long long>(s.reordered),
        static_cast<unsigned long long>(s.duplicated));
  }
  std::printf("refused by a tap: %llu\n", static_cast<unsigned long long>(refused));
  return static_cast<int>(kExitInterrupted);
}

Command impair_command(Options& o) {
  Command c;
  c.name = "impair";
  c.summary = "joins two taps by a path that delays and loses";
  c.example = "impair --one im0 --other im1 --delay 25ms --rate 100M --loss 1";
  OptionSet& set = c.options;
  set.value("one", "TAP", "name of the one tap (default im0)", o.taps[0], parse_text);
  set.value("other", "TAP", "name of the other (default im1)", o.taps[1], parse_text);
  set.value("delay", "TIME", "of each frame, one way (default 0s)", o.delay,
            duration_between(0s, 10s));
  set.value("jitter", "TIME", "added to the delay, uniformly (default 0s)", o.jitter,
            duration_between(0s, 10s));
  set.value("rate", "BITS", "per second (default: no limit)", o.bits_per_second, parse_rate);
  set.value("queue", "SIZE", "of what waits for the rate (default 256KiB)", o.queue_bytes,
            parse_size);
  set.value("loss", "PERCENT", "of the frames, at random (default 0)", o.loss_percent,
            parse_percent);
  set.value("reorder", "PERCENT", "of the frames are held back (default 0)", o.reorder_percent,
            parse_percent);
  set.value("reorder-delay", "TIME", "by at most so long (default 5ms)", o.reorder_delay,
            duration_between(0s, 10s));
  set.value("duplicate", "PERCENT", "of the frames arrive twice (default 0)", o.duplicate_percent,
            parse_percent);
  set.value("seed", "N", "of the random numbers (default 1)", o.seed, parse_any_count);
  c.run = [&o] { return run(o); };
  return c;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Options options;
  return millrace::run_one_command(millrace::impair_command(options), "impair\n", argc, argv);
}
