# SPDX-License-Identifier: BSD-3-Clause
"""`millrace time-wait`: theory and experiment agree, and the page shows it."""
import json
import os
import subprocess

import chromium
import pytest

BINARY = os.environ.get("MILLRACE_BIN", "")
# How many pixels of each plot are drawn on.
DRAWN = """[...document.querySelectorAll('.plot canvas')].map(canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let inked = 0;
  for (let i = 3; i < pixels.length; i += 4) inked += pixels[i] >= 64;
  return inked;
})"""


def time_wait(folder, *words, code=0):
    folder.chmod(0o700)
    done = subprocess.run([BINARY, "time-wait", *words], capture_output=True, text=True,
                          timeout=250, cwd=folder, check=False,
                          env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(folder)})
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


# Those that count events under a virtual clock; what the machine's clock decides is not tested.
@pytest.mark.parametrize("name,checks", [("closer", 6), ("capacity", 12), ("storm", 10)])
def test_theory_and_experiment_agree(tmp_path, name, checks):
    text = time_wait(tmp_path, name, "--json", "data.json", "-o", "page.html")
    data = json.loads((tmp_path / "data.json").read_text())
    assert data["schema_version"] == 1 and data["experiment"] == name and data["held"]
    assert len(data["checks"]) == checks and all(c["held"] for c in data["checks"])
    for check in data["checks"]:
        assert f"holds   {check['claim']}: {check['predicted']}, found {check['found']}" in text
    for line in data["predictions"]:
        assert text.index(line) < text.index("what happens:"), "said before the run"
    for plot in data["plots"]:
        assert all(len(curve["y"]) == len(plot["cases"] or plot["x"]) for curve in plot["curves"])
    assert data["command"] == f"millrace time-wait {name} --json data.json -o page.html"


def test_unsafe_reuse_shows_stale_bytes_and_safe_reuse_none(tmp_path):
    time_wait(tmp_path, "reuse", "--seeds", "6", "--json", "data.json", "-o", "none")
    data = json.loads((tmp_path / "data.json").read_text())
    stale = {}
    for policy, path, opened, _, completed, stale_bytes, _ in data["tables"][0]["rows"]:
        assert int(opened.replace(",", "")) >= int(completed.replace(",", "")) > 0
        stale.setdefault(policy, {})[path] = int(stale_bytes.replace(",", ""))
    assert stale["immediate, no timestamps"]["clean"] == 0
    assert sum(stale["immediate, no timestamps"].values()) > 0
    for policy in ("none", "timestamp", "sequence", "sequence, no timestamps"):
        assert set(stale[policy].values()) == {0}, policy
    assert not list(tmp_path.glob("*.html")), "no page was asked for"
    again = tmp_path / "again"
    again.mkdir()
    time_wait(again, "reuse", "--seeds", "6", "--json", "data.json", "-o", "none")
    assert json.loads((again / "data.json").read_text())["tables"] == data["tables"], "one seed"


def test_the_list_and_wrong_names(tmp_path):
    text = time_wait(tmp_path)
    for name in ("population", "exhaustion", "expiry", "reuse", "closer", "capacity", "storm",
                 "linux"):
        assert f"\n  {name} " in text
    time_wait(tmp_path, "exhaustio", code=2)
    time_wait(tmp_path, "closer", "-o", "/nowhere/page.html", code=3)


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Debian's chromium is not installed")
def test_curves_and_bars_in_a_browser(tmp_path):
    time_wait(tmp_path, "exhaustion", "-o", "page.html")
    time_wait(tmp_path, "closer", "-o", "bars.html")
    with chromium.Chromium(tmp_path / "profile") as browser:
        browser.media(scheme="light")
        browser.open((tmp_path / "page.html").as_uri())
        browser.value("new Promise(f => requestAnimationFrame(() => setTimeout(f, 50)))")
        drawn = browser.value(DRAWN)
        assert len(drawn) == 8 and min(drawn) > 1500, drawn
        browser.open((tmp_path / "bars.html").as_uri())
        browser.value("new Promise(f => requestAnimationFrame(() => setTimeout(f, 50)))")
        # Four bars are filled, of two thirds of the plot's height each.
        assert [n > 15_000 for n in browser.value(DRAWN)] == [True]
        assert browser.requests() == [(tmp_path / "bars.html").as_uri()], "the second page itself"
        assert browser.complaints() == []
