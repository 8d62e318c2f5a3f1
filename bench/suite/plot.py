"""The plot, an SVG written by hand: for each work horizontal bars with the median, whiskers from min to max.

In: the same run as the report's. Out: text. Readable in light and dark, by `prefers-color-scheme`. Each work has a
scale of its own; a bar much longer than the others is broken off and says so, or the others would vanish.
"""

import statistics
from html import escape

from figures import column, digits_for

WIDTH, COLUMNS, MARGIN, GAP = 1200, 2, 32, 36
HEAD, ROW, TITLE, FOOT = 128, 24, 56, 26
LABEL, VALUE = 150, 92  # room left and right of the bars
BROKEN = 6  # a bar is broken off beyond so many times the median of all bars

STYLE = """
  svg { --ground: #ffffff; --ink: #1c2330; --faint: #667085; --line: #e4e7ec; --bar: #aab4c4; --ours: #0f7b6c; --whisker: #3b4658; }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #12161d; --ink: #e8ecf2; --faint: #95a0b2; --line: #262d39; --bar: #4a5568; --ours: #2fbfa6; --whisker: #c3cbd8; }
  }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink); font-size: 13px; }
  .title { font-size: 26px; font-weight: 700; } .sub { fill: var(--faint); }
  .work { font-size: 15px; font-weight: 650; } .unit { fill: var(--faint); font-size: 12px; }
  .name { text-anchor: end; } .ours { font-weight: 700; } .value { font-variant-numeric: tabular-nums; }
  .ground { fill: var(--ground); } .bar { fill: var(--bar); } .bar.ours { fill: var(--ours); }
  .whisker { stroke: var(--whisker); stroke-width: 1.5; fill: none; } .axis { stroke: var(--line); }
  .break { stroke: var(--ground); stroke-width: 4; }
"""


def svg(run):
    panels = [panel for work in run["works"] if (panel := bars(run["results"], work))]
    width = (WIDTH - 2 * MARGIN - GAP * (COLUMNS - 1)) / COLUMNS
    bottoms, placed = [HEAD] * COLUMNS, []
    for panel in panels:
        at = bottoms.index(min(bottoms))
        placed.append(draw(panel, MARGIN + at * (width + GAP), bottoms[at], width))
        bottoms[at] += TITLE + ROW * len(panel["bars"]) + FOOT
    height = max(bottoms) + 16
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title">',
        '<title id="title">narae beside its peers</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        *heading(run),
        *placed,
        "</svg>",
    ]) + "\n"


def heading(run):
    machine = run["machine"]
    how = f"{run['rounds']} round{'s' * (run['rounds'] > 1)} of {run['seconds']} s" + (", quick: a smoke, no figures to rely on" if run["quick"] else "")
    where = f"{run['began']} · {machine['processor']}, {machine['cores']} cores · {how}"
    y = 98
    return [
        text(MARGIN, 48, "narae beside its peers", "title"),
        text(MARGIN, 72, where, "sub"),
        f'<rect class="bar ours" x="{MARGIN}" y="{y - 10}" width="22" height="12" rx="2"/>',
        text(MARGIN + 30, y, "narae"),
        f'<rect class="bar" x="{MARGIN + 90}" y="{y - 10}" width="22" height="12" rx="2"/>',
        text(MARGIN + 120, y, "a peer: median of its rounds, shorter is better"),
        f'<path class="whisker" d="{whisker(MARGIN + 450, MARGIN + 480, y - 4)}"/>',
        text(MARGIN + 490, y, "least to most"),
        f'<rect class="bar" x="{MARGIN + 600}" y="{y - 10}" width="22" height="12" rx="2"/>',
        f'<path class="break" d="M{MARGIN + 609} {y + 4}l6 -16"/>',
        text(MARGIN + 630, y, "broken off: longer than there is room for"),
    ]


def bars(results, work):
    """The bars of a work, least first; `None` if there is nothing to show."""
    found = []
    for name in work["contenders"]:
        values = column(results, work["name"], name, work["key"]).values()
        if values:
            found.append({"name": name, "median": statistics.median(values), "least": min(values), "most": max(values)})
    if not found:
        return None
    found.sort(key=lambda bar: bar["median"])
    end = max(bar["most"] for bar in found)
    limit = BROKEN * statistics.median(bar["median"] for bar in found)
    if 0 < limit < end:
        end = max([bar["most"] for bar in found if bar["median"] <= limit] + [limit])
    return {"title": work["title"], "unit": work["unit"], "bars": found, "end": end or 1}


def draw(panel, x, y, width):
    start, room = x + LABEL, width - LABEL - VALUE
    lines = [text(x, y + 22, panel["title"], "work"), text(x, y + 40, panel["unit"], "unit")]
    top = y + TITLE - 6
    lines.append(f'<path class="axis" d="M{start:.1f} {top}v{ROW * len(panel["bars"])}"/>')
    for row, bar in enumerate(panel["bars"]):
        middle = top + ROW * row + ROW / 2
        ours = " ours" if bar["name"].startswith("narae") else ""
        is_broken = bar["median"] > panel["end"]

        def place(value):
            return start + room * max(0.0, min(1.0, value / panel["end"]))

        end = place(bar["median"])
        lines.append(text(start - 10, middle + 4.5, bar["name"], "name" + ours))
        lines.append(f'<rect class="bar{ours}" x="{start:.1f}" y="{middle - 8:.1f}" width="{max(1, end - start):.1f}" height="16" rx="2"/>')
        right = end
        if is_broken:
            lines.append(f'<path class="break" d="M{end - 26:.1f} {middle + 11:.1f}l8 -22"/>')
        elif bar["least"] < bar["most"]:
            right = place(bar["most"])
            lines.append(f'<path class="whisker" d="{whisker(place(bar["least"]), right, middle)}"/>')
        value = f"{bar['median']:,.{digits_for(bar['median'])}f}"
        lines.append(text(max(end, right) + 8, middle + 4.5, value, "value" + ours))
    return "\n".join(lines)


def whisker(left, right, y):
    return f"M{left:.1f} {y - 4:.1f}v8m0 -4H{right:.1f}m0 -4v8"


def text(x, y, words, kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'
