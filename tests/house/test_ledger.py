# SPDX-License-Identifier: BSD-3-Clause
"""The ledgers name only what exists; and the check notices each kind of breach."""
import pathlib

import ledger
import pytest
from house import Tree

ROOT = pathlib.Path(__file__).resolve().parents[2]

HEAD = "# A ledger\n\n| Id | Section | What | Shown by |\n|---|---|---|---|\n"
GOOD = "| MUST-1 | 3.1 | A rule | `rst/exact`, `Suite.Name` |\n"
KNOWN = {"rst/exact", "Suite.Name"}


def test_ledgers_hold():
    errors = ledger.ledgers_hold(Tree(ROOT))
    assert not errors, "\n".join(errors)


def test_the_ledgers_are_there():
    names = {pathlib.PurePath(name).stem for name in ledger.ledgers(Tree(ROOT))}
    assert {"rfc9293", "rfc5961", "rfc7323", "rfc6298", "hostile"} <= names


def test_a_good_row_passes():
    assert ledger.check_rows("x.md", HEAD + GOOD, KNOWN) == []


BREACHES = {
    "a script that is not there": ("`rst/exact`, `rst/other`", "no test or script rst/other"),
    "a test that is not there": ("`Suite.Other`", "no test or script Suite.Other"),
    "nothing": ("as usual", "neither a test, a script nor"),
    "an empty cell": ("", "an empty cell"),
    "a reason too short": ("Reason: no.", "says too little"),
    "a reason that leans on nothing":
        ("Reason: this is shown elsewhere, see the script `rst/other`.", "no test or script"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_breach_is_found(breach):
    shown, complaint = BREACHES[breach]
    errors = ledger.check_rows("x.md", HEAD + f"| MUST-1 | 3.1 | A rule | {shown} |\n", KNOWN)
    assert any(e.startswith("x.md:5: ") and complaint in e for e in errors), errors


def test_ids_are_counted():
    every = "".join(f"| {i} | 1 | A rule | `rst/exact` |\n" for i in sorted(ledger.IDS))
    assert len(ledger.IDS) == 118
    assert ledger.check_ids("x.md", HEAD + every, ledger.IDS) == []
    lacking = every.replace("| MUST-7 |", "| MUST-70 |")
    assert ledger.check_ids(
        "x.md", HEAD + lacking + "| MAY-1 | 1 | A rule | `rst/exact` |\n", ledger.IDS) == [
        "x.md: MUST-7 is missing", "x.md: MUST-70 is not among the ids",
        "x.md: MAY-1 is there twice"]


def test_only_what_a_room_lists_counts(tmp_path):
    room = tmp_path / "tests/room"
    room.mkdir(parents=True)
    (room / "sources.txt").write_text("listed.cpp\n")
    (room / "listed.cpp").write_text("TEST(Suite, Listed) {}\nTEST_P(Other,\n       Long) {}\n")
    (room / "stray.cpp").write_text("TEST(Suite, Stray) {}\n")
    script = tmp_path / "tests/conformance/scripts/rst"
    script.mkdir(parents=True)
    (script / "exact.script").write_text("# RFC 1\n")
    assert ledger.known_names(Tree(tmp_path)) == {"Suite.Listed", "Other.Long", "rst/exact"}
