// SPDX-License-Identifier: BSD-3-Clause
//
// The control socket: who may ask, what one client may cost, and what happens to the file.
#include "dataplane/control.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "dataplane/control_path.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class Control : public ::testing::Test {
 protected:
  Control() {
    std::string pattern = (fs::temp_directory_path() / "mr_control_XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    path_ = root_ + "/millrace/one.sock";
  }
  ~Control() override { fs::remove_all(root_); }

  std::unique_ptr<ControlServer> start(const ControlLimits& limits = {}) {
    auto server = ControlServer::start(
        path_, [](const std::string& request) { return "<" + request + ">"; }, limits);
    EXPECT_TRUE(server.ok()) << server.error().sentence;
    return server.ok() ? std::move(server).value() : nullptr;
  }
  std::string refusal() {
    auto server = ControlServer::start(path_, [](const std::string&) { return std::string(); });
    return server.ok() ? std::string() : server.error().sentence;
  }
  mode_t mode_of(const std::string& path) {
    struct stat s {};
    EXPECT_EQ(lstat(path.c_str(), &s), 0) << path;
    return s.st_mode & 07777;
  }
  control::Descriptor connect_raw() {
    sockaddr_un address;
    EXPECT_TRUE(control::make_address(path_, address));
    control::Descriptor fd(socket(AF_UNIX, SOCK_STREAM, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  /// What comes until the other side hangs up or `lines` have come; "timeout" appended after 5 s.
  std::string read_lines(int fd, int lines) {
    std::string all;
    while (lines > 0) {
      pollfd p{fd, POLLIN, 0};
      if (poll(&p, 1, 5000) <= 0) return all + "timeout";
      char c = 0;
      if (recv(fd, &c, 1, 0) <= 0) return all + "hangup";
      all += c;
      if (c == '\n') --lines;
    }
    return all;
  }

  std::string root_;
  std::string path_;
};

TEST_F(Control, AnswersOneLinePerRequest) {
  const auto server = start();
  const auto reply = control_ask(path_, "{\"q\":1}");
  ASSERT_TRUE(reply.ok()) << reply.error().sentence;
  EXPECT_EQ(reply.value(), "<{\"q\":1}>");

  const control::Descriptor fd = connect_raw();
  ASSERT_EQ(send(fd.get(), "a\nb\nc", 5, 0), 5);
  EXPECT_EQ(read_lines(fd.get(), 2), "<a>\n<b>\n");
  ASSERT_EQ(send(fd.get(), "d\n", 2, 0), 2);
  EXPECT_EQ(read_lines(fd.get(), 1), "<cd>\n");
}

TEST_F(Control, FileAndDirectoryAreForTheOwnerAlone) {
  const mode_t before = umask(0);
  const auto server = start();
  umask(before);
  EXPECT_EQ(mode_of(path_), 0600U);
  EXPECT_EQ(mode_of(root_ + "/millrace"), 0700U);
}

TEST_F(Control, RefusesADirectoryThatIsOpenToOthers) {
  fs::create_directories(root_ + "/millrace");
  chmod((root_ + "/millrace").c_str(), 0755);
  EXPECT_NE(refusal().find("is open to other users"), std::string::npos);
  chmod((root_ + "/millrace").c_str(), 0700);
  EXPECT_EQ(refusal(), "");
}

TEST_F(Control, RefusesADirectoryThatOthersCouldReplace) {
  fs::create_directories(root_ + "/millrace");
  chmod((root_ + "/millrace").c_str(), 0700);
  chmod(root_.c_str(), 0777);
  EXPECT_NE(refusal().find("can be changed by other users"), std::string::npos);
  chmod(root_.c_str(), 01777);  // with the sticky bit only its owner can replace ours
  EXPECT_EQ(refusal(), "");
  chmod(root_.c_str(), 0700);
}

TEST_F(Control, RefusesADirectoryOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a directory of another user";
  fs::create_directories(root_ + "/millrace");
  chmod((root_ + "/millrace").c_str(), 0700);
  ASSERT_EQ(chown((root_ + "/millrace").c_str(), 65534, 65534), 0);
  EXPECT_NE(refusal().find("belongs to another user"), std::string::npos);
}

TEST_F(Control, RefusesAPeerOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const auto server = start();
  // Opened wide on purpose: the credentials must hold without the file modes.
  chmod(root_.c_str(), 0755);
  chmod((root_ + "/millrace").c_str(), 0755);
  chmod(path_.c_str(), 0666);
  const pid_t child = fork();
  if (child == 0) {
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(2);
    _exit(control_ask(path_, "secret").ok() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(control_ask(path_, "still there").ok());
}

TEST_F(Control, ReplacesAStaleSocketAndNotALiveOne) {
  fs::create_directories(root_ + "/millrace");
  chmod((root_ + "/millrace").c_str(), 0700);
  {
    sockaddr_un address;
    ASSERT_TRUE(control::make_address(path_, address));
    const control::Descriptor fd(socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(fs::exists(path_));  // its process is gone
  const auto server = start();
  ASSERT_NE(server, nullptr);
  EXPECT_NE(refusal().find("in use by a running instance"), std::string::npos);
  EXPECT_TRUE(control_ask(path_, "x").ok());
}

TEST_F(Control, LeavesAFileThatIsNotASocketAlone) {
  fs::create_directories(root_ + "/millrace");
  chmod((root_ + "/millrace").c_str(), 0700);
  std::ofstream(path_) << "precious";
  EXPECT_NE(refusal().find("is not a socket"), std::string::npos);
  EXPECT_EQ(fs::file_size(path_), 8U);
}

TEST_F(Control, RemovesItsSocketAtTheEndButNotItsSuccessors) {
  auto first = start();
  first.reset();
  EXPECT_FALSE(fs::exists(path_));
  first = start();
  fs::remove(path_);
  const auto second = start();
  first.reset();
  EXPECT_TRUE(fs::exists(path_));
  EXPECT_TRUE(control_ask(path_, "x").ok());
}

TEST_F(Control, ATooLongRequestIsRefusedAndItsSenderCutOff) {
  ControlLimits limits;
  limits.max_request_bytes = 1000;
  const auto server = start(limits);
  EXPECT_EQ(control_ask(path_, std::string(1000, 'x')).value().size(), 1002U);
  const auto reply = control_ask(path_, std::string(1001, 'x'));
  ASSERT_TRUE(reply.ok());
  EXPECT_NE(reply.value().find("request longer than 1000 bytes"), std::string::npos);
  const control::Descriptor fd = connect_raw();
  const std::string endless(5000, 'x');  // no newline at all
  ASSERT_EQ(send(fd.get(), endless.data(), endless.size(), 0), 5000);
  const std::string seen = read_lines(fd.get(), 2);
  EXPECT_NE(seen.find("request longer"), std::string::npos);
  EXPECT_NE(seen.find("hangup"), std::string::npos) << seen;
}

TEST_F(Control, AnIdleClientIsCutOff) {
  ControlLimits limits;
  limits.idle = 50ms;
  const auto server = start(limits);
  const control::Descriptor fd = connect_raw();
  ASSERT_EQ(send(fd.get(), "half a requ", 11, 0), 11);
  EXPECT_EQ(read_lines(fd.get(), 1), "hangup");
}

TEST_F(Control, ManyClientsAtOnceEachGetTheirOwnReply) {
  const auto server = start();
  std::vector<control::Descriptor> open;
  for (int i = 0; i < 30; ++i) open.push_back(connect_raw());
  for (std::size_t i = 0; i < open.size(); ++i) {
    const std::string line = std::to_string(i) + "\n";
    ASSERT_GT(send(open[i].get(), line.data(), line.size(), 0), 0);
  }
  for (std::size_t i = open.size(); i-- > 0;) {
    EXPECT_EQ(read_lines(open[i].get(), 1), "<" + std::to_string(i) + ">\n");
  }
}

TEST_F(Control, MoreClientsThanAllowedWaitTheirTurn) {
  ControlLimits limits;
  limits.max_clients = 2;
  const auto server = start(limits);
  control::Descriptor a = connect_raw();
  const control::Descriptor b = connect_raw();
  ASSERT_EQ(send(a.get(), "a\n", 2, 0), 2);
  ASSERT_EQ(send(b.get(), "b\n", 2, 0), 2);
  EXPECT_EQ(read_lines(a.get(), 1), "<a>\n");
  EXPECT_EQ(read_lines(b.get(), 1), "<b>\n");
  const control::Descriptor c = connect_raw();
  ASSERT_EQ(send(c.get(), "c\n", 2, 0), 2);
  pollfd p{c.get(), POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 50), 0);
  a = control::Descriptor();
  EXPECT_EQ(read_lines(c.get(), 1), "<c>\n");
}

TEST_F(Control, AReplyLargerThanTheSocketsBufferArrivesWhole) {
  std::string big(5'000'000, 'y');
  big[4'999'999] = 'z';
  auto server = ControlServer::start(path_, [&](const std::string&) { return big; });
  ASSERT_TRUE(server.ok());
  const auto reply = control_ask(path_, "all");
  ASSERT_TRUE(reply.ok()) << reply.error().sentence;
  EXPECT_EQ(reply.value(), big);
}

TEST_F(Control, AskingNobodyIsAnErrorThatNamesThePath) {
  const auto reply = control_ask(path_, "x");
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::environment);
  EXPECT_NE(reply.error().sentence.find(path_), std::string::npos);
}

TEST_F(Control, PathsFollowTheRuntimeDirectoryAndInstancesAreFound) {
  const char* before = getenv("XDG_RUNTIME_DIR");
  const std::string kept = before != nullptr ? before : "";
  setenv("XDG_RUNTIME_DIR", root_.c_str(), 1);
  EXPECT_EQ(control_path("one"), path_);
  EXPECT_EQ(control_path(""), root_ + "/millrace/" + std::to_string(getpid()) + ".sock");
  const auto server = start();
  std::ofstream(root_ + "/millrace/dead.sock") << "";
  const std::vector<std::string> found = control_instances();
  // Neither the dead socket nor instances under another runtime directory.
  EXPECT_EQ(found, std::vector<std::string>{path_});
  if (before != nullptr) {
    setenv("XDG_RUNTIME_DIR", kept.c_str(), 1);
  } else {
    unsetenv("XDG_RUNTIME_DIR");
  }
}

}  // namespace
}  // namespace millrace
