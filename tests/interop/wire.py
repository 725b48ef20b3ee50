# SPDX-License-Identifier: BSD-3-Clause
"""Captures frames, and asks tshark whether what Millrace sent is well formed.

Only frames with Millrace's own source address are judged: the kernel's may lack their checksums
where they are captured, because its offloads fill them in later.
"""
import functools
import os
import signal
import subprocess
import time

from lab import run, wait_for

MAX_FRAMES = 40_000

_CHECKS = ("ip.check_checksum", "tcp.check_checksum", "udp.check_checksum")
_SUMS = ("ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status",
         "icmpv6.checksum.status")
# Ports mean nothing here. Were tshark free to, it would read a port that it knows from elsewhere as
# that protocol, and call our bytes malformed.
_PROTOCOLS = {"_ws.expert", "_ws.malformed", "_ws.short", "arp", "data", "data-text-lines", "eth",
              "ethertype", "frame", "http", "icmp", "icmpv6", "ip", "ipv6", "ipv6.dstopts",
              "ipv6.fraghdr", "ipv6.hopopts", "ieee8021ad", "ipv6.routing", "llc", "media", "tcp",
              "udp", "vlan"}
_BAD_SUM = "0"  # tshark's number for it; 1 is good, 2 not verified
_ERROR, _WARNING = 0x00800000, 0x00600000
_CHECKSUM, _MALFORMED, _PROTOCOL = 0x01000000, 0x07000000, 0x09000000


class Capture:
    """dumpcap on one interface, whole frames, a bounded number of them."""

    def __init__(self, namespace, interface, max_frames=MAX_FRAMES, only=None, name=None):
        self.file = namespace.lab.folder / f"{name or interface}-{time.monotonic_ns()}.pcapng"
        self.max_frames = max_frames
        args = ["dumpcap", "-i", interface, "-q", "-w", str(self.file), "-s", "0", "-B", "32",
                "-c", str(max_frames)]
        if only:
            args += ["-f", only]
        self.process = namespace.start(*args, log=self.file.stem + ".log")
        wait_for(f"a capture on {interface}", self._begun)

    def _begun(self):
        assert self.process.running() or "Capturing on" in self.process.text(), str(self.process)
        return "File:" in self.process.text()

    def stop(self):
        """Ends the capture; frames that came before are in the file."""
        if self.process.running():
            time.sleep(0.3)  # dumpcap hands over what it has every 250 ms
            self.process.stop(signal.SIGINT, timeout=10)
        return self.file


@functools.lru_cache
def _settings(folder):
    """A folder of settings in which tshark knows our protocols alone."""
    folder.mkdir(parents=True, exist_ok=True)
    every = run("tshark", "-G", "protocols", stderr=subprocess.DEVNULL).stdout.splitlines()
    names = {line.split("\t")[2] for line in every}
    assert _PROTOCOLS - {"_ws.expert", "_ws.malformed", "_ws.short"} <= names
    (folder / "disabled_protos").write_text("".join(f"{n}\n" for n in names - _PROTOCOLS))
    return str(folder)


def fields(file, display_filter, *names, options=()):
    """Values of the named fields in every frame that passes the filter: a list of tuples."""
    args = ["tshark", "-n", "-r", file, "-Y", display_filter, "-T", "fields", "-E", "separator=/t",
            "-E", "aggregator=|"]
    for name in names:
        args += ["-e", name]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": _settings(file.parents[1] / "tshark")}
    done = run(*args, *options, timeout=120, stderr=subprocess.DEVNULL, env=environment)
    return [tuple(row.split("\t")) for row in done.stdout.splitlines()]


def count(file, display_filter):
    """How many frames pass the filter."""
    return len(fields(file, display_filter, "frame.number"))


def judge(file, sender, http=True):
    """(frames that the sender sent, sentences about those that are wrong).

    `sender` is a display filter, as eth.src == 02:4d:52:00:00:02. Without `http` nothing above TCP
    is looked at, which is quicker.
    """
    options = ["-o", "tcp.analyze_sequence_numbers:FALSE"]
    for check in _CHECKS:
        options += ["-o", f"{check}:TRUE"]
    if not http:
        options += ["--disable-protocol", "http"]
    rows = fields(file, sender, "frame.number", "frame.protocols", "_ws.expert.severity",
                  "_ws.expert.group", "_ws.expert.message", *_SUMS, options=options)
    wrong = []
    for number, stack, severities, groups, messages, *sums in rows:
        faults = [name for name, status in zip(_SUMS, sums) if _BAD_SUM in status.split("|")]
        experts = zip(_numbers(severities), _numbers(groups), messages.split("|"))
        faults += [message for severity, group, message in experts
                   if _is_fault(severity, group, message)]
        if faults:
            wrong.append(f"frame {number} ({stack}): {'; '.join(dict.fromkeys(faults))}")
    return len(rows), wrong


def _is_fault(severity, group, message):
    # A retransmission may begin elsewhere than what it repeats; tshark files that as malformed.
    if message.startswith("New fragment overlaps old data"):
        return False
    return (severity >= _ERROR or group in (_CHECKSUM, _MALFORMED) or "option length =" in message
            or (group == _PROTOCOL and severity >= _WARNING))


def _numbers(text):
    return [int(word, 0) for word in text.split("|") if word]


def assert_clean(file, sender, at_least=1, http=True):
    """Every frame the sender sent passes tshark, and there were some."""
    mine, wrong = judge(file, sender, http)
    assert mine >= at_least, f"{file}: {mine} frames of {sender}, expected at least {at_least}"
    assert not wrong, f"{len(wrong)} of {mine} frames in {file}:\n" + "\n".join(wrong[:20])
    return mine
