# SPDX-License-Identifier: BSD-3-Clause
"""The binary as a user meets it: exit codes, one sentence for each mistake, help and version."""
import json
import os
import pathlib
import shlex
import signal
import subprocess
import time

import jsonschema
import pytest

BINARY = os.environ.get("MILLRACE_BIN", "")
SCHEMA = pathlib.Path(__file__).parents[2] / "apps" / "load_generator" / "result.schema.json"


@pytest.fixture
def run(tmp_path):
    assert os.access(BINARY, os.X_OK), f"MILLRACE_BIN names no program: '{BINARY}'"
    # Nothing of the tester's own environment or instances takes part.
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)}
    tmp_path.chmod(0o700)

    def go(*args, **variables):
        return subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=60,
                              env={**environment, **variables}, cwd=tmp_path)
    go.environment = environment
    return go


MISTAKES = [
    ([], "no command was given: expected millrace COMMAND [OPTIONS]; see millrace --help"),
    (["sreve"],
     "'sreve' is no command: expected loopback, serve, load, time-wait, ss, compare, merge, "
     "report, check; did you mean serve?"),
    (["serve", "--devise", "x"],
     "--devise is no option of millrace serve: expected one that its help names; did you mean "
     "--device?"),
    (["serve", "--device", "eth0"],
     "--device: 'eth0' is not a device: expected a name as DPDK gives it, as net_tap0,iface=mr0 or "
     "0000:01:00.0; try net_af_packet0,iface=eth0"),
    (["serve", "--address", "198.18.0.256/24"],
     "--address: '198.18.0.256' is not an address: expected IPv4 as 198.18.0.2 or IPv6 as "
     "2001:2::2; try 198.18.0.2"),
    (["serve", "--listen", "http"],
     "--listen: 'http' is not a port: expected a whole number from 1 to 65535; try 80"),
    (["serve", "--mtu", "100"], "--mtu: 100 is out of range: expected 576 to 9216; try 576"),
    (["serve", "--receive-buffer", "1MiB-64KiB"],
     "--receive-buffer: '1MiB-64KiB' is not a buffer size, or two with a dash: expected 2KiB to "
     "1GiB, the smaller first; try 64KiB-6MiB"),
    (["serve", "--two-msl", "300s"],
     "--two-msl: 300s is out of range: expected 0s to 240s; try 240s"),
    (["serve", "--time-wait-reuse", "timestmap"],
     "--time-wait-reuse: 'timestmap' is not one of the choices: expected none, timestamp, sequence "
     "or immediate; did you mean timestamp?"),
    (["serve", "--cores", "a"],
     "--cores: 'a' is not a list of cores: expected numbers and ranges, as 0,2-3; try 0"),
    (["serve"], "no device was given: expected --device; try --device net_tap0,iface=mr0"),
    (["serve", "--device", "net_tap0,iface=mr0"],
     "no address of our own was given: expected --address; try --address 198.18.0.2/24"),
    (["serve", "--device", "net_tap0,iface=mr0", "--address", "198.18.0.2/24", "--gateway",
      "10.0.0.1"],
     "--gateway: 10.0.0.1 is in none of our networks, so it cannot be reached; give an --address "
     "with the prefix length of its network, or --route 10.0.0.1/32"),
    (["load", "htp://198.18.0.1/"],
     "URL: 'htp://198.18.0.1/' is not a URL: expected http://ADDRESS[:PORT]/PATH, as "
     "http://198.18.0.1:8080/bytes/64; did you mean http://198.18.0.1/?"),
    (["load", "http://198.18.0.1/", "--rate", "fast"],
     "--rate: 'fast' is not a rate: expected a number above zero per second, with k or M behind if "
     "needed, as 10k; try 10k"),
    (["ss", "--state", "establihsed"],
     "--state: 'establihsed' is not a state: expected one of closed, listen, syn-sent, "
     "syn-received, established, fin-wait-1, fin-wait-2, close-wait, closing, last-ack, time-wait; "
     "did you mean established?"),
]


@pytest.mark.parametrize("args,sentence", MISTAKES, ids=lambda v: "-".join(v)[:40] if
                         isinstance(v, list) else "")
def test_a_mistake_gets_one_sentence_and_exit_2(run, args, sentence):
    done = run(*args)
    assert done.stderr == f"millrace: {sentence}\n"
    assert done.stdout == ""
    assert done.returncode == 2


def test_environment_and_file_are_named_in_errors(run, tmp_path):
    assert run("serve", MILLRACE_MTU="9O00").stderr.startswith("millrace: MILLRACE_MTU: '9O00' is ")
    path = tmp_path / "x.toml"
    path.write_text('[serve]\n  mtu = "x"\n')
    done = run("serve", "--config", str(path))
    assert done.stderr.startswith(f"millrace: {path}:2:9: mtu: 'x' is not a number: expected ")
    assert done.returncode == 2
    path.write_text("[serve]\nmut = 1500\n")
    assert run("serve", MILLRACE_CONFIG=str(path)).stderr == (
        f"millrace: {path}:2:1: 'mut' is no key of [serve]: expected the name of an option; "
        "did you mean mtu?\n")


def test_what_is_missing_outside_is_exit_3(run):
    done = run("ss", "-s")
    assert done.returncode == 3
    assert done.stderr == ("millrace: no instance is running for this user; start one with "
                           "millrace serve, and ask as the same user\n")
    done = run("serve", "--config", "/nowhere.toml")
    assert done.returncode == 3
    assert "/nowhere.toml cannot be read: No such file or directory" in done.stderr
    done = run("serve", "--device", "0000:ff:1f.7", "--address", "198.18.0.2/24", "--no-hugepages")
    assert done.returncode == 3, done.stderr
    assert "0000:ff:1f.7" in done.stderr.splitlines()[-1]


def test_load_keeps_to_networks_that_are_nobody_elses(run):
    done = run("load", "http://8.8.8.8/", "--device", "net_tap0,iface=mr0", "--address",
               "198.18.0.16/24")
    assert done.returncode == 2
    assert done.stderr.startswith("millrace: the target 8.8.8.8 may be somebody else's")
    assert "--i-own-this-network" in done.stderr


def test_help_and_version(run):
    for command in ["loopback", "serve", "load", "ss", "compare", "merge", "report", "check"]:
        done = run(command, "--help")
        assert done.returncode == 0
        assert "\nExample:\n  millrace " + command in done.stdout
        assert done.stderr == ""
    done = run("--version")
    assert done.returncode == 0
    for word in ["millrace ", "compiler: ", "DPDK ", "features: "]:
        assert word in done.stdout
    assert "loopback" in run("--help").stdout


def test_the_reference_is_true(run):
    text = run("--reference").stdout
    for word in ["`max-connections` N | loopback, serve, load |", "`listen` PORT | serve"]:
        assert word in text
    kept = pathlib.Path(__file__).parents[2] / "CONFIGURATION.md"
    assert kept.read_text() == text, "millrace --reference > CONFIGURATION.md"


@pytest.mark.parametrize("family", [[], ["--ipv6"]], ids=["v4", "v6"])
def test_a_loopback_begins_with_known_neighbours(run, tmp_path, family):
    """More connections at the first moment than may wait for an address: none has to."""
    result = tmp_path / "result.json"
    done = run("loopback", "--rate", "4M", "--connections", "20k", "--duration", "100ms",
               "--no-hugepages", "--json", str(result), *family)
    assert done.returncode in (0, 4), done.stderr
    end = json.loads(result.read_text())["end"]
    assert end["counters"]["ActiveOpens"] >= 100
    assert end["counters"]["TCPSynRetrans"] == 0 and end["unresolved_drops"] == 0


def test_a_server_can_be_made_slow(run, tmp_path):
    """Two milliseconds a request: at most 500 of the 3,000 that are offered in a second."""
    result = tmp_path / "result.json"
    done = run("loopback", "--rate", "3000", "--duration", "400ms", "--drain", "100ms",
               "--server-cost", "2ms", "--no-hugepages", "--json", str(result))
    assert done.returncode in (0, 4), done.stderr
    assert 1 <= json.loads(result.read_text())["end"]["run_transactions"] <= 300


def test_a_result_keeps_to_its_schema(run, tmp_path):
    """Also when little of what was offered could be launched, and in a closed loop."""
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for words in (["--rate", "300"], ["--mode", "tps", "--closed", "--ipv6"],
                  ["--rate", "2M", "--connections", "20", "--path", "/status/404"]):
        path = tmp_path / "a result.json"
        words = ["loopback", *words, "--duration", "300ms", "--no-hugepages", "--json", str(path)]
        assert run(*words).returncode in (0, 4)
        found = json.loads(path.read_text())
        jsonschema.Draft202012Validator(schema).validate(found)
        assert found["start"]["command"] == shlex.join(["millrace", *words])
    spoilt = {**found, "latency": {}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(spoilt)


JOBS = sorted((pathlib.Path(__file__).parents[2] / "deploy" / "jobs").glob("*.toml"))
THERE = {"MILLRACE_DEVICE": "net_tap0,iface=mr0", "MILLRACE_ADDRESS": "198.18.0.16-198.18.0.31/24"}


def test_ready_made_jobs_need_what_is_there(run):
    assert [job.stem for job in JOBS] == ["concurrent", "cps", "latency", "requests", "throughput",
                                          "time-wait"]
    for job in JOBS:
        done = run("check", str(job), **THERE)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ok    ports: " in done.stdout and "FAIL" not in done.stdout
    done = run("loopback", "--config", str(JOBS[2]), "--duration", "100ms", "--ramp-up", "0s",
               "--no-hugepages")
    assert done.returncode in (0, 4) and "poisson arrivals at 2,000/s" in done.stdout, done.stderr


def test_check_says_what_is_wrong_and_what_is_missing(run, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('url = "http://198.18.0.1/"\n[[job]]\nrate = "1k"\n[[job]]\nmoed = "tps"\n')
    done = run("check", str(path), **THERE)
    assert (done.returncode, done.stderr) == (2, (
        f"millrace: {path}:5:1: 'moed' is no key of [[job]]: expected the name of an option; did "
        "you mean mode?\n"))
    path.write_text('url = "http://198.18.0.1/"\n[[job]]\nname = "a"\n  rate = "much"\n')
    done = run("load", str(path), **THERE)
    assert done.returncode == 2
    assert done.stderr.startswith(f"millrace: {path}:4:10: rate: 'much' is not a rate")
    path.write_text('url = "http://198.18.0.1/"\nrate = "50k"\nduration = "2m"\n')
    done = run("check", str(path), **{**THERE, "MILLRACE_ADDRESS": "198.18.0.16/24"})
    assert done.returncode == 3
    assert "FAIL  ports: 3,050,000 tuples needed within 2MSL of 60s, 64,512 there" in done.stdout
    assert run("check").returncode == 2


def test_several_jobs_in_one_process(run, tmp_path):
    (tmp_path / "two.toml").write_text("""
duration = "1s"
[[job]]
name = "pages"
rate = 300
path = "/bytes/1000"
[[job]]
name = "echo"
mode = "tps"
rate = 500
connections = 4
method = "POST"
path = "/echo"
body = "uniform:10-20"
arrivals = "poisson"
""")
    done = run("loopback", "--config", "two.toml", "--no-hugepages", "--seed", "5", "--json",
               "r.json")
    assert done.returncode in (0, 4), done.stderr
    result = json.loads((tmp_path / "r.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(result)
    pages, echo = result["jobs"]
    assert (pages["name"], pages["start"]["mode"], echo["name"]) == ("pages", "cps", "echo")
    assert pages["end"]["connections"]["offered"] == 300
    assert echo["end"]["connections"]["offered"] == 4
    assert 400 < echo["end"]["transactions"]["offered"] < 600
    assert not echo["end"]["transactions"]["failed"] and not pages["end"]["transactions"]["failed"]
    for book in ("connections", "transactions"):
        for figure in ("offered", "launched", "completed"):
            whole = result["end"][book][figure]
            assert whole == pages["end"][book][figure] + echo["end"][book][figure] > 0
    for kind, whole in result["latency"].items():
        assert whole["count"] == sum(j["latency"][kind]["count"] for j in result["jobs"])
    assert "pages" in done.stdout and "echo" in done.stdout


def test_loopback_is_asked_by_name_and_ends_on_ctrl_c(run):
    process = subprocess.Popen(
        [BINARY, "loopback", "--mode", "cps", "--rate", "200", "--duration", "30s", "--cores", "0",
         "--no-hugepages"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=run.environment)
    try:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "accounted for" in out
