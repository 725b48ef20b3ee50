# SPDX-License-Identifier: BSD-3-Clause
"""How the suite runs programs: bounded, from the build it was told, and a sentence if one fails."""
import json
import os
import pathlib
import shlex
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Missing(Exception):
    """What the machine or the build lacks for a measurement: it is left out, and said so."""


def run(command, timeout, environment=None):
    """Output and messages of a command that ends well in time."""
    try:
        done = subprocess.run([str(c) for c in command], timeout=timeout, check=False, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired:
        raise Missing(f"not done after {timeout:g} s: {shlex.join(map(str, command))}") from None
    if done.returncode not in (0, 4):  # 4: a rule of validity was missed, which the result says
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise Missing(f"{shlex.join(map(str, command))}: exit {done.returncode}: {last}")
    return done.stdout, done.stderr


class Build:
    """The programs of one build folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def program(self, name):
        path = self.folder / name
        if not os.access(path, os.X_OK):
            raise Missing(f"there is no {path}: cmake --preset release && "
                          f"cmake --build --preset release --target {name}")
        return path

    def loopback(self, words, seconds, patience=60.0):
        """result.json of one `millrace loopback`."""
        command = [self.program("millrace"), "loopback", *words.split(), "--json", "-"]
        return json.loads(run(command, seconds + patience)[0])

    def benchmark(self, name, pattern, environment=None, timeout=600):
        """(name, ns each) of what Google Benchmark measured: the median if it was repeated."""
        command = [self.program(f"bench_{name}"), f"--benchmark_filter={pattern}",
                   "--benchmark_format=json"]
        found = json.loads(run(command, timeout, environment)[0])["benchmarks"]
        return [(b["name"], b["each"] * 1e9 if "each" in b else b["cpu_time"]) for b in found
                if b.get("run_type") != "aggregate"]
