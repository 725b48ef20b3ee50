#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How fast is one transfer over a bad path, beside the kernel's own over the same path?

What is measured says tests/interop/transfers.py: the first column is Linux to Linux, in `serve`
Millrace sends, in `load` it receives. Each figure is the median of turns, in megabits a second of
body; a turn's relay is seeded with its number.
Needs root, two cores, and the targets millrace and impair. The goal is a ratio of at least 0.8.

usage: sudo bench/impaired.py [--build build/release] [--turns 3] [--seconds 8] [--paths NAME,...]
                              [--congestion cubic,bbr] [--bbr-loss-threshold 2] [--ipv6]
                              [--json FILE]
"""
import argparse
import json
import os
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))
os.environ["PATH"] += ":/usr/sbin:/sbin"

# pylint: disable=wrong-import-position
from impaired import OTHER4, OTHER6  # noqa: E402
from transfers import KINDS, PATHS, turn  # noqa: E402


def compare(options):
    address = OTHER6 if options.ipv6 else OTHER4
    found = {}
    for congestion in options.congestion.split(","):
        for name in options.paths.split(","):
            line = {kind: [] for kind in KINDS}
            for number in range(options.turns):
                for kind in KINDS:
                    line[kind].append(turn(kind, PATHS[name], number + 1, congestion, address,
                                           options.seconds, options.bbr_loss_threshold))
            found[f"{congestion}, {name}"] = line
            show(f"{congestion}, {name}", line)
    return found


def show(name, line):
    middle = {kind: statistics.median(values) for kind, values in line.items()}
    cells = "".join(f"{middle[kind]:>9.2f}" for kind in KINDS)
    ratios = "".join(f"{middle[kind] / middle['linux']:>8.2f}" for kind in ("serve", "load"))
    print(f"{name:<20}{cells}{ratios}", flush=True)


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parse.add_argument("--build", default=str(ROOT / "build" / "release"))
    parse.add_argument("--turns", type=int, default=3)
    parse.add_argument("--seconds", type=int, default=8)
    parse.add_argument("--paths", default=",".join(PATHS))
    parse.add_argument("--congestion", default="cubic")
    parse.add_argument("--bbr-loss-threshold", type=int, default=2)
    parse.add_argument("--ipv6", action="store_true")
    parse.add_argument("--json")
    options = parse.parse_args()
    unknown = set(options.paths.split(",")) - set(PATHS)
    if unknown:
        sys.exit(f"unknown path {', '.join(unknown)}: expected of {', '.join(PATHS)}")
    if os.geteuid() != 0 or len(os.sched_getaffinity(0)) < 2:
        sys.exit("this needs root and two cores")
    build = pathlib.Path(options.build).resolve()
    for program in ("millrace", "impair"):
        if not os.access(build / program, os.X_OK):
            sys.exit(f"there is no {build / program}: cmake --build it first")
    os.environ["MILLRACE_BUILD"] = str(build)
    os.environ["MILLRACE_BIN"] = str(build / "millrace")
    print(f"{'Mbit/s':<20}{'linux':>9}{'serve':>9}{'load':>9}{'serve':>8}{'load':>8}")
    found = compare(options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
