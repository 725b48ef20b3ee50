# SPDX-License-Identifier: BSD-3-Clause
"""One transfer over a bad path, by the kernel and by Millrace: for bench/impaired.py, which
measures, and test_transfers.py, which holds the ratio.

A relay (impair) joins two taps with a rate, a delay, a queue, loss and reordering. `linux` is curl
and nginx; in `serve` Millrace sends (curl and `millrace serve`), in `load` it receives
(`millrace load` and nginx). A figure is megabits a second of body over the whole time, slow start
included.
"""
import json
import os

from impaired import ONE4, ONE6, OTHER4, OTHER6, Impaired
from lab import Lab, wait_for
from millrace import binary, connect, core
from nginx import Nginx

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


def linux_to_linux(lab, options, seed, congestion, address, seconds, _):
    path = Path(lab, options, seed, True)
    linux_server(path, congestion)
    return curl(path, address, seconds)


def serve(lab, options, seed, congestion, address, seconds, loss_percent):
    path = Path(lab, options, seed, "im0")
    path.other.run("sysctl", "-qw", "net.ipv6.conf.im1.disable_ipv6=1")
    path.other.start(binary(), "serve", "--device", "net_af_packet0,iface=im1", "--address",
                     OTHER4 + "/24", "--address", OTHER6 + "/64", "--listen", "80", "--cores",
                     core(0), "--congestion", congestion, "--bbr-loss-threshold", str(loss_percent),
                     "--name", "impaired", log="serve.log")
    return curl(path, address, seconds)


def load(lab, options, seed, congestion, address, seconds, _):
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
    """One transfer of a kind: options of the relay, its seed, congestion control, address, seconds,
    and what of 100 segments Millrace's BBR may lose."""
    lab = Lab("impaired")
    try:
        return KINDS[kind](lab, *arguments)
    finally:
        lab.close()
