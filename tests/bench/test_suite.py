# SPDX-License-Identifier: BSD-3-Clause
"""The bench suite without its measurements: what it makes of numbers, and how it takes mistakes."""
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "suite"))

# pylint: disable=wrong-import-position
import figures  # noqa: E402
import plot  # noqa: E402
import rooms  # noqa: E402
import tools  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def run(*words):
    return subprocess.run([ROOT / "bench" / "run.sh", *words], text=True, capture_output=True,
                          check=False, timeout=20)


def test_a_figure_has_its_range_and_its_command():
    figure = figures.Figure("g", "n", "1/s", "millrace loopback", [3, 1, 8])
    assert figure.as_json() == {"group": "g", "name": "n", "unit": "1/s", "runs": [3, 1, 8],
                                "command": "millrace loopback", "min": 1, "median": 3, "max": 8}


def test_the_table_groups_and_leaves_out_the_range_of_one_run():
    lines = list(figures.rows([figures.Figure("a", "x", "ns", "c", [1234.4]),
                               figures.Figure("a", "y", "ns", "c", [0.5, 0.25]),
                               figures.Figure("b", "z", "ns", "c", [42])]))
    assert [line.strip() for line in lines if not line.startswith(" ")] == ["a", "b"]
    assert lines[2].split() == ["x", "1,234", "ns"]
    assert lines[3].split() == ["y", "0.375", "0.25", "0.5", "ns"]


def test_a_plot_is_xml_with_every_point_in_its_place():
    curve = figures.Curve("c", "A < B", "entries", "ns", "cmd",
                          {"raw": [(1000, 10), (100_000, 20)], "own": [(1000, 15)]})
    tree = xml.etree.ElementTree.fromstring(plot.svg(curve))
    assert tree.find(f"{SVG}title").text == "A < B"
    lines = tree.findall(f"{SVG}polyline")
    points = [tuple(map(float, p.split(","))) for p in lines[0].get("points").split()]
    assert len(lines) == 2 and points[0][0] == plot.LEFT
    assert points[1][0] == plot.WIDTH - plot.RIGHT and points[1][1] < points[0][1]
    assert points[1][1] == pytest.approx(plot.TOP), "20 is the top of its axis"


def test_instructions_are_put_to_the_rooms_they_stand_in():
    profile = ["events: Ir", f"fl=(1) {ROOT}/tcp/wire/parse.cpp", "fn=(1) parse", "10 100",
               f"fi=(2) {ROOT}/tcp/base/seq.h", "3 20", "cfi=(3) ../../tcp/endpoint/index.cpp",
               "cfn=(2) find", "calls=7 30", "12 9999", "+2 5", "fl=(3)", "fn=(2)", "30 700",
               "fi=(4) /usr/include/c++/12/array", "8 1", f"fi=(5) {ROOT}/tcp/base/siphash.h",
               "* 60", "totals: 886"]
    assert rooms.read_profile(profile) == {
        "tcp/wire": 100, "tcp/base": 25, "tcp/endpoint": 700, "libraries": 1,
        "keyed hashes and tuples": 60}


def test_a_program_that_fails_is_a_sentence():
    with pytest.raises(tools.Missing, match="exit 3: no such machine"):
        tools.run(["sh", "-c", "echo no such machine >&2; exit 3"], 5)
    with pytest.raises(tools.Missing, match="not done after"):
        tools.run(["sleep", "5"], 0.1)


@pytest.mark.parametrize("words,sentence", [
    (["--only", "loopbck"], "--only: loopbck: expected of loopback, latency"),
    (["--turns", "0"], "--turns and --seconds are at least 1"),
    (["--peer", "dperf"], "--peer: expected NAME=COMMAND"),
])
def test_mistakes_get_a_sentence_and_exit_2(words, sentence):
    done = run(*words)
    assert done.returncode == 2 and sentence in done.stderr


def test_a_build_that_is_not_there_is_exit_3(tmp_path):
    done = run("--build", str(tmp_path))
    assert done.returncode == 3
    assert f"there is no {tmp_path}/millrace: cmake --preset release" in done.stderr


def test_what_a_peer_prints_becomes_figures_and_what_fails_is_left_out(tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    program = build / "millrace"
    program.write_text("#!/bin/sh\necho millrace 1\n")
    program.chmod(0o755)
    done = run("--build", str(build), "--output", str(tmp_path / "out"), "--only", "lookup",
               "--turns", "2", "--peer", "other=echo 'requests: 12.5 1/s'")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert found["figures"][0]["runs"] == [12.5, 12.5]
    assert "bench_table_lookup" in found["left_out"]["lookup"]
    assert "left out: lookup: there is no" in done.stdout


def crowd(*words):
    """{quantity: the last number} of a small bench_crowd."""
    program = pathlib.Path(os.environ.get("MILLRACE_BUILD", "")) / "bench_crowd"
    if not os.access(program, os.X_OK):
        pytest.skip("this build has no benchmarks")
    done = subprocess.run([program, "--windows", "1", "--seconds", "0.1", *words], text=True,
                          capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: float(number) for name, number in
            re.findall(r"^([^:\n]+): ([\d.]+) \S+$", done.stdout, re.MULTILINE)}


def test_a_crowd_is_held_and_asked():
    found = crowd("--connections", "3000", "--ack-at-once")
    assert found["established ends held"] == 6000
    assert 128 < found["bytes of an end, all in"] < 4096
    assert found["requests a second"] > 0
    # Request, reply with its ACK, ACK; a window's edge may cut through some.
    assert found["segments of a request"] == pytest.approx(3, rel=0.2)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
@pytest.mark.parametrize("kind", [["--connections", "3000"], ["--churn", "--in-flight", "32"]])
def test_connections_across_cores_keep_to_theirs(kind):
    found = crowd("--cores", "0,1", "--across", "30", *kind)
    assert found["segments on another core than their connection's"] == 0
    assert found["failures"] == 0
