#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does `millrace serve` over a tap do as much as nginx with one worker over veth?

wrk with 64 connections asks both, in windows that take turns: requests per second over connections
that stay, and connections per second with one request each. Both answer 64 bytes from memory. The
server has the last core, wrk the first; whoever does not have its turn is stopped, so that its
polling costs the other nothing.
Needs root, two cores and a release build. The goal is a ratio of at least 1 in both.

usage: sudo bench/serve_against_nginx.py [--binary build/release/millrace] [--windows 6]
                                         [--seconds 4] [--ipv6] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))
os.environ["PATH"] += ":/usr/sbin:/sbin"

# pylint: disable=wrong-import-position
from lab import Lab, wait_for  # noqa: E402
from millrace import SERVER4, SERVER6, Serve, connect, core, give_addresses  # noqa: E402
from nginx import Nginx  # noqa: E402

KINDS = {"requests/s": [], "connections/s": ["-H", "Connection: close"]}


class Millrace:
    def __init__(self, lab, ipv6):
        self.client = lab.namespace("millrace")
        self.address = SERVER6 if ipv6 else SERVER4
        self.serve = Serve(self.client, "--max-time-wait", "1M")
        self.pids = [self.serve.process.pid]


class Linux:
    def __init__(self, lab, ipv6):
        self.client, server = lab.namespace("client"), lab.namespace("nginx")
        self.address = "2001:2:1::2" if ipv6 else "198.18.1.2"
        # Segmentation and checksum offload stay on: veth as it comes is what nginx is best with.
        self.client.ip("link", "add", "c0", "type", "veth", "peer", "name", "s0", "netns",
                       server.name)
        for host, name, number in ((self.client, "c0", 1), (server, "s0", 2)):
            host.ip("link", "set", name, "up")
            give_addresses(host, name, f"198.18.1.{number}/24", f"2001:2:1::{number}/64")
        # From memory, as ours: opening a file for each request costs nginx a third of them.
        nginx = Nginx(server, 80, logged=False, from_memory=True)
        wait_for("nginx to answer", lambda: connect(self.client, self.address))
        children = f"/proc/{nginx.process.pid}/task/{nginx.process.pid}/children"
        self.pids = [nginx.process.pid, *map(int, pathlib.Path(children).read_text().split())]
        for pid in self.pids:
            os.sched_setaffinity(pid, {int(core(0))})


def window(server, seconds, extra):
    """One turn of wrk; the answers per second."""
    for pid in server.pids:
        os.kill(pid, signal.SIGCONT)
    try:
        connect(server.client, server.address).close()
        first = str(sorted(os.sched_getaffinity(0))[0])
        host = f"[{server.address}]" if ":" in server.address else server.address
        done = server.client.run("taskset", "-c", first, "wrk", "-t", "1", "-c", "64", "-d",
                                 f"{seconds}s", *extra, f"http://{host}/bytes/64",
                                 timeout=seconds + 30)
    finally:
        for pid in server.pids:
            os.kill(pid, signal.SIGSTOP)
    for trouble in ("Socket errors", "Non-2xx"):
        if trouble in done.stdout:
            raise AssertionError(done.stdout)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout).group(1))


def compare(options):
    lab = Lab("serve_against_nginx")
    try:
        servers = {"millrace": Millrace(lab, options.ipv6), "nginx": Linux(lab, options.ipv6)}
        for server in servers.values():
            for pid in server.pids:
                os.kill(pid, signal.SIGSTOP)
        found = {kind: {name: [] for name in servers} for kind in KINDS}
        for turn in range(options.windows):
            for kind, extra in KINDS.items():
                order = list(servers.items())
                for name, server in order if turn % 2 else reversed(order):
                    found[kind][name].append(window(server, options.seconds, extra))
        return found
    finally:
        lab.close()


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parse.add_argument("--binary", default=str(ROOT / "build" / "release" / "millrace"))
    parse.add_argument("--windows", type=int, default=6)
    parse.add_argument("--seconds", type=int, default=4)
    parse.add_argument("--ipv6", action="store_true")
    parse.add_argument("--json")
    options = parse.parse_args()
    if os.geteuid() != 0 or len(os.sched_getaffinity(0)) < 2:
        sys.exit("this needs root and two cores")
    if not os.access(options.binary, os.X_OK):
        sys.exit(f"there is no {options.binary}: cmake --preset release && "
                 "cmake --build --preset release --target millrace")
    os.environ["MILLRACE_BIN"] = os.path.abspath(options.binary)
    found = compare(options)
    print(f"{'median of ' + str(options.windows):<16}{'millrace':>12}{'nginx':>12}{'ratio':>8}"
          "   least and most of one turn")
    for kind, values in found.items():
        ours, theirs = (statistics.median(values[name]) for name in ("millrace", "nginx"))
        turns = [a / b for a, b in zip(values["millrace"], values["nginx"])]
        print(f"{kind:<16}{ours:>12,.0f}{theirs:>12,.0f}{ours / theirs:>8.2f}"
              f"   {min(turns):.2f} to {max(turns):.2f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
