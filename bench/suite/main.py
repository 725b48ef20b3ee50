#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The bench suite: runs what is asked for, prints one table, writes figures.json and plots.

A measurement that the machine or the build does not allow is left out with a sentence, and named in
figures.json under "left_out". Times are of the machine it runs on: compare within one run.
"""
import argparse
import json
import os
import pathlib
import platform
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
from figures import Curve, rows  # noqa: E402
from measures import MEASURES  # noqa: E402
from peers import LACKS, lwip, nginx, others  # noqa: E402
from plot import svg  # noqa: E402
from rooms import rooms  # noqa: E402
from tools import ROOT, Build, Missing, run  # noqa: E402

ALL = {**MEASURES, "rooms": rooms, "nginx": nginx, "lwip": lwip}


def arguments():
    parse = argparse.ArgumentParser(
        prog="bench/run.sh", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parse.add_argument("--build", default=str(ROOT / "build" / "release"),
                       help="a release build (default build/release)")
    parse.add_argument("--output", default=str(ROOT / "build" / "bench"),
                       help="folder of figures.json and the plots (default build/bench)")
    parse.add_argument("--only", default=",".join(ALL), metavar="NAME,...",
                       help=f"of {', '.join(ALL)}")
    parse.add_argument("--turns", type=int, default=3, help="runs of each figure (default 3)")
    parse.add_argument("--seconds", type=int, default=3, help="length of a run (default 3)")
    parse.add_argument("--large", action="store_true",
                       help="20 million connections, 100 million TIME_WAIT entries: 20 GiB")
    parse.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND",
                       help="one more, built elsewhere; prints lines 'QUANTITY: NUMBER UNIT'")
    options = parse.parse_args()
    unknown = set(options.only.split(",")) - set(ALL)
    if unknown:
        parse.error(f"--only: {', '.join(sorted(unknown))}: expected of {', '.join(ALL)}")
    if options.turns < 1 or options.seconds < 1:
        parse.error("--turns and --seconds are at least 1")
    if any("=" not in peer for peer in options.peer):
        parse.error("--peer: expected NAME=COMMAND")
    return options


def machine(build):
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return {"processor": names[0] if names else platform.machine(),
            "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "version": run([build.program("millrace"), "--version"], 20)[0].strip()}


def measure(build, options):
    """(figures, curves, what was left out and why)"""
    figures, curves, left_out = [], [], {}
    chosen = {name: ALL[name] for name in options.only.split(",")}
    if options.peer:
        chosen["peers"] = others(options.peer)
    for name, function in chosen.items():
        begun = time.monotonic()
        print(f"{name} ...", end="", file=sys.stderr, flush=True)
        try:
            for found in function(build, options):
                (curves if isinstance(found, Curve) else figures).append(found)
        except Missing as why:
            left_out[name] = str(why)
        print(f" {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return figures, curves, left_out


def main():
    options = arguments()
    build = Build(options.build)
    try:
        about = machine(build)
    except Missing as why:
        print(f"bench/run.sh: {why}", file=sys.stderr)
        return 3
    figures, curves, left_out = measure(build, options)
    print("\n".join(rows(figures)))
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    for curve in curves:
        (output / f"{curve.name}.svg").write_text(svg(curve), encoding="utf-8")
    (output / "figures.json").write_text(json.dumps(
        {"machine": about, "figures": [f.as_json() for f in figures],
         "curves": [c.as_json() for c in curves], "left_out": left_out, "peers_lack": LACKS},
        indent=1) + "\n", encoding="utf-8")
    print("\nWhat the others do not do:")
    for name, lacks in LACKS.items():
        print(f"  {name}: {lacks}")
    for name, why in left_out.items():
        print(f"\nleft out: {name}: {why}")
    print(f"\n{output}/figures.json" + "".join(f", {c.name}.svg" for c in curves))
    return 0 if figures or curves else 1


if __name__ == "__main__":
    sys.exit(main())
