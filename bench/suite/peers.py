# SPDX-License-Identifier: BSD-3-Clause
"""Others beside Millrace, in the same run: what each does, and what it does not do."""
import json
import os
import re
import shutil
import tempfile

from figures import Figure
from tools import ROOT, Missing, run

LWIP_GROUP = "Echo, both ends in one process, 64 bytes each way"

# What a figure of theirs does not contain.
LACKS = {
    "nginx": "nothing of this: it is a web server on the kernel's TCP, which is complete",
    "lwIP": "no SACK, timestamps, keyed numbers or keyed table in Debian's build; connections in a "
            "list; TIME_WAIT in a list and only while memory lasts",
    "dperf": "no real TCP: no reassembly, no congestion control, no TIME_WAIT, any RST is accepted",
    "F-Stack": "FreeBSD's TCP, complete; its initial numbers are from rand_r",
}


def nginx(build, options):
    if os.geteuid() != 0 or len(os.sched_getaffinity(0)) < 2:
        raise Missing("nginx over veth beside serve over a tap needs root and two cores")
    for program in ("nginx", "wrk"):
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None:
            raise Missing(f"{program} is not installed: apt-get install nginx-light wrk")
    words = ["--windows", str(options.turns), "--seconds", str(options.seconds)]
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        run([ROOT / "bench" / "serve_against_nginx.py", "--binary", build.program("millrace"),
             "--json", out.name, *words], 120 + 8 * options.turns * (options.seconds + 5))
        found = json.load(out)
    for kind, values in found.items():
        for name in ("millrace", "nginx"):
            yield Figure("One server core, wrk through the kernel", f"{kind}, {name}", "1/s",
                         f"bench/serve_against_nginx.py {' '.join(words)}", values[name])
        yield Figure("One server core, wrk through the kernel", f"{kind}, to nginx", "ratio",
                     f"bench/serve_against_nginx.py {' '.join(words)}",
                     [a / b for a, b in zip(values["millrace"], values["nginx"])])


def build_lwip(build):
    compiler = shutil.which("cc") or shutil.which("g++")
    if not os.path.exists("/usr/include/lwip/lwip/tcp.h") or compiler is None:
        raise Missing("lwIP is not installed: apt-get install liblwip-dev")
    out = build.folder / "lwip_echo"
    run([compiler, "-O3", "-march=x86-64-v3", "-o", out, ROOT / "bench" / "peers" / "lwip_echo.c",
         "-I/usr/include/lwip", "-llwip"], 120)
    return out


def ours(build, connections, requests, idle):
    out, _ = run([build.program("bench_echo_loopback"), "--connections", connections, "--requests",
                  requests, "--idle", idle], 300)
    found = re.search(r"([\d.]+) ns a connection, ([\d.]+) ns a request", out)
    return float(found[1])


def theirs(program, connections, requests, idle):
    out, _ = run([program, connections, requests, idle], 300)
    return float(re.search(r"([\d.]+) ns a connection", out)[1])


def lwip(build, options):
    """Nanoseconds of a connection with one request, and of a request more, beside N idle ones."""
    program = build_lwip(build)
    for idle in (100, 10_000):
        # Each of lwIP's segments walks its list: fewer connections where that is long.
        number = 20_000 if idle <= 100 else 500
        found = {"millrace": ([], []), "lwIP": ([], [])}
        for _ in range(options.turns):
            for name, measure, what in (("millrace", ours, build), ("lwIP", theirs, program)):
                one, eleven = (measure(what, number, n, idle) for n in (1, 11))
                found[name][0].append(one)
                found[name][1].append((eleven - one) / 10)
        for place, kind in enumerate(("a connection", "a request")):
            for name, values in found.items():
                yield Figure(LWIP_GROUP, f"{kind} beside {idle:,} idle, {name}", "ns",
                             f"bench_echo_loopback, lwip_echo: {number} connections, 1 and 11 "
                             f"requests, {idle} idle", values[place])


def others(peers):
    """A function that measures programs from elsewhere. Each is `NAME=COMMAND`; the command prints
    lines of `QUANTITY: NUMBER UNIT`, each a figure."""
    def measure(_build, options):
        for peer in peers:
            name, _, command = peer.partition("=")
            found = {}
            for _ in range(options.turns):
                out, _ = run(["sh", "-c", command], 600)
                for line in out.splitlines():
                    if match := re.match(r"\s*([^:]+): ([\d.e+]+) (\S+)\s*$", line):
                        found.setdefault((match[1], match[3]), []).append(float(match[2]))
            if not found:
                raise Missing(f"{name}: '{command}' printed no line 'QUANTITY: NUMBER UNIT'")
            for (quantity, unit), values in found.items():
                yield Figure(f"Built elsewhere: {name}", quantity, unit, command, values)
    return measure
