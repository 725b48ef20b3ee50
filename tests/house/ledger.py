# SPDX-License-Identifier: BSD-3-Clause
"""Ledgers of requirements and attacks: tests/conformance/rfc*.md, bbr.md and hostile.md. A row says
what a document asks and which scripts or tests show it, by names in backticks, or gives a reason
why there is none."""
import re

SCRIPTS = "tests/conformance/scripts/"
REASON = "Reason: "
REASON_LENGTH = 40
IDS = {f"{kind}-{number}" for kind, most in (("MUST", 69), ("SHLD", 31), ("MAY", 18))
       for number in range(1, most + 1)}
CATALOGUE = (("A", 12), ("B", 17), ("C", 17), ("D", 8), ("F", 14))
ATTACKS = {f"{kind}{number}" for kind, most in CATALOGUE for number in range(1, most + 1)}
WHOLE = {"rfc9293.md": IDS, "hostile.md": ATTACKS}  # ledgers whose ids are all to be there

_ROW = re.compile(r"^\|(.+)\|\s*$")
_TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
_TICKED = re.compile(r"`([^`]+)`")
_NAME = re.compile(r"\w+\.\w+|\w+/\w+")


def ledgers(tree):
    pattern = r"tests/conformance/(rfc\d+|bbr|hostile)\.md"
    return [name for name in tree.files if re.fullmatch(pattern, name)]


def known_names(tree):
    """Tests of every .cpp that a room lists, and scripts as TOPIC/NAME."""
    names = set()
    for name in tree.files:
        if name.startswith(SCRIPTS) and name.endswith(".script"):
            names.add(name[len(SCRIPTS):-len(".script")])
        elif name.startswith("tests/") and name.endswith(".cpp"):
            room, _, file = name.rpartition("/")
            listed = tree.text(f"{room}/sources.txt") if f"{room}/sources.txt" in tree.files else ""
            if file in listed.split():
                names |= {f"{suite}.{test}" for suite, test in _TEST.findall(tree.text(name))}
    return names


def rows(text):
    """(line, cells) of every row but heads and rules."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        row = _ROW.match(line)
        cells = [cell.strip() for cell in row.group(1).split("|")] if row else []
        if cells and cells[0] not in ("Id", "Section") and set(cells[0]) != {"-"}:
            found.append((number, cells))
    return found


def check_rows(name, text, known):
    """Each row has a reason or names that exist."""
    errors = []
    for number, cells in rows(text):
        place = f"{name}:{number}: "
        shown = cells[-1]
        ticked = _TICKED.findall(shown)
        errors += [f"{place}there is no test or script {t}" for t in ticked
                   if _NAME.fullmatch(t) and t not in known]
        if shown.startswith(REASON):
            if len(shown) < len(REASON) + REASON_LENGTH:
                errors.append(f"{place}the reason says too little")
        elif not any(t in known for t in ticked):
            errors.append(f"{place}neither a test, a script nor a '{REASON.strip()}'")
        if not all(cells):
            errors.append(f"{place}an empty cell")
    return errors


def check_ids(name, text, ids):
    """All of these ids, each once."""
    errors = []
    seen = [cells[0] for _, cells in rows(text)]
    errors += [f"{name}: {i} is missing" for i in sorted(ids - set(seen))]
    errors += [f"{name}: {i} is not among the ids" for i in sorted(set(seen) - ids)]
    twice = sorted({i for i in seen if seen.count(i) > 1})
    errors += [f"{name}: {i} is there twice" for i in twice]
    return errors


def ledgers_hold(tree):
    """Every name in a ledger exists, every reason is one, and no id of RFC 9293 or of the catalogue
    of attacks is left out."""
    known = known_names(tree)
    errors = []
    for name in ledgers(tree):
        text = tree.text(name)
        errors += check_rows(name, text, known)
        ids = WHOLE.get(name.rpartition("/")[2])
        if ids:
            errors += check_ids(name, text, ids)
    return errors
