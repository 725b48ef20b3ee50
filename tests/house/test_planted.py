# SPDX-License-Identifier: BSD-3-Clause
"""Every rule catches what it is for: each test plants one breach in a tree that is clean."""
import json

import pytest
import rules
from cpp_text import functions
from house import Tree

CPP_HEAD = "// SPDX-License-Identifier: BSD-3-Clause\n"
HEAD = "# SPDX-License-Identifier: BSD-3-Clause\n"

CLEAN = {
    "rooms.txt": HEAD + """
tcp/base library
tcp/wire library tcp/base
tcp/congestion library tcp/base
tcp/endpoint library tcp/wire tcp/congestion
dataplane library tcp/endpoint
dataplane/dpdk library dataplane
apps program=millrace dataplane/dpdk
tests/oracle library tcp/wire
tests/tcp/wire test tcp/wire
bench bench tcp/wire
""",
    "tests/house/floors.txt": HEAD + """
tcp/base: <std>
tcp/wire: <std> tcp/base
tcp/congestion: <std> tcp/base
tcp/endpoint: <std> tcp/base tcp/wire tcp/congestion
dataplane: tcp/base tcp/endpoint
dataplane/dpdk: tcp/base dataplane/port.h
@face: tcp/base tcp/endpoint/app.h
apps: @face
tests/oracle: <std>
""",
    "tcp/base/seq.h": CPP_HEAD + "#pragma once\n#include <cstdint>\n",
    "tcp/wire/sources.txt": HEAD + "parse.cpp\n",
    "tcp/wire/parse.h": CPP_HEAD + '#pragma once\n#include "tcp/base/seq.h"\n',
    "tcp/wire/parse.cpp": CPP_HEAD + '#include "tcp/wire/parse.h"\n',
    "tcp/congestion/cubic.h": CPP_HEAD + '#include "tcp/base/seq.h"\n',
    "tcp/endpoint/app.h": CPP_HEAD,
    "tcp/endpoint/table.h": CPP_HEAD + '#include "tcp/congestion/cubic.h"\n',
    "dataplane/port.h": CPP_HEAD + "#include <thread>\n",
    "dataplane/worker.h": CPP_HEAD + "// rte_mbuf in a comment is no breach\n",
    "dataplane/dpdk/sources.txt": HEAD + "port.cpp\n",
    "dataplane/dpdk/port.cpp": CPP_HEAD + '#include <rte_mbuf.h>\n#include "dataplane/port.h"\n',
    "apps/serve.h": CPP_HEAD + '#include "tcp/endpoint/app.h"\n',
    "tests/oracle/oracle.h": CPP_HEAD + "#include <cstdint>\n",
    "tests/tcp/wire/sources.txt": HEAD + "parse_test.cpp\n",
    "tests/tcp/wire/parse_test.cpp": CPP_HEAD + '#include "tcp/wire/parse.h"\n',
    "bench/sources.txt": HEAD + "parse.cpp\n",
    "bench/parse.cpp": CPP_HEAD,
    "deploy/run.sh": "#!/usr/bin/env bash\n" + HEAD,
    "deploy/cmake/MillraceFlags.cmake": HEAD + "-Wshadow -D_X=1 MILLRACE_MARCH\n",
    "deploy/cmake/MillraceRooms.cmake": HEAD,
    "meson.build": HEAD + "['-Wshadow', '-D_X=1'] get_option('march')\n",
    "meson_options.txt": HEAD + "option('march', type: 'string')\n",
}


@pytest.fixture(name="plant")
def make_plant(tmp_path, monkeypatch):
    """Writes the clean tree with some files replaced, or removed (None), and its build."""
    monkeypatch.setenv("MILLRACE_BUILD", str(tmp_path / "build"))
    monkeypatch.delenv("MILLRACE_LEFT_OUT", raising=False)

    def plant(changes=None, compiled=None):
        files = {**CLEAN, **(changes or {})}
        for name, text in files.items():
            if text is not None:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text, encoding="utf-8")
        if compiled is None:
            compiled = [name for name in files if name.endswith(".cpp")]
        commands = [{"directory": str(tmp_path / "build"), "file": f"../{n}"} for n in compiled]
        (tmp_path / "build").mkdir()
        (tmp_path / "build/compile_commands.json").write_text(json.dumps(commands))
        return Tree(tmp_path)

    return plant


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_clean_tree_passes(rule, plant):
    assert rule(plant()) == []


def long_function(lines):
    return CPP_HEAD + "int f(int a) {\n" + "  ++a;\n" * (lines - 3) + "  return a;\n}\n"


PLANTED = {
    "wire includes congestion": (rules.floors, {
        "tcp/wire/parse.cpp": CPP_HEAD + '#include "tcp/congestion/cubic.h"\n'}),
    "congestion includes wire": (rules.floors, {
        "tcp/congestion/cubic.h": CPP_HEAD + '#  include "tcp/wire/parse.h"\n'}),
    "base includes upward": (rules.floors, {
        "tcp/base/seq.h": CPP_HEAD + '#include "tcp/wire/parse.h"\n'}),
    "tcp includes a thread": (rules.floors, {
        "tcp/endpoint/table.h": CPP_HEAD + "#include <thread>\n"}),
    "tcp includes the system": (rules.floors, {
        "tcp/base/seq.h": CPP_HEAD + "#include <sys/socket.h>\n"}),
    "dataplane includes a closed room": (rules.floors, {
        "dataplane/worker.h": CPP_HEAD + '#include "tcp/congestion/cubic.h"\n'}),
    "dpdk includes the endpoint": (rules.floors, {
        "dataplane/dpdk/port.cpp": CPP_HEAD + '#include "tcp/endpoint/app.h"\n'}),
    "an app includes past the face": (rules.floors, {
        "apps/serve.h": CPP_HEAD + '#include "tcp/endpoint/table.h"\n'}),
    "a test includes above its room": (rules.floors, {
        "tests/tcp/wire/parse_test.cpp": CPP_HEAD + '#include "tcp/endpoint/app.h"\n'}),
    "an oracle includes what it judges": (rules.floors, {
        "tests/oracle/oracle.h": CPP_HEAD + '#include "tcp/wire/parse.h"\n'}),
    "an include that is not there": (rules.floors, {
        "tcp/wire/parse.cpp": CPP_HEAD + '#include "parse.h"\n'}),
    "a room without a floor": (rules.floors, {"tcp/extra/x.h": CPP_HEAD}),
    "dpdk header elsewhere": (rules.dpdk_names, {
        "dataplane/worker.h": CPP_HEAD + "#include <rte_mbuf.h>\n"}),
    "dpdk name elsewhere": (rules.dpdk_names, {
        "apps/serve.h": CPP_HEAD + "struct rte_mbuf;\n"}),
    "a long source": (rules.file_length, {"tcp/base/seq.h": CPP_HEAD + "\n" * 600}),
    "a long test": (rules.file_length, {"tests/tcp/wire/parse_test.cpp": CPP_HEAD + "\n" * 900}),
    "a long function": (rules.function_length, {"tcp/wire/parse.cpp": long_function(71)}),
    "a brace too few": (rules.function_length, {"tcp/wire/parse.cpp": CPP_HEAD + "void f() {\n"}),
    "a wide line": (rules.columns, {"tcp/wire/parse.cpp": CPP_HEAD + "//" + "x" * 99 + "\n"}),
    "a wide script": (rules.columns, {"deploy/run.sh": "#!/bin/sh\n" + HEAD + "#" * 101 + "\n"}),
    "no licence": (rules.licence, {"tcp/wire/parse.cpp": "int x;\n"}),
    "licence too late": (rules.licence, {"tcp/wire/parse.cpp": "\n" + CPP_HEAD}),
    "script without licence": (rules.licence, {"deploy/run.sh": "#!/usr/bin/env bash\ntrue\n"}),
    "a file that is not listed": (rules.sources, {"tcp/wire/emit.cpp": CPP_HEAD}),
    "a pytest that is not listed": (rules.sources, {"tests/tcp/wire/test_a.py": HEAD}),
    "a file that is listed and missing": (rules.sources, {"tcp/wire/parse.cpp": None}),
    "a file listed twice": (rules.sources, {
        "tcp/wire/sources.txt": HEAD + "parse.cpp\nparse.cpp\n"}),
    "a room that uses one above": (rules.sources, {
        "rooms.txt": HEAD + "tcp/wire library tcp/base\ntcp/base library\n"}),
    "a folder that is no room": (rules.rooms_known, {"tcp/cellar/x.cpp": CPP_HEAD}),
    "sources.txt in no room": (rules.rooms_known, {"extra/sources.txt": HEAD}),
    "a flag of one build": (rules.flags_agree, {
        "meson.build": HEAD + "['-D_X=1'] get_option('march')\n"}),
    "a flag of the other build": (rules.flags_agree, {
        "meson.build": HEAD + "['-Wshadow', '-D_X=1', '-fpic'] get_option('march')\n"}),
    "an option that CMake ignores": (rules.flags_agree, {
        "deploy/cmake/MillraceFlags.cmake": HEAD + "-Wshadow -D_X=1\n"}),
    "an option that Meson ignores": (rules.flags_agree, {
        "meson.build": HEAD + "['-Wshadow', '-D_X=1']\n"}),
    "a machine's path": (rules.machine_paths, {"notes.md": "see /" + "work/main\n"}),
    "a home's path": (rules.machine_paths, {"deploy/x.json": '{"at": "/' + 'root/x"}\n'}),
}


@pytest.mark.parametrize("case", PLANTED.values(), ids=PLANTED.keys())
def test_planted_breach_is_caught(case, plant):
    rule, changes = case
    assert rule(plant(changes)) != []


def test_a_function_of_the_limit_passes(plant):
    assert rules.function_length(plant({"tcp/wire/parse.cpp": long_function(70)})) == []


def test_build_that_misses_a_room_is_caught(plant):
    compiled = [name for name in CLEAN if name.endswith(".cpp") and "dpdk" not in name]
    assert rules.built(plant(compiled=compiled)) == [
        "dataplane/dpdk/port.cpp: listed, but this build does not compile it"]


def test_build_that_compiles_too_much_is_caught(plant):
    compiled = [name for name in CLEAN if name.endswith(".cpp")] + ["tcp/wire/stray.cpp"]
    assert rules.built(plant(compiled=compiled)) == [
        "tcp/wire/stray.cpp: compiled, but no room lists it"]


def test_build_told_to_leave_benchmarks_out_passes(plant, monkeypatch):
    monkeypatch.setenv("MILLRACE_LEFT_OUT", "bench")
    compiled = [n for n in CLEAN if n.endswith(".cpp") and not n.startswith("bench/")]
    assert rules.built(plant(compiled=compiled)) == []


SHAPES = """
namespace a::b {
extern "C" {
int plain(int x) { return x; }                          // 1
}
template <typename T, int N = (3 > 2)>
class Box final : public Base<T> {
 public:
  explicit Box(int n) : n_{n}, list_{1, 2} {            // 2
    use("}{", '}', R"x(}}} )" )x", 1'000);  // } {
  }
  Box(const Box& o) noexcept : Base<T>(o), n_(o.n_) {}  // 3
  auto get() const -> int { return n_; }                // 4
  bool operator==(const Box& o) const { return n_ == o.n_; }  // 5
  int value = 3;
  int values[2] = {1, 2};
 private:
  struct alignas(64) Inner { int x{4}; };
  int n_{0};
};
enum class E : int { one, two };
constexpr int kTable[] = {f(1), f(2)};
constexpr std::array<int, size(3)> kOther = {{1, 2}};
const auto lambda = [](int x) { return x; };            // 6
template <typename T>
concept Small = requires(T t) { { t.size() } -> Same<int>; };
void many(int a,
          int b) {                                      // 7
  for (;;) { if (a) { auto g = [&] { return b; }; } }
#if X
  if (a) {
#else
  if (b) {
#endif
  }
}
TEST(Box, Holds) {                                      // 8
}
}  // namespace
"""


def test_scanner_finds_functions_and_only_them():
    found = functions(SHAPES)
    want = [n for n, line in enumerate(SHAPES.splitlines(), 1) if line.rstrip()[-1:].isdigit()
            and "//" in line]
    lines = [line for line, _, head in found if "concept" not in head]
    assert lines == want
    assert [length for line, length, _ in found if line == want[6]] == [9]
