# SPDX-License-Identifier: BSD-3-Clause
"""What the operator does wrong is said in one sentence, with a way out, and by the exit code."""
import re

import pytest
from millrace import SERVER4, Serve, binary, millrace

TAP = ["--device", "net_tap0,iface=mr0"]
ADDRESS = ["--address", "198.18.0.2/24"]
SERVE = ["serve", *TAP, *ADDRESS, "--listen", "80"]
LOAD = ["load", "http://198.18.0.1:8080/", *TAP, "--address", "198.18.0.16/24"]

USAGE = {
    "unknown flag": ([*SERVE, "--adress", "198.18.0.3/24"], ["--adress", "--address"]),
    "unknown command": (["sevre"], ["sevre", "serve"]),
    "address": (["serve", *TAP, "--listen", "80", "--address", "198.18.0.300/24"],
                ["198.18.0.300"]),
    "prefix": (["serve", *TAP, "--listen", "80", "--address", "198.18.0.2/33"], ["33"]),
    "no address": (["serve", *TAP, "--listen", "80"], ["--address"]),
    "no device": (["serve", *ADDRESS, "--listen", "80"], ["--device"]),
    "device": (["serve", "--device", "net_tpa0,iface=mr0", *ADDRESS, "--listen", "80"],
               ["net_tpa0", "net_tap0"]),
    "interface as device": (["serve", "--device", "eth0", *ADDRESS, "--listen", "80"],
                            ["eth0", "net_af_packet0,iface=eth0"]),
    "port": (["serve", *TAP, *ADDRESS, "--listen", "65536"], ["65536"]),
    "core": ([*SERVE, "--cores", "0,x"], ["x"]),
    "core that is not there": ([*SERVE, "--cores", "4095"], ["4095"]),
    "url": (["load", "htp://198.18.0.1/", *LOAD[2:]], ["htp"]),
    "url with a name": (["load", "http://example.com/", *LOAD[2:]], ["example.com"]),
    "url without tls": (["load", "https://198.18.0.1/", *LOAD[2:]], ["https"]),
    "rate": ([*LOAD, "--rate", "10q"], ["10q"]),
    "duration": ([*LOAD, "--duration", "soon"], ["soon"]),
    "mode": ([*LOAD, "--mode", "cpss"], ["cpss", "cps"]),
    "no address of that family": (["load", "http://[2001:2::1]/", *LOAD[2:]], ["2001:2::1"]),
    "gateway off the link": ([*SERVE, "--gateway", "10.0.0.1"], ["10.0.0.1"]),
}


@pytest.mark.parametrize("args, named", USAGE.values(), ids=USAGE.keys())
def test_usage(lab, args, named):
    done = lab.namespace("usage").run(binary(), *args, check=False, timeout=10)
    assert done.returncode == 2, done.stdout
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 1, done.stdout
    for word in named:
        assert word in lines[0], done.stdout


def test_a_device_that_is_not_there(lab):
    for device in ("0000:7f:1f.7", "net_af_packet0,iface=nothere0"):
        done = lab.namespace("none").run(binary(), "serve", "--device", device, *ADDRESS,
                                         "--listen", "80", check=False, timeout=10)
        assert done.returncode == 3, done.stdout
        assert device.rsplit("=", maxsplit=1)[-1] in done.stdout


def test_without_permission_to_make_a_tap(lab):
    done = lab.namespace("nobody").run("setpriv", "--reuid", "65534", "--regid", "65534",
                                       "--clear-groups", "--bounding-set", "-all", "--inh-caps",
                                       "-all", binary(), *SERVE, check=False, timeout=10)
    if "No such file" in done.stdout or done.returncode in (126, 127):
        pytest.skip(f"another user cannot run {binary()}: {done.stdout.strip()}")
    assert done.returncode == 3, done.stdout
    assert re.search("CAP_NET_ADMIN|root|permission", done.stdout), done.stdout


def test_a_result_that_cannot_be_written(lab):
    done = lab.namespace("json").run(binary(), *LOAD, "--duration", "1ms", "--drain", "0s",
                                     "--json", lab.folder / "no" / "where.json", check=False)
    assert done.returncode == 3, done.stdout
    assert "where.json" in done.stdout


def test_two_at_once_do_not_disturb_each_other(lab):
    one, other = Serve(lab.namespace("one")), Serve(lab.namespace("other"), number=1)
    for server in (one, other):
        assert server.namespace.run("curl", "-sS", "-m", "5", f"http://{SERVER4}/").stdout


def test_ss_without_an_instance_says_so():
    done = millrace("ss", "-s", "nobody-here")
    assert done.returncode in (1, 2, 3) and "nobody-here" in done.stdout


def test_version_names_compiler_and_dpdk():
    done = millrace("--version")
    assert done.returncode == 0 and "DPDK 2" in done.stdout
    assert re.search(r"g\+\+|gcc|clang", done.stdout, re.IGNORECASE)


@pytest.mark.parametrize("command", ["serve", "load", "loopback", "ss"])
def test_help_has_an_example(command):
    done = millrace(command, "--help")
    assert done.returncode == 0
    assert re.search(rf"Example:\n +millrace {command}\b.*-", done.stdout), done.stdout
