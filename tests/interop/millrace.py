# SPDX-License-Identifier: BSD-3-Clause
"""Millrace under test: `serve` and `load` on a tap in a namespace, with the kernel as neighbour.

    kernel 198.18.0.1, 2001:2::1  --  tap mr0  --  Millrace 198.18.0.2, 2001:2::2

Millrace's side has the link address that mac= names, the kernel's side the one beside it, so that
a capture tells who sent a frame.
"""
import json
import os
import pathlib
import socket
import time

import pytest
from lab import plain, run, wait_for

SERVER_MAC = "02:4d:52:00:00:02"
LOAD_MAC = "02:4d:52:00:00:04"
KERNEL4, SERVER4 = "198.18.0.1", "198.18.0.2"
KERNEL6, SERVER6 = "2001:2::1", "2001:2::2"
CLIENTS4, CLIENTS6 = "198.18.0.16-198.18.0.31/24", "2001:2::10-2001:2::1f/64"
FROM_SERVER = f"eth.src == {SERVER_MAC}"
FROM_LOAD = f"eth.src == {LOAD_MAC}"


def binary():
    path = os.environ.get("MILLRACE_BIN", "")
    if not os.access(path, os.X_OK):
        pytest.fail(f"MILLRACE_BIN names no program: '{path}'; run this through ctest, or build "
                    "the target millrace and name it")
    return path


def core(number):
    """The core for the number-th polling process: the last one first."""
    cores = sorted(os.sched_getaffinity(0))
    return str(cores[-1 - number % len(cores)])


def give_addresses(namespace, interface, *addresses):
    for address in addresses:
        flags = ["nodad"] if ":" in address else []
        namespace.ip("addr", "add", address, "dev", interface, *flags)


def settle_tap(namespace, tap, process):
    """Waits for the tap that the process makes, and switches the kernel's offloads off."""
    def up():
        assert process.running(), f"ended with {process.popen.returncode}: {process}"
        return "LOWER_UP" in namespace.ip("link", "show", tap, check=False).stdout
    wait_for(f"the tap {tap}", up)
    plain(namespace, tap)


class Serve:
    """`millrace serve` on a tap of the namespace, ready to answer when this is made."""

    def __init__(self, namespace, *extra, tap="mr0", addresses=(SERVER4 + "/24", SERVER6 + "/64"),
                 kernel=(KERNEL4 + "/24", KERNEL6 + "/64"), mac=SERVER_MAC, number=0):
        self.namespace = namespace
        self.tap = tap
        args = [binary(), "serve", "--device", f"net_tap0,iface={tap},mac={mac}", "--listen", "80",
                "--cores", core(number), "--name", f"serve-{namespace.name}"]
        for address in addresses:
            args += ["--address", address]
        self.name = f"serve-{namespace.name}"
        self.process = namespace.start(*args, *extra, log=f"serve-{tap}.log")
        settle_tap(namespace, tap, self.process)
        give_addresses(namespace, tap, *kernel)
        if kernel:
            self.wait_ready()

    def wait_ready(self, namespace=None, address=SERVER4, timeout=10):
        wait_for("serve to accept", lambda: self._accepts(namespace or self.namespace, address),
                 timeout)

    def _accepts(self, namespace, address):
        assert self.process.running(), f"ended with {self.process.popen.returncode}: {self.process}"
        try:
            connect(namespace, address, timeout=1).close()
            return True
        except OSError:
            return False

    def connections(self):
        """Connections by state, as `millrace ss -s` says: {"ESTABLISHED": 3}."""
        return states(self.namespace, self.name)

    def stop(self):
        """Ends it as a user does. Returns its exit code."""
        return self.process.stop()


def states(namespace, name):
    """What `millrace ss -s` says of the instance of that name."""
    done = namespace.run(binary(), "ss", "-s", "--json", name)
    return json.loads(done.stdout)["states"]


class Load:
    """`millrace load`, running; result() waits for its end."""

    def __init__(self, namespace, url, *extra, tap="mr0", addresses=(CLIENTS4, CLIENTS6),
                 mac=LOAD_MAC, number=0):
        self.json = pathlib.Path(namespace.lab.folder) / f"load-{time.monotonic_ns()}.json"
        args = [binary(), "load", url, "--device", f"net_tap0,iface={tap},mac={mac}", "--cores",
                core(number), "--json", str(self.json)]
        for address in addresses:
            args += ["--address", address]
        self.process = namespace.start(*args, *extra, log=f"{self.json.stem}.log")

    def result(self, timeout=40, codes=(0,)):
        """result.json, after checking the exit code and that the books balance."""
        code = self.process.wait(timeout)
        assert code in codes, f"exit {code}: {self.process}"
        result = json.loads(self.json.read_text())
        for book in (result["end"]["connections"], result["end"]["transactions"]):
            assert book["offered"] == book["launched"] + sum(book["not_launched"].values()), book
            assert book["launched"] == book["completed"] + sum(book["failed"].values()), book
        return result


def ready_tap(namespace, tap="mr0", kernel=(KERNEL4 + "/24", KERNEL6 + "/64")):
    """A tap with its addresses, there before the process that will use it."""
    namespace.ip("tuntap", "add", "dev", tap, "mode", "tap", "multi_queue")
    namespace.run("sysctl", "-qw", f"net.ipv6.conf.{tap}.keep_addr_on_down=1")
    namespace.ip("link", "set", tap, "up")
    plain(namespace, tap)
    give_addresses(namespace, tap, *kernel)


def connect(namespace, address, port=80, timeout=10, before=None):
    """A TCP connection from the kernel of that namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace.entered():
        made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(timeout)
        if before:
            before(made)
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    return made


def millrace(*args, timeout=10, **options):
    """Runs the program to its end, whatever its exit code."""
    return run(binary(), *args, timeout=timeout, check=False, **options)
