# SPDX-License-Identifier: BSD-3-Clause
"""What the suite finds: figures and curves, printed as a table and kept as JSON.

A Figure is one quantity, measured several times by one command. A Curve is a quantity over another.
"""
import dataclasses
import statistics


@dataclasses.dataclass
class Figure:
    """`values` in `unit`, one of each run of `command`."""
    group: str
    name: str
    unit: str
    command: str
    values: list

    def as_json(self):
        return {"group": self.group, "name": self.name, "unit": self.unit,
                "command": self.command, "runs": self.values, "min": min(self.values),
                "median": statistics.median(self.values), "max": max(self.values)}


@dataclasses.dataclass
class Curve:
    """y over x; `lines` is a dict of name -> list of (x, y)."""
    name: str
    title: str
    x_unit: str
    y_unit: str
    command: str
    lines: dict

    def as_json(self):
        return {"name": self.name, "title": self.title, "x_unit": self.x_unit,
                "y_unit": self.y_unit, "command": self.command, "lines": self.lines,
                "plot": f"{self.name}.svg"}


def number(value):
    """Three significant digits at least, thousands apart."""
    if value != 0 and abs(value) < 10:
        return f"{value:.3g}"
    if abs(value) < 100:
        return f"{value:.1f}"
    return f"{value:,.0f}"


def rows(figures):
    """The table's lines; what was measured once has no range."""
    group = None
    yield f"{'':<46}{'median':>14}{'min':>14}{'max':>14}  unit"
    for figure in figures:
        if figure.group != group:
            group = figure.group
            yield f"\n{group}"
        found = figure.as_json()
        spread = ["", ""]
        if len(figure.values) > 1:
            spread = [number(found["min"]), number(found["max"])]
        yield (f"  {figure.name:<44}{number(found['median']):>14}{spread[0]:>14}{spread[1]:>14}"
               f"  {figure.unit}")
