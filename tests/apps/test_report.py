# SPDX-License-Identifier: BSD-3-Clause
"""The page of `millrace report`, in a browser: it asks for nothing, says nothing on the console,
draws every plot in light, dark and print, and holds what the result holds."""
import json
import math
import os
import pathlib
import re
import subprocess

import chromium
import pytest

BINARY = os.environ.get("MILLRACE_BIN", "")
PLOTS = ("rates", "latency", "spectrum", "time_wait", "throughput", "trouble")
# Of each plot: how many of its pixels are not the ground, and in how many colours.
DRAWN = """Object.fromEntries([...document.querySelectorAll('.plot')].map(place => {
  const canvas = place.querySelector('canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let inked = 0;
  const colours = new Set();
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] < 128) continue;
    inked++;
    colours.add(pixels[i] >> 4 << 8 | pixels[i + 1] >> 4 << 4 | pixels[i + 2] >> 4);
  }
  return [place.id, [inked, colours.size]];
}))"""


def digest(count, p50):
    return {"count": count, "p50": p50, "p99": p50 * 3, "p99.9": p50 * 5, "max": p50 * 7, "hdr": ""}


def book(count, failed=0):
    return {"offered": count, "launched": count, "not_launched": {}, "completed": count - failed,
            "failed": {"timeout": failed} if failed else {}}


def histogram(values):
    values = sorted(values)
    at = [values[min(len(values) - 1, math.ceil(p / 100 * len(values)) - 1)]
          for p in (50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 99.9999)]
    names = ("p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "p99.999", "p99.9999")
    bins = [[v, v, values.count(v)] for v in sorted(set(values))]
    return {"unit": "ns", "count": len(values), "min": values[0], "max": values[-1],
            "mean": sum(values) / len(values), "sum": sum(values), "saturated": 0,
            "percentiles": dict(zip(names, at)), "bins": bins}


def result(**start):
    """Half a minute, with a text in it that would break a page that is put together carelessly."""
    kinds = ("connect", "connect_raw", "first_byte", "first_byte_raw", "last_byte",
             "last_byte_raw", "close", "schedule_lag")
    intervals = [
        {"start_s": i, "end_s": i + 1.0, "phase": "run", "connections": book(1000 + i % 7),
         "transactions": book(2000 + i % 5, failed=int(i % 11 == 3)), "received_bytes": 400_000 + i,
         "sent_bytes": 1, "schedule_lag_ns": 900 + 50 * i,
         "latency": {"connect": digest(1000, 400), "last_byte": digest(2000, 700 + 9 * i)},
         "states": {"TIME-WAIT": min(i, 10) * 1000, "ESTAB": 12}} for i in range(30)]
    return {
        "schema_version": 1,
        "start": {"command": "millrace load '</script><b>&amp;'", "version": "v", "machine": "m",
                  "started_unix_ms": 1_795_475_579_025, "mode": "cps", "loop": "open",
                  "rate_per_second": 1000.0, "target": "http://198.18.0.1/<i>", "connections": 5,
                  "requests_per_connection": 2, "client_addresses": 1, "two_msl_s": 10.0,
                  "time_wait_reuse": "timestamp", "close_mode": "client FIN", "latency_label": "",
                  "packet_path": "net_tap0", "cores": [0], "seed": 1, **start},
        "intervals": intervals,
        "end": {"run_s": 30.0, "interrupted": False, "run_connections": 30_081,
                "run_transactions": 60_057, "run_received_bytes": 12_000_000,
                "connections_per_second": 1002.7, "transactions_per_second": 2001.9,
                "received_bits_per_second": 3.2e6, "connections": book(30_081),
                "transactions": book(60_060, failed=3), "received_bytes": 1, "sent_bytes": 1,
                "accounts_balance": True, "time_wait_peak": 10_000, "resident_bytes": 5_000_000,
                "states_at_end_of_run": {}, "counters": {"ActiveOpens": 30_081, "TW": 0},
                "drops": {"none": 5, "arp_not_for_us": 2}, "unresolved_drops": 0,
                "notes": ["a <note>"]},
        "latency": {kind: histogram([100 + 7 * (i % 90) for i in range(900)] + [2000])
                    for kind in kinds},
        "verdict": {"passed": False, "valid": False,
                    "broken_rules": ["3 of 60,060 transactions failed: over 0.001 %"],
                    "thresholds": [{"threshold": "ttlb.p99=1us", "unit": "ns", "limit": 1000.0,
                                    "found": 723, "met": True},
                                   {"threshold": "connect.p99=1us", "unit": "ns", "limit": 1000.0,
                                    "found": None, "met": False}]}}


def report(folder, *words, code=0):
    folder.chmod(0o700)
    done = subprocess.run([BINARY, "report", *words], capture_output=True, text=True, timeout=60,
                          cwd=folder, check=False,
                          env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(folder)})
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(name="page")
def one_page(tmp_path):
    (tmp_path / "a<b>.json").write_text(json.dumps(result()))
    (tmp_path / "two.json").write_text(json.dumps(result(loop="closed", rate_per_second=0.0)))
    report(tmp_path, "a<b>.json", "two.json", "-o", "page.html")
    return tmp_path / "page.html"


def test_the_page_holds_what_the_result_holds(page):
    text = page.read_text()
    for held in ("<h2>a&lt;b&gt;.json</h2>", "<h2>two.json</h2>", "30,081 completed",
                 "TCP connections per second", "application transactions per second",
                 "inspected throughput", "time to first byte (TTFB)", "concurrent TCP connections",
                 "Not valid", "3 of 60,060 transactions failed: over 0.001 %",
                 "threshold connect.p99=1us: missed, found nothing to look at",
                 "millrace load '&lt;/script&gt;&lt;b&gt;&amp;amp;'", "dropped: arp_not_for_us",
                 "a &lt;note&gt;", "open loop at 1,000/s", "closed loop", "The MIT License"):
        assert held in text, held
    assert "<b>" not in text and text.count("</script>") == 3
    # uPlot names its home in a comment; nothing else names a place, and nothing is loaded.
    outside = text.replace("https://github.com/leeoniya/uPlot", "")
    assert set(re.findall(r"https?://[^\s\"'&]*", outside)) == {"http://198.18.0.1/"}
    assert not re.search(r"<(?:link|img|iframe|object|base)\b|\ssrc=|@import|url\(", outside)


def test_what_is_no_result_gets_a_sentence(tmp_path):
    broken = result()
    del broken["end"]["run_s"]
    (tmp_path / "x.json").write_text(json.dumps(broken))
    assert report(tmp_path, "x.json", code=2).stderr.startswith(
        "millrace: one of x.json is no whole result: ")
    assert report(tmp_path, code=2).stderr.startswith("millrace: report expects a result; try ")
    assert report(tmp_path, "y.json", code=3).stderr == "millrace: y.json cannot be read\n"


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Debian's chromium is not installed")
def test_the_page_in_a_browser(page, tmp_path):
    assert pathlib.Path(page).exists()
    with chromium.Chromium(tmp_path / "profile") as browser:
        browser.media(scheme="light")
        browser.open(page.as_uri())
        seen = {}
        for kind, scheme in (("", "light"), ("", "dark"), ("print", "light")):
            browser.media(kind, scheme)
            # A change of media is told to the page before its next frame.
            browser.value("new Promise(f => requestAnimationFrame(() => setTimeout(f, 50)))")
            drawn = browser.value(DRAWN)
            assert set(drawn) == {f"{plot}-{i}" for plot in PLOTS for i in (0, 1)}
            for plot, (inked, colours) in drawn.items():
                assert inked > 1500 and colours > 3, (kind, scheme, plot, inked, colours)
            seen[kind or scheme] = browser.value(
                "getComputedStyle(document.body).backgroundColor")
            picture = page.with_name(f"{kind or scheme}.png")
            browser.picture(picture)
            assert picture.stat().st_size > 20_000
        assert seen == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)",
                        "print": "rgb(255, 255, 255)"}
        # The values under the pointer come into the legend.
        browser.value("document.querySelector('#spectrum-0 .u-over').scrollIntoView()")
        x, y = browser.value("(r => [r.x + r.width / 2, r.y + r.height / 2])(document"
                             ".querySelector('#spectrum-0 .u-over').getBoundingClientRect())")
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        browser.wait_until("/ %[^]* ns/.test(document.querySelector('#spectrum-0 .u-legend')"
                           ".innerText)")
        browser.media("", "light")
        browser.open(page.as_uri(), width=420)
        assert browser.value("document.documentElement.scrollWidth <= innerWidth"), "too wide"
        assert browser.requests() == []
        assert browser.complaints() == []
