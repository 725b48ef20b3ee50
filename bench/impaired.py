#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How fast is one transfer over a bad path, beside the kernel's own over the same path?

A relay (tests/interop/impair) joins two taps with a rate, a delay, a queue, loss and reordering.
The first column is Linux to Linux: curl and nginx. `serve` has Millrace send (curl and `millrace
serve`), `load` has it receive (`millrace load` and nginx). Each figure is the median of turns, in
megabits a second of body over the whole time, slow start included; a turn's relay is seeded with
its number.
Needs root, two cores, and the targets millrace and impair. The goal is a ratio of at least 0.8.

usage: sudo bench/impaired.py [--build build/release] [--turns 3] [--seconds 8] [--paths NAME,...]
                              [--congestion cubic,bbr] [--ipv6] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))
os.environ["PATH"] += ":/usr/sbin:/sbin"

# pylint: disable=wrong-import-position
from impaired import ONE4, ONE6, OTHER4, OTHER6, Impaired  # noqa: E402
from lab import Lab, wait_for  # noqa: E402
from millrace import binary, connect, core  # noqa: E402
from nginx import Nginx  # noqa: E402

# A round trip of 50 ms, and a queue of one bandwidth-delay product at 100 Mbit/s.
LINK = ["--delay", "25ms", "--rate", "100M", "--queue", "625000"]
PATHS = {
    "clean": [],
    "loss 1 %": ["--loss", "1"],
    "loss 5 %": ["--loss", "5"],
    "reordering": ["--reorder", "2", "--reorder-delay", "5ms"],
}
BODY = 1 << 30


class Path:
    """Two namespaces and the relay between them."""

    def __init__(self, lab, options, seed, addresses):
        self.one, self.other = lab.namespace("one"), lab.namespace("other")
        self.relay = Impaired(lab, self.one, self.other, *LINK, *options, "--seed", str(seed),
                              addresses=addresses)


def linux_server(path, congestion):
    # By route: a namespace may not choose its own default.
    for prefix, metric in (("198.18.2.0/24", 0), ("2001:2:0:2::/64", 256)):
        path.other.ip("route", "replace", prefix, "dev", "im1", "metric", metric,
                      "congctl", congestion)
    nginx = Nginx(path.other, 80, logged=False)
    with open(nginx.folder / "www" / "bytes" / str(BODY), "wb") as body:
        body.truncate(BODY)


def answers(namespace, address):
    try:
        connect(namespace, address, timeout=3).close()
        return True
    except OSError:
        return False


def curl(path, address, seconds):
    """Megabits a second of one download that is cut off after `seconds`."""
    wait_for("the server to answer", lambda: answers(path.one, address), timeout=20)
    host = f"[{address}]" if ":" in address else address
    done = path.one.run("curl", "-s", "-m", str(seconds), "-o", "/dev/null", "-w",
                        "%{size_download} %{time_total}", f"http://{host}/bytes/{BODY}",
                        check=False, timeout=seconds + 20)
    size, total = done.stdout.split()
    return float(size) * 8 / float(total) / 1e6


def linux_to_linux(lab, options, seed, congestion, address, seconds):
    path = Path(lab, options, seed, True)
    linux_server(path, congestion)
    return curl(path, address, seconds)


def serve(lab, options, seed, congestion, address, seconds):
    path = Path(lab, options, seed, "im0")
    path.other.run("sysctl", "-qw", "net.ipv6.conf.im1.disable_ipv6=1")
    path.other.start(binary(), "serve", "--device", "net_af_packet0,iface=im1", "--address",
                     OTHER4 + "/24", "--address", OTHER6 + "/64", "--listen", "80", "--cores",
                     core(0), "--congestion", congestion, "--name", "impaired", log="serve.log")
    return curl(path, address, seconds)


def load(lab, options, seed, congestion, address, seconds):
    path = Path(lab, options, seed, "im1")
    path.one.run("sysctl", "-qw", "net.ipv6.conf.im0.disable_ipv6=1")
    linux_server(path, congestion)
    mine, length = (ONE6, 64) if ":" in address else (ONE4, 24)
    host = f"[{address}]" if ":" in address else address
    result = lab.folder / "result.json"
    done = path.one.run(binary(), "load", f"http://{host}/bytes/{BODY}", "--device",
                        "net_af_packet0,iface=im0", "--address", f"{mine}/{length}", "--mode",
                        "throughput", "--closed", "--connections", "1", "--duration",
                        f"{seconds}s", "--drain", "1s", "--timeout", "600s", "--cores", core(0),
                        "--json", str(result), check=False, timeout=seconds + 30)
    if not result.exists():
        raise AssertionError(done.stdout)
    found = json.loads(result.read_text())
    return found["end"]["received_bits_per_second"] / 1e6


KINDS = {"linux": linux_to_linux, "serve": serve, "load": load}


def turn(kind, *arguments):
    lab = Lab("impaired")
    try:
        return KINDS[kind](lab, *arguments)
    finally:
        lab.close()


def compare(options):
    address = OTHER6 if options.ipv6 else OTHER4
    found = {}
    for congestion in options.congestion.split(","):
        for name in options.paths.split(","):
            line = {kind: [] for kind in KINDS}
            for number in range(options.turns):
                for kind in KINDS:
                    line[kind].append(turn(kind, PATHS[name], number + 1, congestion, address,
                                           options.seconds))
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
