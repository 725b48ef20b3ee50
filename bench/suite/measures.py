# SPDX-License-Identifier: BSD-3-Clause
"""What the suite measures of Millrace itself: each function yields Figures and Curves."""
import os
import re
import statistics
import time

from figures import Curve, Figure
from tools import ROOT, Missing, run

BOTH_ENDS = "One core, both ends of HTTP over loopback"
REQUESTS = "--mode tps --closed --connections 100"
# What the load generator opens stays in TIME_WAIT for a second: the tuples last.
CONNECTIONS = "--closed --connections 200 --two-msl 1s"
BULK = "--mode throughput --closed --connections 4 --path /bytes/100000000"


def repeated(build, options, words, key, scale=1.0):
    """(command, values of end[key]) of `turns` runs."""
    words += f" --duration {options.seconds}s"
    values = [build.loopback(words, options.seconds)["end"][key] * scale
              for _ in range(options.turns)]
    return f"millrace loopback {words}", values


def loopback(build, options):
    for name, unit, words, key, scale in (
            ("requests, keep-alive", "1/s", REQUESTS, "transactions_per_second", 1),
            ("connections, one request each", "1/s", CONNECTIONS, "connections_per_second", 1),
            ("bulk", "Gbit/s", BULK, "received_bits_per_second", 1e-9)):
        command, values = repeated(build, options, words, key, scale)
        yield Figure(BOTH_ENDS, name, unit, command, values)


def latency(build, options):
    """At half of what a closed loop reaches, an open loop: from the intended time."""
    _, most = repeated(build, options, REQUESTS, "transactions_per_second")
    rate = int(statistics.median(most) / 2)
    words = f"--mode tps --rate {rate} --connections 100 --duration {options.seconds}s"
    runs = [build.loopback(words, options.seconds)["latency"]["last_byte"]["percentiles"]
            for _ in range(options.turns)]
    for percentile in ("p50", "p90", "p99", "p99.9", "p99.99"):
        yield Figure("Latency of a request at half load", percentile, "us",
                     f"millrace loopback {words}", [r[percentile] / 1e3 for r in runs])


def start(build, options):
    """The whole command, of which 1 ms is load."""
    words = "--rate 1000 --duration 1ms --drain 10ms"
    values = []
    for _ in range(options.turns):
        begun = time.monotonic()
        build.loopback(words, 1)
        values.append(time.monotonic() - begun)
    yield Figure("Start", "loopback: from command to result", "s",
                 f"millrace loopback {words}", values)


def memory(build, options):
    """Resident memory with many, less that with few, over the difference in numbers."""
    few, many = 1000, 1_000_000 if options.large else 200_000
    group = "Bytes of the process"

    def held(n, seconds):
        words = (f"--mode concurrent --connections {n} --max-connections {many * 5 // 4} "
                 f"--rate 100k --duration {seconds}s")
        return words, build.loopback(words, seconds)["end"]

    seconds = many // 100_000 + 2
    _, small = held(few, 2)
    words, large = held(many, seconds)
    ends = 2 * (many - few)
    yield Figure(group, "idle established connection", "bytes",
                 f"millrace loopback {words}, less --connections {few}",
                 [(large["resident_bytes"] - small["resident_bytes"]) / ends])
    words = "--rate 100k --max-time-wait 8M --duration "
    runs = [build.loopback(f"{words}{s}s", s)["end"] for s in (2, 12 if options.large else 6)]
    entries = runs[1]["time_wait_peak"] - runs[0]["time_wait_peak"]
    yield Figure(group, "TIME_WAIT entry", "bytes",
                 f"millrace loopback {words}6s, less 2s",
                 [(runs[1]["resident_bytes"] - runs[0]["resident_bytes"]) / entries])


def instructions(build, _options):
    command = [ROOT / "bench" / "instructions.sh", build.folder]
    out, _ = run(command, 900)
    for line in out.splitlines():
        found = re.match(r"(\S+ \S+) +(\d+) instructions a (connection|keep-alive request)", line)
        if found:
            yield Figure("Instructions, both ends (callgrind)",
                         f"{found[1]}, a {found[3]}", "instructions",
                         "bench/instructions.sh", [int(found[2])])


def scale(build, options):
    """Time of a request and of a connection with idle connections beside."""
    sizes = [1_000, 10_000, 100_000, 1_000_000] + ([10_000_000] if options.large else [])
    lines = {"a request": [], "a connection, ten requests": []}
    for idle in sizes:
        found = {name: [] for name in lines}
        for _ in range(options.turns):
            out, _ = run([build.program("bench_echo_loopback"), "--connections", 20_000,
                          "--requests", 10, "--idle", idle], 600)
            each = re.search(r"([\d.]+) ns a connection, ([\d.]+) ns a request", out)
            found["a connection, ten requests"].append(float(each[1]))
            found["a request"].append(float(each[2]))
        for name, values in found.items():
            lines[name].append((idle, statistics.median(values)))
    command = "bench_echo_loopback --connections 20000 --requests 10 --idle N"
    yield Curve("idle-connections", "Echo, 64 bytes each way, beside idle connections",
                "idle connections", "ns, both ends", command,
                {"a request": lines["a request"]})
    first, last = lines["a request"][0], lines["a request"][-1]
    yield Figure("Growth", f"a request beside {last[0]:,} idle, to {first[0]:,}", "ratio", command,
                 [last[1] / first[1]])


def crowd_of(build, options, words):
    """{quantity: [a value of each window]} of one bench_crowd."""
    out, _ = run([build.program("bench_crowd"), "--windows", options.turns, "--seconds",
                  options.seconds, *words.split()], 900)
    found = {}
    for name, number in re.findall(r"^([^:\n]+): ([\d.]+) \S+$", out, re.MULTILINE):
        found.setdefault(name, []).append(float(number))
    return found


def crowd(build, options):
    """Requests on a random tenth of all connections: what one costs, what an end weighs."""
    sizes = [10_000, 100_000, 1_000_000] + ([10_000_000, 20_000_000] if options.large else [])
    cost = "CPU time of a request, both ends"
    found = {n: crowd_of(build, options, f"--connections {n} --ack-at-once") for n in sizes}
    command = "bench_crowd --connections N --ack-at-once"
    yield Curve("crowd", "Echo, 64 bytes each way, on a random tenth of the connections",
                "connections", "ns, both ends", command,
                {"a request": [(n, statistics.median(found[n][cost])) for n in sizes]})
    largest = f"bench_crowd --connections {sizes[-1]} --ack-at-once"
    group = f"Established connections: {sizes[-1]:,}"
    for name, unit in (("established ends held", "ends"), ("bytes of an end, all in", "bytes"),
                       (cost, "ns")):
        yield Figure(group, name, unit, largest, found[sizes[-1]][name])
    least = min(found[sizes[0]][cost])
    yield Figure(group, f"a request, to one among {sizes[0]:,}", "ratio", largest,
                 [value / least for value in found[sizes[-1]][cost]])


def cores(build, options):
    """Two cores to one, windows in turn; each core carries both ends, 5 % are opened across."""
    if len(os.sched_getaffinity(0)) < 2:
        raise Missing("two cores beside one need two cores")
    for name, words, quantity in (
            ("requests", "--connections 20000", "requests a second"),
            ("connections", "--churn", "connections a second")):
        one, two, astray = [], [], []
        for _ in range(options.turns):
            one += crowd_of(build, options, f"{words} --cores 0")[quantity]
            both = crowd_of(build, options, f"{words} --cores 0,1 --across 5")
            two += both[quantity]
            astray += both["segments on another core than their connection's"]
        command = f"bench_crowd {words} --cores 0,1 --across 5, to --cores 0"
        group = "Two cores, 5 % of the connections across"
        yield Figure(group, f"{name}, one core", "1/s", command, one)
        yield Figure(group, f"{name}, two cores", "1/s", command, two)
        yield Figure(group, f"{name}, best of two to best of one", "ratio", command,
                     [max(two) / max(one)])
        yield Figure(group, f"{name}: segments on a wrong core", "segments", command, astray)


def overload(build, options):
    """Connections a second of a slowed server: its best, and when offered twice that."""
    if len(os.sched_getaffinity(0)) < 2:
        raise Missing("a server on a core of its own needs two cores")
    words = "--cores 0,1 --server-cost 3us --two-msl 1s --rate {}"

    def at(rate):
        return repeated(build, options, words.format(rate), "connections_per_second")

    command, best = max((at(rate) for rate in ("150k", "200k", "225k", "250k", "275k")),
                        key=lambda found: max(found[1]))
    twice, kept = at(int(2 * max(best)))
    group = "Overload: 3 us more for each request, one core each end"
    yield Figure(group, "connections, best", "1/s", command, best)
    yield Figure(group, "connections, twice the best offered", "1/s", twice, kept)
    yield Figure(group, "kept", "ratio", twice, [value / max(best) for value in kept])


def by_size(build, name, pattern, options, wanted):
    """{line: [(size, ns)]} of the benchmarks whose name begins as `wanted` says."""
    environment = {"MILLRACE_BENCH_LARGE": "1"} if options.large else None
    lines = {title: [] for title in wanted.values()}
    for full, each in build.benchmark(name, pattern, environment, 1800):
        for prefix, title in wanted.items():
            if full.startswith(prefix + "/"):
                size = int(re.search(r"/(\d+)", full[len(prefix):])[1])
                lines[title].append((size, each))
    return {title: points for title, points in lines.items() if points}


def time_wait(build, options):
    wanted = {"raw/burst": "raw access", "insert": "insert", "find/burst": "find",
              "expire": "expire"}
    pattern = "^(raw/burst|insert|find/burst|expire)/"
    lines = by_size(build, "time_wait", pattern, options, wanted)
    command = f"bench_time_wait --benchmark_filter='{pattern}'"
    yield Curve("time-wait", "TIME_WAIT: cost of an entry by population", "entries", "ns each",
                command, lines)
    for title in ("insert", "find", "expire"):
        for (size, own), (_, raw) in zip(lines[title], lines["raw access"]):
            if size in (1_000_000, 100_000_000):
                yield Figure("TIME_WAIT, to raw access at that size", f"{title}, {size:,} entries",
                             "ratio", command, [own / raw])


def lookup(build, options):
    wanted = {"raw_read/burst": "raw access", "hit/burst": "hit", "miss/burst": "miss"}
    pattern = "^(raw_read|hit|miss)/burst/"
    yield Curve("lookup", "Index of connections: cost of a lookup by population", "connections",
                "ns each", f"bench_table_lookup --benchmark_filter='{pattern}'",
                by_size(build, "table_lookup", pattern, options, wanted))


def timers(build, options):
    wanted = {"arm": "arm", "pull_earlier": "move", "push_later": "push later",
              "unlink_at_free": "take out"}
    pattern = "^(arm|pull_earlier|push_later|unlink_at_free)/"
    yield Curve("timers", "Timer wheel: cost of a timer by population", "timers", "ns each",
                f"bench_timer_wheel --benchmark_filter='{pattern}'",
                by_size(build, "timer_wheel", pattern, options, wanted))


MEASURES = {"loopback": loopback, "latency": latency, "start": start, "memory": memory,
            "instructions": instructions, "scale": scale, "crowd": crowd, "cores": cores,
            "overload": overload, "time-wait": time_wait, "lookup": lookup, "timers": timers}
