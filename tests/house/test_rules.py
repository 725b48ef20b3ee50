# SPDX-License-Identifier: BSD-3-Clause
"""The tree keeps the house rules."""
import os
import pathlib

import pytest
from house import Tree
from rules import RULES

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", name="tree")
def read_tree():
    return Tree(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule, tree):
    if rule.__name__ == "built" and "MILLRACE_BUILD" not in os.environ:
        pytest.skip("MILLRACE_BUILD names no build: run this through ctest or meson test")
    errors = rule(tree)
    assert not errors, rule.__doc__.splitlines()[0] + "\n" + "\n".join(errors)
