# SPDX-License-Identifier: BSD-3-Clause
"""A path between two namespaces that delays, loses, reorders and repeats: the relay `impair`.

    one: im0 198.18.2.1, 2001:2:0:2::1  --  impair  --  other: im1 198.18.2.2, 2001:2:0:2::2
"""
import os
import pathlib
import re

from lab import plain, wait_for
from millrace import give_addresses

ONE4, OTHER4 = "198.18.2.1", "198.18.2.2"
ONE6, OTHER6 = "2001:2:0:2::1", "2001:2:0:2::2"


class Impaired:
    """Runs until stop(); the taps are in the two namespaces, the kernel's offloads off."""

    def __init__(self, lab, one, other, *options, addresses=True):
        relay = lab.namespace("relay")
        program = pathlib.Path(os.environ["MILLRACE_BUILD"]) / "impair"
        self.process = relay.start(program, *options, log="impair.log")
        wait_for("the relay", lambda: "ready" in self.process.text())
        for number, (namespace, tap) in enumerate(((one, "im0"), (other, "im1")), start=1):
            relay.ip("link", "set", tap, "netns", namespace.name)
            plain(namespace, tap)
            namespace.ip("link", "set", tap, "address", f"02:4d:52:00:02:0{number}", "up")
            if addresses is True or addresses == tap:
                give_addresses(namespace, tap, f"198.18.2.{number}/24", f"2001:2:0:2::{number}/64")

    def stop(self):
        """Ends the relay. What it did, each way: {"frames": [n, n], "lost": [n, n], ...}."""
        assert self.process.stop() == 130, self.process
        text = self.process.text()
        names = {"frames": "frames", "lost": "lost", "overflowed": "beyond the queue",
                 "reordered": "held back", "duplicated": "twice"}
        return {key: [int(n) for n in re.findall(rf"(\d+) {words}", text)]
                for key, words in names.items()}
