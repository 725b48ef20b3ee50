// SPDX-License-Identifier: BSD-3-Clause
//
// Flags, environment and file: which one counts, and what is said when one of them is wrong.
#include "apps/config/command_line.h"

#include <gtest/gtest.h>

#include <map>

#include "apps/config/config_file.h"
#include "apps/config/exit_code.h"
#include "apps/config/parse_address.h"
#include "apps/config/shared_options.h"
#include "apps/config/this_command.h"

namespace millrace {
namespace {

struct Values {
  std::uint64_t count = 5;
  Duration pause = 1s;
  std::vector<std::uint16_t> ports = {80};
  std::vector<net::Route> routes;
  bool verbose = false;
  std::string url;
};

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    Command serve{"serve", "serves", "millrace serve --count 3", {}, nullptr};
    serve.options.heading("Values");
    serve.options.value("count", "N", "how many", values_.count, count_between(1, 100));
    serve.options.value("pause-time", "TIME", "how long", values_.pause, parse_any_duration);
    serve.options.repeated("listen", "PORT", "where", values_.ports, parse_port);
    serve.options.repeated("route", "ROUTE", "which way", values_.routes, parse_route);
    serve.options.toggle("verbose", "say more", values_.verbose);
    Command load{"load", "loads", "millrace load http://198.18.0.1/", {}, nullptr};
    load.options.positional("url", "URL", "where to", values_.url, parse_text);
    load.options.pairs("slo", "KEY=VALUE", "what to reach", pairs_, parse_text);
    load.options.value("rate", "RATE", "how fast", rate_, parse_rate);
    Command merge{"merge", "merges", "millrace merge a b -o c", {}, nullptr};
    merge.options.positionals("results", "RESULT", "what", words_, parse_text);
    merge.options.value("output", "FILE", "where", output_, parse_text);
    merge.options.letter("o");
    commands_ = {std::move(serve), std::move(load), std::move(merge)};
  }

  Result<CommandLine> parse(std::vector<std::string> args) {
    const auto environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      if (found == environment_.end()) return {};
      return found->second;
    };
    return parse_command_line(args, commands_, "millrace 1\n", environment);
  }
  std::string said(std::vector<std::string> args) {
    const auto result = parse(std::move(args));
    return result ? "nothing" : to_line(result.error());
  }
  std::string file_said(const std::string& text) {
    const auto result = parse_config_text(text, "x.toml", commands_[0], commands_);
    return result ? "nothing" : to_line(result.error());
  }

  Values values_;
  double rate_ = 0;
  std::vector<std::string> pairs_;
  std::vector<std::string> words_;
  std::string output_;
  std::map<std::string, std::string> environment_;
  std::vector<Command> commands_;
};

TEST_F(CommandLineTest, TakesFlagsInBothForms) {
  const auto line = parse({"serve", "--count", "7", "--pause-time=250ms", "--listen", "81",
                           "--listen", "82", "--verbose"});
  ASSERT_TRUE(line.ok()) << to_line(line.error());
  EXPECT_EQ(line.value().command, &commands_[0]);
  EXPECT_EQ(values_.count, 7U);
  EXPECT_EQ(values_.pause, 250ms);
  EXPECT_EQ(values_.ports, (std::vector<std::uint16_t>{81, 82}));
  EXPECT_TRUE(values_.verbose);
}

TEST_F(CommandLineTest, LastOfASingleOptionCounts) {
  EXPECT_EQ(said({"serve", "--count", "7", "--count", "9"}), "nothing");
  EXPECT_EQ(values_.count, 9U);
}

TEST_F(CommandLineTest, TakesAPositionalWord) {
  EXPECT_EQ(said({"load", "http://198.18.0.1/", "--rate", "10k"}), "nothing");
  EXPECT_EQ(values_.url, "http://198.18.0.1/");
  EXPECT_DOUBLE_EQ(rate_, 10'000);
}

TEST_F(CommandLineTest, EnvironmentIsWeakerThanAFlag) {
  environment_ = {{"MILLRACE_COUNT", "11"},
                  {"MILLRACE_PAUSE_TIME", "2s"},
                  {"MILLRACE_LISTEN", "8080 8081"},
                  {"MILLRACE_ROUTE", "10.0.0.0/8,via 198.18.0.1 10.1.0.0/16"},
                  {"MILLRACE_VERBOSE", "yes"}};
  EXPECT_EQ(said({"serve", "--count", "12"}), "nothing");
  EXPECT_EQ(values_.count, 12U);
  EXPECT_EQ(values_.pause, 2s);
  EXPECT_EQ(values_.ports, (std::vector<std::uint16_t>{8080, 8081}));
  EXPECT_EQ(values_.routes.size(), 2U);
  EXPECT_TRUE(values_.verbose);
}

TEST_F(CommandLineTest, FileIsWeakerThanTheEnvironment) {
  const std::string path = ::testing::TempDir() + "millrace_config_test.toml";
  FILE* file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs("count = 21\npause_time = \"3s\"\nlisten = [90, 91]\n[serve]\ncount = 22\n", file);
  std::fclose(file);
  environment_ = {{"MILLRACE_PAUSE_TIME", "2s"}};
  EXPECT_EQ(said({"serve", "--config", path}), "nothing");
  EXPECT_EQ(values_.count, 22U);  // the command's own table is stronger than the top
  EXPECT_EQ(values_.pause, 2s);
  EXPECT_EQ(values_.ports, (std::vector<std::uint16_t>{90, 91}));
  environment_ = {{"MILLRACE_CONFIG", path}};
  EXPECT_EQ(said({"serve", "--listen", "99"}), "nothing");
  EXPECT_EQ(values_.ports, std::vector<std::uint16_t>{99});
  EXPECT_EQ(values_.pause, 3s);
  std::remove(path.c_str());
}

TEST_F(CommandLineTest, FileThatIsNotThere) {
  const auto result = parse({"serve", "--config", "/nowhere/x.toml"});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::environment);
  EXPECT_EQ(
      to_line(result.error()),
      "the configuration file /nowhere/x.toml cannot be read: No such file or directory; look "
      "with: ls -l /nowhere/x.toml");
}

TEST_F(CommandLineTest, FileErrorsHaveAPlace) {
  EXPECT_EQ(file_said("count = 1\ncuont = 2\n"),
            "x.toml:2:1: 'cuont' is no key of any command: expected the name of an option; did you "
            "mean count?");
  EXPECT_EQ(file_said("[serve]\n  rate = 2\n"),
            "x.toml:2:3: 'rate' is no key of [serve]: expected the name of an option");
  EXPECT_EQ(file_said("[load]\nrtae = 2\n"),
            "x.toml:2:1: 'rtae' is no key of [load]: expected the name of an option; did you mean "
            "rate?");
  EXPECT_EQ(file_said("count = [1, 2]\n"), "x.toml:1:9: count has several values: expected one");
  EXPECT_EQ(file_said("count = 1979-05-27\n"),
            "x.toml:1:9: count has a value of no use: expected text, a number, true or false");
  EXPECT_EQ(file_said("rate = 5\n"), "nothing");  // of another command
  EXPECT_EQ(file_said("[sreve]\ncount = 1\n").substr(0, 34), "x.toml:1:2: 'sreve' is no key of a");
  EXPECT_EQ(file_said("count = \n").substr(0, 11), "x.toml:1:9:");
}

TEST_F(CommandLineTest, ErrorsNameTheirSource) {
  EXPECT_EQ(said({"serve", "--count", "0"}),
            "--count: 0 is out of range: expected 1 to 100; try 1");
  environment_ = {{"MILLRACE_COUNT", "1000"}};
  EXPECT_EQ(said({"serve"}), "MILLRACE_COUNT: 1000 is out of range: expected 1 to 100; try 100");
}

TEST_F(CommandLineTest, TyposGetASuggestion) {
  EXPECT_EQ(
      said({"serve", "--cuont", "3"}),
      "--cuont is no option of millrace serve: expected one that its help names; did you mean "
      "--count?");
  EXPECT_EQ(
      said({"serve", "--puase-time=3s"}),
      "--puase-time is no option of millrace serve: expected one that its help names; did you "
      "mean --pause-time?");
  EXPECT_EQ(
      said({"serve", "--xyzzy"}),
      "--xyzzy is no option of millrace serve: expected one that its help names; see millrace "
      "serve --help");
  EXPECT_EQ(said({"sevre"}),
            "'sevre' is no command: expected serve, load, merge; did you mean serve?");
  EXPECT_EQ(said({"--versoin"}),
            "'--versoin' is no command: expected --help, --version, --reference; did you mean "
            "--version?");
  EXPECT_EQ(said({}),
            "no command was given: expected millrace COMMAND [OPTIONS]; see millrace --help");
  EXPECT_EQ(said({"serve", "word"}),
            "'word' is one word too many: serve expects options that start with --; see millrace "
            "serve --help");
}

TEST_F(CommandLineTest, MissingValues) {
  EXPECT_EQ(said({"serve", "--count"}),
            "--count has no value: expected --count N; see millrace serve --help");
  EXPECT_EQ(said({"serve", "--verbose", "--config"}),
            "--config has no value: expected --config FILE; see millrace serve --help");
  EXPECT_NE(said({"serve", "--count", "--verbose"}), "nothing");
}

TEST_F(CommandLineTest, HelpEndsWithTheExample) {
  const auto help = parse({"serve", "--help"});
  ASSERT_TRUE(help.ok());
  EXPECT_EQ(help.value().command, nullptr);
  const std::string& text = help.value().text;
  EXPECT_TRUE(text.ends_with("Example:\n  millrace serve --count 3\n")) << text;
  EXPECT_NE(text.find("--pause-time TIME"), std::string::npos) << text;
  EXPECT_EQ(parse({"--version"}).value().text, "millrace 1\n");
  EXPECT_NE(parse({"--help"}).value().text.find("serve       serves"), std::string::npos);
}

TEST_F(CommandLineTest, TakesAnyNumberOfWords) {
  EXPECT_EQ(said({"merge", "a", "b", "-o", "out", "c"}), "nothing");
  EXPECT_EQ(words_, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(output_, "out");
  EXPECT_EQ(said({"merge", "--output=x", "d"}), "nothing");
  EXPECT_EQ(words_, (std::vector<std::string>{"d"}));
  EXPECT_EQ(output_, "x");
  EXPECT_EQ(said({"merge", "-o"}), "-o has no value: expected -o FILE; see millrace merge --help");
  EXPECT_NE(parse({"merge", "--help"}).value().text.find("-o,--output FILE"), std::string::npos);
}

TEST_F(CommandLineTest, PairsAreATableOfTheFile) {
  const auto read = [this](const std::string& text, std::size_t command) {
    return parse_config_text(text, "x.toml", commands_[command], commands_);
  };
  const std::string file = "[slo]\nttlb.p99 = \"2ms\"\nfailed = 0.5\nttfb.\"p99.9\" = 3\n";
  const auto found = read(file, 1);
  ASSERT_TRUE(found.ok()) << to_line(found.error());
  std::vector<std::string> words = found.value().at("slo").words;
  std::sort(words.begin(), words.end());
  EXPECT_EQ(words, (std::vector<std::string>{"failed=0.5", "ttfb.p99.9=3", "ttlb.p99=2ms"}));
  EXPECT_TRUE(read(file, 0).ok()) << "a command without it passes over it";
  EXPECT_EQ(read("[load.slo]\nx = 1\n", 1).value().at("slo").words.front(), "x=1");
  EXPECT_EQ(read("slo = [\"a=1\", \"b=2\"]\n", 1).value().at("slo").words.size(), 2U);
  EXPECT_FALSE(read("[rate]\nx = 1\n", 1).ok()) << "no other option is a table";
  EXPECT_FALSE(read("[slo]\nx = [1]\n", 1).ok());
}

TEST(ThisCommand, IsWrittenAsOneWouldTypeIt) {
  const std::vector<std::string> words{"load", "--path=/a b", "it's", "", "10k"};
  EXPECT_EQ(shell_line(words), "load '--path=/a b' 'it'\\''s' '' 10k");
  EXPECT_TRUE(this_command().starts_with("test_apps_config")) << this_command();
}

TEST(SharedOptions, BecomeAnEnd) {
  NetworkOptions network;
  const auto said = [&] {
    const auto end = make_end(network, TcpOptions{}, {0, 1});
    return end ? "nothing" : to_line(end.error());
  };
  EXPECT_EQ(said(), "no device was given: expected --device; try --device net_tap0,iface=mr0");
  network.device = "net_tap0,iface=mr0";
  EXPECT_EQ(said(),
            "no address of our own was given: expected --address; try --address 198.18.0.2/24");
  network.addresses = {parse_address_range("198.18.0.2/24").value()};
  EXPECT_EQ(said(), "nothing");
  network.gateways = {parse_gateway("198.18.1.1").value()};
  EXPECT_EQ(said(),
            "--gateway: 198.18.1.1 is in none of our networks, so it cannot be reached; give an "
            "--address with the prefix length of its network, or --route 198.18.1.1/32");
  network.routes = {parse_route("198.18.1.1/32").value()};
  EXPECT_EQ(said(), "nothing");
  network.outer_vlan = 9;
  EXPECT_EQ(said(), "--outer-vlan without --vlan: expected both tags or one; try --vlan 9");
  network.vlan = 7;
  network.ttl = 33;
  network.dscp = 46;
  const auto end = make_end(network, TcpOptions{}, {0});
  EXPECT_EQ(end.value().interface.vlan, 7);
  EXPECT_EQ(end.value().interface.outer_vlan, 9);
  EXPECT_EQ(end.value().endpoint.profiles.front().ttl, 33);
  EXPECT_EQ(end.value().endpoint.profiles.front().dscp, 46);
  network.addresses.push_back(parse_address_range("2001:2::2/64").value());
  network.mtu = 900;
  EXPECT_EQ(said(), "--mtu 900 is too small for IPv6: expected 1280 or more; try --mtu 1280");
}

TEST(SharedOptions, SizeTheEndpoint) {
  TcpOptions tcp;
  tcp.max_connections = 1'000'000;
  tcp.two_msl = 5s;
  tcp.min_rto = 2s;
  const auto one = make_endpoint(tcp, 1, 9000, false);
  EXPECT_EQ(one.max_connections, 1'000'000U);
  EXPECT_EQ(one.max_time_wait, 4'000'000U);
  EXPECT_EQ(one.max_half_open, 65'536U);
  EXPECT_LT(one.max_ipv6_pairs, 10'000U);
  EXPECT_EQ(one.profiles[0].mtu, 9000);
  EXPECT_EQ(one.profiles[0].two_msl, 5s);
  EXPECT_GE(one.profiles[0].initial_rto, one.profiles[0].min_rto);
  const auto four = make_endpoint(tcp, 4, 1500, true);
  EXPECT_GE(four.max_connections * 4, 1'250'000U);
  EXPECT_GE(four.max_ipv6_pairs, four.max_connections + four.max_half_open);
  EXPECT_EQ(one.max_blocks, 262'144U);
  tcp.buffer_memory = 1 << 20;
  EXPECT_EQ(make_endpoint(tcp, 4, 1500, true).max_blocks, 512U);
}

}  // namespace
}  // namespace millrace
