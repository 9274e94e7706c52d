"""A page of panels: plain HTML with drawings in SVG, no scripts, nothing from elsewhere."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from scripts.dashboard.reading import Board, Panel, Series, Window

COLUMN, HEIGHT, TALL = 48, 190, 230
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 8, 22
COLOURS = 8
LINES = 12
"""So many lines of a panel are drawn, those with the largest values; the others are counted."""

_STYLE = """
:root { color-scheme: light dark; --back: light-dark(#f6f7f9, #14161c); --card: light-dark(#fff, #1b1e26);
  --line: light-dark(#dfe2e8, #343945); --text: light-dark(#1c2130, #eceef3); --quiet: light-dark(#5a6172, #a4abba);
  --bad: light-dark(#b3261e, #ff8a80); --c0: light-dark(#3f51c6, #8fa0ff); --c1: light-dark(#1b7f5c, #57cfa2);
  --c2: light-dark(#a65a00, #f0ab4f); --c3: light-dark(#a3306f, #f08cc4); --c4: light-dark(#0b7895, #5cc8e4);
  --c5: light-dark(#6d4bb8, #b89cf5); --c6: light-dark(#5d6b1f, #b9c96b); --c7: light-dark(#8a4b3c, #e0a292); }
* { box-sizing: border-box } body { margin: 0; padding: 24px; background: var(--back); color: var(--text);
  font: 14px/1.45 system-ui, sans-serif } h1 { font-size: 20px; margin: 0 } h2 { font-size: 16px; margin: 24px 0 8px }
h3 { font-size: 14px; margin: 0 } p { margin: 4px 0; color: var(--quiet); font-size: 12px }
.row { display: grid; grid-template-columns: repeat(24, minmax(0, 1fr)); gap: 12px }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 12px; min-width: 0 }
.now { font-size: 28px; font-variant-numeric: tabular-nums } .none { color: var(--quiet); padding: 24px 0 }
.bad { color: var(--bad) } svg { display: block; width: 100%; height: auto } text { font-size: 11px; fill: var(--quiet) }
.grid { stroke: var(--line); stroke-width: 1 } .draw { fill: none; stroke-width: 1.5; stroke-linejoin: round }
ul { list-style: none; margin: 6px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px;
  font-variant-numeric: tabular-nums } li { overflow-wrap: anywhere } i { display: inline-block; width: 10px; height: 3px; margin-right: 5px;
  vertical-align: middle } @media (max-width: 800px) { body { padding: 12px } .row { display: block }
  .card { margin-bottom: 12px } }
"""


def number(value: float, unit: str) -> str:
    """Write a value in its unit, short enough for an axis."""
    match unit:
        case "s":
            return _time(value)
        case "percentunit":
            return f"{_short(value * 100)} %"
        case "bytes":
            return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))
        case "ops" | "reqps":
            return f"{_scaled(value, 1000, ('', 'k', 'M', 'G'))}/s"
        case _:
            return _scaled(value, 1000, ("", "k", "M", "G"))


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}".replace(",", " ")


def _scaled(value: float, base: int, signs: Sequence[str]) -> str:
    place = 0
    while abs(value) >= base and place < len(signs) - 1:
        value, place = value / base, place + 1
    return f"{_short(value)} {signs[place]}".rstrip()


def _time(value_s: float) -> str:
    if value_s and abs(value_s) < 1:
        return f"{_short(value_s * 1000)} ms" if abs(value_s) >= 0.001 else f"{_short(value_s * 1e6)} µs"
    return f"{_short(value_s)} s" if abs(value_s) < 120 else f"{_short(value_s / 60)} min"


def _top(largest: float) -> float:
    """Return the next round value, 1, 2 or 5 times a power of ten."""
    if largest <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest * 0.999)


class _Axes:
    """Where a moment and a value lie on a drawing."""

    def __init__(self, panel: Panel, window: Window, low: float, high: float) -> None:
        self.window, self.low, self.high = window, low, high
        self.wide = COLUMN * int(panel.place["w"])
        self.tall = TALL if panel.kind == "heatmap" else HEIGHT
        self._title = panel.title

    def x(self, at_s: float) -> float:
        return LEFT + (at_s - self.window.from_s) / (self.window.to_s - self.window.from_s) * (self.wide - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return self.tall - BOTTOM - (value - self.low) / (self.high - self.low) * (self.tall - TOP - BOTTOM)

    def moments(self) -> str:
        """Draw the times below."""
        found = []
        for part in range(4):
            at_s = self.window.from_s + (self.window.to_s - self.window.from_s) * part / 3
            shown = datetime.fromtimestamp(at_s, UTC).strftime("%H:%M")
            place = ("start", "middle", "middle", "end")[part]
            found.append(f'<text x="{self.x(at_s):.0f}" y="{self.tall - 5}" text-anchor="{place}">{shown}</text>')
        return "".join(found)

    def svg(self, drawn: Sequence[str]) -> str:
        """Return the whole drawing."""
        parts = "".join(drawn)
        return f'<svg viewBox="0 0 {self.wide} {self.tall}" role="img" aria-label="{escape(self._title)}">{parts}</svg>'


def _lines(panel: Panel, window: Window) -> str:
    shown = sorted(panel.series, key=lambda each: -max(abs(value) for _, value in each.points))[:LINES]
    values = [value for each in shown for _, value in each.points]
    axes = _Axes(panel, window, -_top(-min(values)) if min(values) < -1e-9 else 0.0, _top(max(values)))
    drawn = [axes.moments()]
    for part in range(5):
        value = axes.low + (axes.high - axes.low) * part / 4
        y = axes.y(value)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{axes.wide - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value, panel.unit)}</text>')
    for place, each in enumerate(shown):
        colour = f"var(--c{place % COLOURS})"
        for stretch in _stretches(each, window):
            path = "L".join(f"{axes.x(at):.1f},{axes.y(value):.1f}" for at, value in stretch)
            drawn.append(f'<path class="draw" stroke="{colour}" d="M{path}{"h1" if len(stretch) == 1 else ""}"/>')
    legend = "".join(
        f'<li><i style="background:var(--c{place % COLOURS})"></i>{escape(each.name or "value")} '
        f"<b>{number(each.last, panel.unit)}</b></li>"
        for place, each in enumerate(shown)
    )
    more = len(panel.series) - len(shown)
    return axes.svg(drawn) + f"<ul>{legend}{f'<li>and {more} more</li>' if more else ''}</ul>"


def _stretches(series: Series, window: Window) -> list[list[tuple[float, float]]]:
    """Return a line's pieces: where values are missing it is broken off."""
    pieces: list[list[tuple[float, float]]] = []
    for point in series.points:
        if pieces and point[0] - pieces[-1][-1][0] < 1.5 * window.step_s:
            pieces[-1].append(point)
        else:
            pieces.append([point])
    return pieces


def _bound(series: Series) -> float:
    return float(series.labels.get("le", "nan").replace("+Inf", "inf"))


def _heat(panel: Panel, window: Window) -> str:
    """Draw a histogram over time: how much fell into each bucket, which count all that is smaller too."""
    buckets = sorted((each for each in panel.series if not math.isnan(_bound(each))), key=_bound)
    smaller: dict[float, float] = {}
    cells: list[tuple[int, float, float]] = []
    for place, each in enumerate(buckets):
        now = dict(each.points)
        cells += [(place, at, count - smaller.get(at, 0.0)) for at, count in now.items()]
        smaller = now
    most = max((count for _, _, count in cells), default=0.0)
    axes = _Axes(panel, window, 0.0, float(len(buckets)))
    wide = axes.x(window.from_s + window.step_s) - LEFT
    drawn = [axes.moments()]
    for place, each in enumerate(buckets):
        label = "more" if math.isinf(_bound(each)) else number(_bound(each), panel.unit)
        drawn.append(f'<text x="{LEFT - 6}" y="{axes.y(place + 0.5) + 4:.1f}" text-anchor="end">{label}</text>')
    for place, at, count in cells:
        if count > 1e-9:
            high = axes.y(place) - axes.y(place + 1)
            drawn.append(
                f'<rect x="{axes.x(at) - wide:.1f}" y="{axes.y(place + 1):.1f}" width="{wide:.2f}" height="{high:.2f}" '
                f'fill="var(--c0)" fill-opacity="{0.12 + 0.88 * math.sqrt(count / most):.2f}"/>'
            )
    return axes.svg(drawn)


def _inside(panel: Panel, window: Window) -> str:
    if panel.error:
        return f'<div class="none bad">{escape(panel.error)}</div>'
    if not panel.series:
        words = f'<div class="none">{escape(panel.may_be_empty)}</div>'
        return words if panel.may_be_empty else '<div class="none bad">No data</div>'
    if panel.kind == "heatmap":
        return _heat(panel, window)
    if panel.kind == "stat":
        return f'<div class="now">{number(panel.series[0].last, panel.unit)}</div>'
    return _lines(panel, window)


def page(board: Board, window: Window) -> str:
    """Return a dashboard as one page. Names come from figures, so they are taken for text only."""
    parts, is_open = [], False
    for panel in sorted(board.panels, key=lambda each: (each.place["y"], each.place["x"])):
        if panel.kind == "row":
            parts.append(f'{"</div>" if is_open else ""}<h2>{escape(panel.title)}</h2><div class="row">')
            is_open = True
            continue
        if not is_open:
            parts.append('<div class="row">')
            is_open = True
        parts.append(
            f'<section class="card" style="grid-column:span {int(panel.place["w"])}"><h3>{escape(panel.title)}</h3>'
            f"<p>{escape(panel.about)}</p>{_inside(panel, window)}</section>"
        )
    began, ended = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in (window.from_s, window.to_s))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(board.title)}</title><style>{_STYLE}</style></head><body><main><h1>{escape(board.title)}</h1>"
        f"<p>{escape(board.about)}</p><p>{began} to {ended} UTC, one value in {window.step_s} s</p>"
        f"{''.join(parts)}{'</div>' if is_open else ''}</main></body></html>\n"
    )
