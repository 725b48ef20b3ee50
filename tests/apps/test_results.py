# SPDX-License-Identifier: BSD-3-Clause
"""What a run writes beside its table: result.json, the stream and the log of histograms agree."""
import collections
import json
import os
import pathlib
import shutil
import subprocess

import hdr_log
import jsonschema
import pytest

BINARY = os.environ.get("MILLRACE_BIN", "")
BUILD = pathlib.Path(os.environ.get("MILLRACE_BUILD", "."))
SCHEMAS = pathlib.Path(__file__).parents[2] / "apps" / "load_generator"
TAGS = {"connect": "connect", "connect_raw": "connect_raw", "ttfb": "first_byte",
        "ttfb_raw": "first_byte_raw", "ttlb": "last_byte", "ttlb_raw": "last_byte_raw",
        "close": "close", "schedule_lag": "schedule_lag"}
READ_BY_LIBRARY = """
const hdr = require('hdr-histogram-js');
const reader = new hdr.HistogramLogReader(require('fs').readFileSync(process.argv[2], 'utf8'));
const all = {};
for (let h; (h = reader.nextIntervalHistogram());) {
  all[h.tag] = all[h.tag] || hdr.build({
    lowestDiscernibleValue: 1, numberOfSignificantValueDigits: 3,
    highestTrackableValue: 2 ** 42 - 1, bitBucketSize: 64});
  all[h.tag].add(h);
}
const percentiles = [50, 75, 90, 95, 99, 99.9, 99.99];
console.log(JSON.stringify(Object.fromEntries(Object.entries(all).map(([tag, h]) =>
  [tag, [h.totalCount, ...percentiles.map(p => h.getValueAtPercentile(p))]]))));
"""


def go(*args, code=(0, 4), **more):
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(more.pop("runtime"))}
    done = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=60,
                          env=environment, check=False, **more)
    assert done.returncode in code, done.stderr
    return done


@pytest.fixture(scope="module", name="run")
def one_run(tmp_path_factory):
    """Two seconds and a bit, with everything written."""
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    go("loopback", "--rate", "2k", "--requests-per-connection", "3", "--duration", "2300ms",
       "--no-hugepages", "--json", "r.json", "--ndjson", "r.ndjson", "--hlog", "r.hlog",
       runtime=folder, cwd=folder)
    return folder


def validator(name):
    schemas = {s["$id"]: s for s in (json.loads(path.read_text())
                                     for path in SCHEMAS.glob("*.schema.json"))}
    schema = next(s for i, s in schemas.items() if i.endswith(f"/{name}.schema.json"))
    jsonschema.Draft202012Validator.check_schema(schema)
    resolver = jsonschema.RefResolver.from_schema(schema, store=schemas)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def test_the_stream_is_the_result_line_by_line(run):
    result = json.loads((run / "r.json").read_text())
    lines = [json.loads(line) for line in (run / "r.ndjson").read_text().splitlines()]
    check = validator("stream")
    for line in lines:
        check.validate(line)
    types = [line["type"] for line in lines]
    assert types[0] == "start" and types[-1] == "end" and set(types[1:-1]) == {"interval"}
    assert len(types) > 3, "two seconds and a bit"
    assert lines[0]["start"] == result["start"]
    assert [line["interval"] for line in lines[1:-1]] == result["intervals"]
    for key in ("end", "latency", "verdict"):
        assert lines[-1][key] == result[key]
    for spoilt in ({**lines[1], "type": "start"}, {**lines[1], "more": 1}, {"type": "end"}):
        with pytest.raises(jsonschema.ValidationError):
            check.validate(spoilt)


def test_intervals_add_up_to_the_whole(run):
    result = json.loads((run / "r.json").read_text())
    intervals = result["intervals"]
    add_up(intervals)
    for book in ("connections", "transactions"):
        for figure in ("offered", "launched", "completed"):
            assert sum(i[book][figure] for i in intervals) == result["end"][book][figure]
    for measure in ("connect", "last_byte"):
        whole = result["latency"][measure]
        bins = collections.Counter()
        for interval in intervals:
            digest = interval["latency"][measure]
            decoded = hdr_log.decode(digest["hdr"]) if digest["hdr"] else {}
            assert sum(decoded.values()) == digest["count"]
            assert digest["p50"] <= digest["p99"] <= digest["p99.9"] <= digest["max"]
            bins.update(decoded)
        assert bins == {low: count for low, _, count in whole["bins"]}
        assert max(i["latency"][measure]["max"] for i in intervals) == whole["max"]
    ends = [i["end_s"] for i in intervals]
    assert [i["start_s"] for i in intervals] == [0, *ends[:-1]]


def add_up(intervals):
    """Offered, launched and not launched, completed and failed: in every second."""
    before = {"waiting": 0, "connections": 0, "transactions": 0}
    for interval in intervals:
        now = interval["pending"]
        for name in ("connections", "transactions"):
            book = interval[name]
            waiting = now["waiting"] - before["waiting"] if name == "transactions" else 0
            missed, failed = (sum(book[k].values()) for k in ("not_launched", "failed"))
            assert book["offered"] == book["launched"] + missed + waiting, interval
            assert book["launched"] - book["completed"] - failed == now[name] - before[name]
        before = now
    assert before == {"waiting": 0, "connections": 0, "transactions": 0}


def loopback(folder, *words):
    folder.chmod(0o700)
    go("loopback", *words, "--no-hugepages", "--json", "r.json", runtime=folder, cwd=folder)
    result = json.loads((folder / "r.json").read_text())
    validator("result").validate(result)
    add_up(result["intervals"])
    return result


def test_figures_are_of_what_was_sustained(tmp_path):
    """Of a run with ramps; its second second lies in what is sustained."""
    words = ("--arrivals", "poisson", "--profile", "steps:1k,3k", "--seed", "7",
             "--ramp-up", "500ms", "--duration", "1600ms", "--ramp-down", "500ms")
    first = loopback(tmp_path, *words)
    phases = [i["phase"] for i in first["intervals"]]
    order = ["init", "ramp-up", "sustain", "ramp-down", "collect", "done"]
    assert phases == sorted(phases, key=order.index) and "sustain" in phases
    start, end = first["start"], first["end"]
    assert (start["arrivals"], start["profile"], start["seed"]) == ("poisson", "steps:1k,3k", 7)
    assert abs(start["rate_per_second"] - 2000) < 1e-6
    assert 0.3 < end["run_s"] < 3
    assert end["run_offered"] < end["connections"]["offered"]
    assert 3800 < end["connections"]["offered"] < 4600
    # Ramps bring a thousand: they are in the books, and in no latency.
    assert first["latency"]["connect"]["count"] < 3500
    second = loopback(tmp_path, *words)
    assert second["end"]["connections"]["offered"] == end["connections"]["offered"]


def test_a_rate_is_searched_for_and_sustained(tmp_path):
    """A bound that nothing but failing to keep up can miss: what holds anywhere is asked of it."""
    tmp_path.chmod(0o700)
    go("loopback", "--mode", "tps", "--rate", "20k", "--search", "p99=2s", "--search-window",
       "40ms", "--duration", "300ms", "--connections", "20", "--no-hugepages", "--json", "r.json",
       runtime=tmp_path, cwd=tmp_path)
    result = json.loads((tmp_path / "r.json").read_text())
    validator("result").validate(result)
    add_up(result["intervals"])
    search = result["search"]
    tries = search["tries"]
    assert search["target"] == "ttlb.p99=2s" and tries[0]["rate_per_second"] == 20_000
    good = [t["rate_per_second"] for t in tries if t["good"]]
    assert search["found_per_second"] == max(good, default=0)
    assert all(t["count"] > 0.95 * t["rate_per_second"] * 0.04 for t in tries if t["good"])
    phases = {i["phase"] for i in result["intervals"]}
    assert "search" in phases
    if good:
        assert abs(result["end"]["run_offered"] / search["found_per_second"] - 0.3) < 0.3
        assert result["latency"]["last_byte"]["count"] <= 0.31 * search["found_per_second"]


def test_bodies_arrive_and_come_back(tmp_path):
    """The server's echo: of varied sizes, more than a send buffer, several under way."""
    end = loopback(tmp_path, "--mode", "tps", "--closed", "--connections", "3", "--pipeline", "4",
                   "--method", "POST", "--path", "/echo", "--body", "list:5*100,1*300000",
                   "--requests-per-connection", "40", "--duration", "300ms", "--seed", "3")["end"]
    done = end["transactions"]["completed"]
    assert done > 100 and not end["transactions"]["failed"] and not end["connections"]["failed"]
    echoed = "HTTP/1.1 200 OK"
    assert end["received_bytes"] > done * (100 + len(echoed))
    # Between an answer's head and a request's: bodies are the same on both ways.
    assert abs(end["received_bytes"] - end["sent_bytes"]) < 200 * done
    assert end["sent_bytes"] > 2e5 * done / 6


def test_weights_are_kept_and_the_heads_of_answers_told_apart(tmp_path):
    result = loopback(tmp_path, "--rate", "1k", "--ask", "3 /status/204", "--ask",
                      "HEAD /bytes/1000", "--ask", "1 /status/404", "--requests-per-connection",
                      "uniform:1-3", "--duration", "1s", "--header", "Accept: */*", "--seed", "9")
    book = result["end"]["transactions"]
    assert list(book["failed"]) == ["bad_status"]
    assert 0.16 < book["failed"]["bad_status"] / book["launched"] < 0.24
    assert 1.85 < book["launched"] / result["end"]["connections"]["launched"] < 2.15
    assert [r["url"] for r in result["start"]["requests"]][1] == "http://198.18.0.1/bytes/1000"
    assert result["start"]["distributions"] == {"requests_per_connection": "uniform:1-3"}


def test_a_run_closed_by_reset_is_no_rate_of_connections(tmp_path):
    tmp_path.chmod(0o700)
    done = go("loopback", "--rate", "500", "--close", "client-rst", "--duration", "300ms",
              "--no-hugepages", "--json", "r.json", code=(4,), runtime=tmp_path, cwd=tmp_path)
    end = json.loads((tmp_path / "r.json").read_text())["end"]
    assert end["connections"]["offered"] == 150
    assert 0 < end["connections"]["completed"] == end["counters"]["OutRsts"]
    assert "closed by RST" in done.stdout and "onnections per second" not in done.stdout


def test_thought_is_no_latency(tmp_path):
    result = loopback(tmp_path, "--mode", "tps", "--closed", "--connections", "10", "--think",
                      "uniform:50ms-150ms", "--duration", "1s")
    assert result["end"]["transactions"]["completed"] < 210, "10 connections, 50 ms or more each"
    # Ten first requests are asked without thought.
    quick = [n for _, high, n in result["latency"]["last_byte"]["bins"] if high < 40e6]
    assert sum(quick) > 10


def test_a_trace_is_replayed(tmp_path):
    (tmp_path / "trace.txt").write_text("".join(f"{i * i / 1e4}\n" for i in range(100)))
    result = loopback(tmp_path, "--arrivals", "./trace.txt", "--mode", "tps", "--connections", "4")
    book = result["end"]["transactions"]
    assert book["offered"] == 100 and book["completed"] > 0
    assert result["latency"]["last_byte"]["count"] == book["completed"]
    assert result["start"]["arrivals"] == "./trace.txt"


def test_the_log_of_histograms_is_the_result_bin_by_bin(run):
    result = json.loads((run / "r.json").read_text())
    started, lines = hdr_log.read(run / "r.hlog")
    assert round(started * 1000) == result["start"]["started_unix_ms"]
    sums = collections.defaultdict(collections.Counter)
    for tag, start, length, most, counts in lines:
        assert 0 < length < 30 and start < 30
        assert most >= max(counts) / 1e6 - 0.001
        sums[tag].update(counts)
    assert set(sums) == set(TAGS)
    for tag, measure in TAGS.items():
        whole = result["latency"][measure]
        assert sums[tag] == {low: count for low, _, count in whole["bins"]}, tag
        assert sum(sums[tag].values()) == whole["count"] > 0


def test_the_log_of_histograms_is_read_by_hdr_histogram_js(run):
    modules = BUILD / "npm" / "node_modules"
    if not shutil.which("node") or not (modules / "hdr-histogram-js").is_dir():
        pytest.skip("npm's hdr-histogram-js is not there: "
                    f"npm install --prefix {modules.parent} hdr-histogram-js@3.0.1")
    script = run / "read.js"
    script.write_text(READ_BY_LIBRARY)
    done = subprocess.run(["node", script, run / "r.hlog"], capture_output=True, text=True,
                          timeout=60, check=True, env={**os.environ, "NODE_PATH": str(modules)})
    found = json.loads(done.stdout)
    result = json.loads((run / "r.json").read_text())["latency"]
    names = ("p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99")
    assert set(found) == set(TAGS)
    for tag, (count, *percentiles) in found.items():
        ours = result[TAGS[tag]]
        assert count == ours["count"]
        # A percentile is the upper edge of its bin; ours is never above the greatest value.
        assert [min(p, ours["max"]) for p in percentiles] == [ours["percentiles"][n]
                                                              for n in names], tag


def test_two_results_do_not_share_standard_output(tmp_path):
    tmp_path.chmod(0o700)
    done = go("loopback", "--json", "-", "--ndjson", "-", code=(2,), runtime=tmp_path)
    assert done.stderr == ("millrace: standard output can take one of --json, --ndjson and --hlog, "
                           "not several; name a file instead of -\n")
    done = go("loopback", "--hlog", "/nowhere/x", code=(3,), runtime=tmp_path)
    assert done.stderr == ("millrace: cannot write to '/nowhere/x': No such file or directory; "
                           "name a file in a directory that exists and is writable\n")


def test_an_unwritable_result_is_said_before_the_run(tmp_path):
    tmp_path.chmod(0o700)
    done = go("loopback", "--json", "/nowhere/r.json", code=(3,), runtime=tmp_path)
    assert done.stderr.startswith("millrace: cannot write to '/nowhere/r.json': No such file")
    assert "conn/s" not in done.stdout, "nothing was run"


@pytest.mark.parametrize("flags,word", [
    ((), None), (("--two-msl", "0s"), "2MSL is 0"), (("--time-wait-reuse", "immediate"), "unsafe")])
def test_a_result_names_what_is_unsafe_about_its_time_wait(tmp_path, flags, word):
    tmp_path.chmod(0o700)
    done = go("loopback", "--rate", "100", "--duration", "100ms", "--no-hugepages",
              "--json", "r.json", *flags, runtime=tmp_path, cwd=tmp_path)
    notes = " ".join(json.loads((tmp_path / "r.json").read_text())["end"]["notes"])
    for text in (notes, done.stdout):
        assert [w for w in ("2MSL is 0", "unsafe") if w in text] == ([word] if word else [])


def test_a_stream_to_standard_output_is_nothing_else(tmp_path):
    tmp_path.chmod(0o700)
    done = go("loopback", "--ndjson", "-", "--duration", "200ms", "--rate", "500", "--no-hugepages",
              runtime=tmp_path)
    types = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert types[0] == "start" and types[-1] == "end" and set(types[1:-1]) == {"interval"}


def test_thresholds_are_named_and_exit_4(tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "job.toml").write_text('rate = 500\n[slo]\nttlb.p99 = "1ns"\nfailed = "100%"\n')
    words = ["loopback", "--config", "job.toml", "--duration", "200ms", "--no-hugepages"]
    done = go(*words, "--json", "r.json", code=(4,), runtime=tmp_path, cwd=tmp_path)
    assert "threshold missed ttlb.p99=1ns" in done.stdout
    assert "threshold met    failed=100%" in done.stdout
    verdict = json.loads((tmp_path / "r.json").read_text())["verdict"]
    assert not verdict["passed"]
    assert {t["threshold"]: t["met"] for t in verdict["thresholds"]} == {
        "ttlb.p99=1ns": False, "failed=100%": True}
    done = go(*words, "--slo", "ttlb.p99=1", code=(2,), runtime=tmp_path, cwd=tmp_path)
    assert done.stderr.startswith("millrace: --slo: '1' is not a duration")


def test_merged_results_are_results(run):
    """Of the same moment, as two machines would have written them."""
    one = json.loads((run / "r.json").read_text())
    two = {**one, "start": {**one["start"], "seed": one["start"]["seed"] + 1, "cores": [7]}}
    (run / "two.json").write_text(json.dumps(two))
    done = go("merge", "r.json", "two.json", "-o", "both.json", runtime=run, cwd=run)
    assert done.stdout.startswith("2 results: ")
    both = json.loads((run / "both.json").read_text())
    validator("result").validate(both)
    assert both["start"]["command"] == "millrace merge r.json two.json -o both.json"
    assert [s["command"] for s in both["start"]["merged_from"]] == [one["start"]["command"]] * 2
    assert both["start"]["cores"] == [0, 7]
    assert both["end"]["run_connections"] == 2 * one["end"]["run_connections"]
    assert both["end"]["counters"]["ActiveOpens"] == 2 * one["end"]["counters"]["ActiveOpens"]
    for measure, histogram in both["latency"].items():
        assert histogram["bins"] == [[a, b, 2 * n] for a, b, n in one["latency"][measure]["bins"]]
        assert histogram["percentiles"] == one["latency"][measure]["percentiles"]
    done = go("compare", "r.json", "both.json", runtime=run, cwd=run)
    assert "connections per second" in done.stdout
    done = go("merge", "r.json", "r.json", code=(2,), runtime=run, cwd=run)
    assert done.stderr == (
        "millrace: r.json and r.json cannot be merged: they are the same result\n")
    done = go("merge", "r.json", code=(2,), runtime=run, cwd=run)
    assert done.stderr.startswith("millrace: merge expects two results or more")
