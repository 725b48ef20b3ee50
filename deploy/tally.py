# SPDX-License-Identifier: BSD-3-Clause
"""Counts the tests that really ran in a log of ctest or Meson.

Prints "PASSED FAILED". A program that reports its own tests (GoogleTest, pytest) counts with them,
any other as one. A program that failed without naming a failed test counts as one failure: it
crashed, or ran out of time.

Usage: tally.py ctest LastTest.log | tally.py meson testlog.json | tally.py pytest LOG
"""
import json
import re
import sys

GTEST_PASSED = re.compile(r"^\[  PASSED  \] (\d+) tests?\.", re.MULTILINE)
GTEST_FAILED = re.compile(r"^\[  FAILED  \] (\d+) tests?, listed below", re.MULTILINE)
PYTEST = re.compile(r"^=+ (.*\b(?:passed|failed|error|errors|skipped)\b.*) in [\d.]+s.*=+$",
                    re.MULTILINE)


def count(output, succeeded):
    passed = sum(int(n) for n in GTEST_PASSED.findall(output))
    failed = sum(int(n) for n in GTEST_FAILED.findall(output))
    reported = "[==========]" in output
    for summary in PYTEST.findall(output):
        reported = True
        for number, word in re.findall(r"(\d+) (passed|failed|error)", summary):
            if word == "passed":
                passed += int(number)
            else:
                failed += int(number)
    if not succeeded and failed == 0:
        failed = 1
    elif succeeded and not reported:
        passed = 1
    return passed, failed


def ctest_programs(text):
    for block in re.split(r"^\d+/\d+ Testing: ", text, flags=re.MULTILINE)[1:]:
        yield block, re.search(r"^Test Passed\.$", block, re.MULTILINE) is not None


def meson_programs(text):
    for line in text.splitlines():
        test = json.loads(line)
        yield test.get("stdout") or "", test["result"] == "OK"


def main():
    kind, path = sys.argv[1:]
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if kind == "pytest":
        programs = [(text, not re.search(r"^=+ .*\b(failed|error)", text, re.MULTILINE))]
    else:
        programs = {"ctest": ctest_programs, "meson": meson_programs}[kind](text)
    totals = [0, 0]
    for output, succeeded in programs:
        passed, failed = count(output, succeeded)
        totals[0] += passed
        totals[1] += failed
    print(*totals)


if __name__ == "__main__":
    main()
