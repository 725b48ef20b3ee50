# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces, links and processes of one test, all of which end with it.

A Lab owns namespaces with names no one else has, the processes started in them, and a folder for
logs and captures. Closing it ends the processes by their ids and deletes the rest. What a killed
run left behind is swept by the next: a namespace's name holds the process that made it.
"""
import contextlib
import ctypes
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = "mrtest"
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_NUMBERS = itertools.count(1)


def _die_with_parent():
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _environment():
    """Ours without MILLRACE_*: each of those would be an option of the program under test."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}


def run(*args, timeout=20, check=True, **options):
    """Runs a command to its end; what it printed is in the error if it fails."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.STDOUT)
    options.setdefault("env", _environment())
    done = subprocess.run([str(a) for a in args], timeout=timeout, check=False, text=True,
                          stdin=options.pop("stdin", subprocess.DEVNULL),
                          preexec_fn=_die_with_parent, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}")
    return done


def wait_for(what, condition, timeout=10.0, pause=0.01):
    """Polls until the condition is true and returns what it returned."""
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(pause)


class Process:
    """A program that runs beside the test, its output in a file."""

    def __init__(self, args, log):
        self.args = [str(a) for a in args]
        self.log = pathlib.Path(log)
        self.started = time.monotonic()
        with open(self.log, "wb") as out:
            self.popen = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, env=_environment(),
                                          preexec_fn=_die_with_parent)

    @property
    def pid(self):
        return self.popen.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def send(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, timeout=20):
        """Its exit code; it must end by itself within the timeout."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s: {self}") from None

    def stop(self, number=signal.SIGINT, timeout=10):
        """Asks it to end, and ends it if it does not. Returns its exit code."""
        self.send(number)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"did not end on signal {number} within {timeout} s: "
                                 f"{self}") from None

    def kill(self):
        if self.running():
            self.popen.kill()
        self.popen.wait()

    def __str__(self):
        return f"{' '.join(self.args)}\n... the end of its output:\n{self.text()[-2000:]}"


class Namespace:
    """A network namespace of the lab's."""

    def __init__(self, lab, role):
        self.lab = lab
        self.name = f"{PREFIX}-{os.getpid()}-{next(_NUMBERS)}-{role}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args, **options):
        return run("ip", "-n", self.name, *args, **options)

    def command(self, *args):
        return ["ip", "netns", "exec", self.name, *args]

    def run(self, *args, **options):
        return run(*self.command(*args), **options)

    def start(self, *args, log=None):
        return self.lab.start(self.command(*args), log)

    @contextlib.contextmanager
    def entered(self):
        """Sockets opened inside belong to this namespace, also after leaving it."""
        with open("/proc/thread-self/ns/net", "rb") as home:
            with open(f"/run/netns/{self.name}", "rb") as there:
                _setns(there)
            try:
                yield
            finally:
                _setns(home)

    def has_link(self, interface):
        return self.ip("link", "show", interface, check=False).returncode == 0

    def has_listener(self, port):
        return f":{port} " in self.run("ss", "-Hltn").stdout

    def remove(self):
        pids = run("ip", "netns", "pids", self.name, check=False).stdout.split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", self.name, check=False)


def _setns(file):
    if _LIBC.setns(file.fileno(), _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Lab:
    """Everything one test makes outside its own process."""

    def __init__(self, name):
        sweep()
        build = pathlib.Path(os.environ.get("MILLRACE_BUILD", tempfile.gettempdir()))
        self.folder = build / "interop" / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.namespaces = []
        self.processes = []

    def namespace(self, role):
        made = Namespace(self, role)
        self.namespaces.append(made)
        return made

    def start(self, args, log=None):
        log = self.folder / (log or f"process-{len(self.processes)}.log")
        process = Process(args, log)
        self.processes.append(process)
        return process

    def cable(self, one, one_interface, other, other_interface, mtu=1500):
        """A veth pair between two namespaces, with offloads off: frames are as on a wire."""
        one.ip("link", "add", one_interface, "mtu", mtu, "type", "veth", "peer", "name",
               other_interface, "netns", other.name, "mtu", mtu)
        for where, interface in ((one, one_interface), (other, other_interface)):
            plain(where, interface)
            where.ip("link", "set", interface, "up")

    def close(self, keep=False):
        """Ends everything. The folder stays if it shall be looked at."""
        for process in reversed(self.processes):
            process.kill()
        for namespace in reversed(self.namespaces):
            namespace.remove()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def plain(namespace, interface):
    """Switches off what would make the kernel send or show frames that no wire would carry."""
    features = ("tx", "rx", "sg", "tso", "gso", "gro")
    namespace.run("ethtool", "-K", interface,
                  *itertools.chain.from_iterable((f, "off") for f in features), check=False)


def sweep():
    """Removes namespaces whose makers are gone, with the processes in them."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/run/netns"):
            parts = name.split("-")
            if parts[0] == PREFIX and len(parts) >= 3 and not os.path.exists(f"/proc/{parts[1]}"):
                pids = run("ip", "netns", "pids", name, check=False).stdout.split()
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError, ValueError):
                        os.kill(int(pid), signal.SIGKILL)
                run("ip", "netns", "del", name, check=False)
