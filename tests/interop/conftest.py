# SPDX-License-Identifier: BSD-3-Clause
"""What every interop test needs: root, tools, a bounded time, labs that leave nothing."""
import os
import resource
import shutil
import signal

import pytest
from lab import Lab
from millrace import FROM_SERVER, Serve
from wire import Capture, assert_clean

TOOLS = {"ip": "iproute2", "ss": "iproute2", "ethtool": "ethtool", "nft": "nftables",
         "tshark": "tshark", "dumpcap": "tshark", "curl": "curl", "wrk": "wrk",
         "ab": "apache2-utils", "nginx": "nginx-light"}
DEFAULT_LIMIT_S = 30


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): how long the test may take")


def pytest_sessionstart(session):
    del session
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        pytest.exit("these tests make network namespaces and tap devices: run them as root",
                    returncode=1)
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if missing:
        pytest.exit(f"tools are missing: apt-get install {' '.join(missing)}", returncode=1)
    # A thousand connections and more, whatever the shell allows.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    signal.signal(signal.SIGTERM, _ended)


def _ended(number, frame):
    del number, frame
    pytest.exit("ended by SIGTERM", returncode=1)


@pytest.fixture(autouse=True)
def time_limit(request):
    marker = request.node.get_closest_marker("limit")
    seconds = marker.args[0] if marker else DEFAULT_LIMIT_S

    def expired(number, frame):
        del number, frame
        pytest.fail(f"not done after {seconds} s")

    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _lab(request, name):
    failed = request.session.testsfailed
    made = Lab(name.replace("/", "_").replace("[", "-").replace("]", ""))
    try:
        yield made
    finally:
        made.close(keep=request.session.testsfailed > failed)


@pytest.fixture
def lab(request):
    """A lab of this test's own."""
    yield from _lab(request, request.node.name)


@pytest.fixture(scope="module")
def shared_lab(request):
    """A lab for all tests of a file."""
    yield from _lab(request, request.module.__name__)


@pytest.fixture(scope="module")
def serve(shared_lab):
    """`millrace serve` for all tests of a file; what it sends in them passes tshark."""
    server = Serve(shared_lab.namespace("serve"))
    capture = Capture(server.namespace, server.tap)
    yield server
    assert server.process.running(), f"it ended during the tests: {server.process}"
    assert server.stop() in (0, 130), str(server.process)
    assert_clean(capture.stop(), FROM_SERVER)
