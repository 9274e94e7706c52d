"""Panels and what Prometheus answers to their queries."""

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ASK_S = 30.0
POINTS = 180
INSTANT = {"stat", "gauge"}
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LABEL_VALUES = re.compile(r"label_values\(\s*(?P<metric>.+?)\s*,\s*(?P<label>\w+)\s*\)")
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class AskError(Exception):
    """Prometheus is away, or refuses a query; the text says why."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at, in seconds: from when to when, one value per step, and how often figures are read."""

    from_s: float
    to_s: float
    scrape_s: float

    @property
    def step_s(self) -> int:
        """Return the seconds between two values."""
        return max(1, math.ceil((self.to_s - self.from_s) / POINTS))

    @property
    def rate_interval_s(self) -> int:
        """Return what Grafana puts in for `$__rate_interval`."""
        return math.ceil(max(self.step_s + self.scrape_s, 4 * self.scrape_s))


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel: moments in seconds since 1970, and values; those that are no number are left out."""

    name: str
    points: Sequence[tuple[float, float]]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def last(self) -> float:
        """Return the newest value."""
        return self.points[-1][1]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel with what its queries gave. `may_be_empty`: it says itself what it shows without figures (`noValue`)."""

    title: str
    kind: str
    about: str
    unit: str
    place: Mapping[str, int]
    may_be_empty: str
    series: Sequence[Series]
    error: str = ""

    @property
    def verdict(self) -> str:
        """Return `error`, `empty`, `zero` (nothing but noughts) or `figures`; of a heading, `row`."""
        if self.kind == "row":
            return "row"
        if self.error:
            return "error"
        if not self.series:
            return "empty"
        return "figures" if any(value for each in self.series for _, value in each.points) else "zero"


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard that was read."""

    title: str
    about: str
    panels: Sequence[Panel]


class Prometheus:
    """The HTTP API of one Prometheus; `token` is sent as Bearer where it is given."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url, self._token = url.rstrip("/"), token

    def ask(self, path: str, **fields: str) -> Any:
        """Return the `data` of an answer of `/api/v1/…`. Raises AskError."""
        if not self._url.startswith(("http://", "https://")):
            raise AskError(f"{self._url or 'the address of Prometheus'} does not begin with http:// or https://")
        request = urllib.request.Request(f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(fields)}")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with _opener().open(request, timeout=ASK_S) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AskError(_why(error)) from None
        except (OSError, ValueError) as error:
            raise AskError(f"{self._url}: {error}") from None
        if body.get("status") != "success":
            raise AskError(str(body.get("error", "no success")))
        return body["data"]


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens http and https, and no other scheme, wherever it is sent on to."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _why(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {error.code}"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in for a query's variables. Raises AskError for one that the dashboard does not know."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in values:
            raise AskError(f"the variable ${name} has no value")
        return values[name]

    return _VARIABLE.sub(value, text)


def variables(board: Mapping[str, Any], prometheus: Prometheus, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return a value for each of a dashboard's variables: the chosen one, else all, else the first that there is.

    Raises AskError for a query of values that is not understood.
    """
    found: dict[str, str] = {}
    for each in board.get("templating", {}).get("list", ()):
        name = each["name"]
        if each["type"] != "query":
            continue
        parts = _LABEL_VALUES.fullmatch(each["query"])
        if parts is None:
            raise AskError(f"the values of ${name} are asked for by {each['query']!r}, which is not understood")
        there = prometheus.ask(f"label/{parts['label']}/values", **{"match[]": fill(parts["metric"], found)})
        if name in chosen:
            found[name] = re.escape(chosen[name])
        else:
            found[name] = each.get("allValue") or "|".join(map(re.escape, there))
    return found


def _series(
    prometheus: Prometheus, target: Mapping[str, Any], values: Mapping[str, str], window: Window
) -> list[Series]:
    data = prometheus.ask(
        "query_range",
        query=fill(target["expr"], values),
        start=f"{window.from_s:.3f}",
        end=f"{window.to_s:.3f}",
        step=str(window.step_s),
    )
    found = []
    for each in data["result"]:
        labels: dict[str, str] = each["metric"]
        points = [(float(at), float(value)) for at, value in each["values"] if math.isfinite(float(value))]
        if points:
            name = _LEGEND.sub(lambda asked, labels=labels: labels.get(asked[1], ""), target.get("legendFormat") or "")
            found.append(Series(name.strip(), points, labels))
    return found


def _panel(raw: Mapping[str, Any], prometheus: Prometheus, values: Mapping[str, str], window: Window) -> Panel:
    defaults = raw.get("fieldConfig", {}).get("defaults", {})
    unit = defaults.get("unit") or raw.get("options", {}).get("yAxis", {}).get("unit") or "short"
    series: list[Series] = []
    error = ""
    try:
        for target in raw.get("targets", ()):
            series += _series(prometheus, target, values, window)
    except AskError as refused:
        error = str(refused)
    if raw["type"] in INSTANT:  # what it shows is now: a line that has ended shows nothing
        series = [each for each in series if each.points[-1][0] > window.to_s - 2 * window.step_s - 300]
    return Panel(
        raw["title"],
        raw["type"],
        raw.get("description", ""),
        unit,
        raw["gridPos"],
        str(defaults.get("noValue", "")),
        series,
        error,
    )


def read(path: Path, prometheus: Prometheus, window: Window, chosen: Mapping[str, str]) -> Board:
    """Return a dashboard's panels with what their queries give in a window. Raises AskError when nothing can be asked."""
    board = json.loads(path.read_text(encoding="utf-8"))
    values = variables(board, prometheus, chosen) | {
        "__rate_interval": f"{window.rate_interval_s}s",
        "__interval": f"{window.step_s}s",
        "__range": f"{int(window.to_s - window.from_s)}s",
    }
    return Board(
        board["title"],
        board.get("description", ""),
        [_panel(raw, prometheus, values, window) for raw in board["panels"]],
    )
