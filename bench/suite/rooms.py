# SPDX-License-Identifier: BSD-3-Clause
"""Where the instructions of a connection and of a request go, room by room (callgrind)."""
import re
import tempfile

from figures import Figure
from tools import ROOT, Missing, run

ROOMS = ("tcp/base", "tcp/wire", "tcp/congestion", "tcp/connection", "tcp/endpoint",
         "dataplane/net", "dataplane/dpdk", "dataplane", "apps", "bench")


def room_of(path):
    """The room of a source file; what lies outside of the house is library code in line."""
    path = path.removeprefix(f"{ROOT}/")
    path = re.sub(r"^(.*/)?\.\./\.\./", "", path)
    if "siphash" in path or "tuple" in path or "base/aes" in path:
        return "keyed hashes and tuples"
    return next((room for room in ROOMS if path.startswith(room + "/")), "libraries")


def read_profile(lines):
    """{room: instructions} of a callgrind.out: each line's own cost, by the file it stands in."""
    names, found = {}, {}
    room, skip = "libraries", False
    for line in lines:
        if match := re.match(r"(fl|fi|fe)=\((\d+)\)(?: (.*))?", line):
            if match[3]:
                names[match[2]] = match[3].strip()
            room = room_of(names[match[2]])
        elif match := re.match(r"c(?:fi|fl)=\((\d+)\) (.*)", line):
            names[match[1]] = match[2].strip()
        elif line.startswith("calls="):
            skip = True  # the next line is what the callee cost
        elif re.match(r"[+\-*\d]", line):
            if not skip:
                found[room] = found.get(room, 0) + int(line.split()[1])
            skip = False
    return found


def profile(build, connections, requests):
    with tempfile.NamedTemporaryFile(mode="r", suffix=".callgrind") as out:
        run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
             build.program("bench_echo_loopback"), "--connections", connections, "--requests",
             requests], 300)
        found = read_profile(out)
    if set(found) <= {"libraries"}:
        raise Missing("the build has no debug information: no room can be told from another")
    return found


def rooms(build, _options):
    short, long, many = (profile(build, *run_) for run_ in ((1000, 1), (3000, 1), (1000, 5)))
    command = "valgrind --tool=callgrind bench_echo_loopback --connections N --requests M"
    for what, other, number in (("connection", long, 2000), ("request", many, 4000)):
        costs = {room: (cost - short.get(room, 0)) / number for room, cost in other.items()}
        for room, cost in sorted(costs.items(), key=lambda item: -item[1]):
            if cost >= 1:
                yield Figure(f"Instructions a {what}, by room", room, "instructions", command,
                             [cost])
