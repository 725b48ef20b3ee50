# SPDX-License-Identifier: BSD-3-Clause
"""A curve as SVG: logarithmic x, y from zero or logarithmic, light and dark."""
import html
import math

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 48, 88
COLOURS = ["#1f77b4", "#d95f02", "#2a9d5c", "#9467bd", "#8c564b", "#e377c2"]
STYLE = """
  text { font: 13px sans-serif; fill: #222; } .title { font-size: 16px; font-weight: bold; }
  .grid { stroke: #ddd; } .axis { stroke: #222; } .paper { fill: #fff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd; } .grid { stroke: #444; } .axis { stroke: #ddd; } .paper { fill: #1b1b1b; } }
"""


def short(value):
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def nice_step(highest):
    """A step of 1, 2 or 5 times a power of ten that divides `highest` into at most six."""
    raw = highest / 5 or 1
    power = 10 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= raw)


class Scale:
    """Places on the paper: x by its logarithm, y from zero."""

    def __init__(self, curve):
        points = [p for line in curve.lines.values() for p in line]
        self.low = math.floor(math.log10(min(x for x, _ in points)))
        self.high = max(math.ceil(math.log10(max(x for x, _ in points))), self.low + 1)
        self.step = nice_step(max(y for _, y in points))
        self.top = self.step * math.ceil(max(y for _, y in points) / self.step)

    def x(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)


def axes(scale):
    for power in range(scale.low, scale.high + 1):
        x = scale.x(10 ** power)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        yield (f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
               f"{short(10 ** power)}</text>")
    for i in range(round(scale.top / scale.step) + 1):
        y = scale.y(i * scale.step)
        kind = "grid" if i else "axis"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield (f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
               f"{short(round(i * scale.step, 9))}</text>")


def svg(curve):
    """The whole file."""
    scale = Scale(curve)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" role="img">',
           f"<title>{html.escape(curve.title)}</title><style>{STYLE}</style>",
           f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
           f'<text class="title" x="{LEFT}" y="24">{html.escape(curve.title)}</text>',
           f'<text x="{LEFT}" y="{TOP - 8}">{html.escape(curve.y_unit)}</text>',
           f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - BOTTOM + 36}" text-anchor="end">'
           f"{html.escape(curve.x_unit)}</text>", *axes(scale)]
    legend = LEFT
    for colour, (name, points) in zip(COLOURS * 4, curve.lines.items()):
        path = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in sorted(points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="3" fill="{colour}">'
                f"<title>{short(x)}: {y:g}</title></circle>" for x, y in points]
        out.append(f'<circle cx="{legend + 5}" cy="{HEIGHT - 20}" r="5" fill="{colour}"/>'
                   f'<text x="{legend + 15}" y="{HEIGHT - 16}">{html.escape(name)}</text>')
        legend += 30 + 7 * len(name)
    return "\n".join(out) + "\n</svg>\n"
