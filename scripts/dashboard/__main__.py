"""Read dashboards from Prometheus: `python -m scripts.dashboard --prometheus http://127.0.0.1:9090 --out boards`.

Prints one line per panel. Ends with 1 when a query is refused or a panel has no figures; a panel that says itself what
stands there without any (Grafana's `noValue`) may be empty, unless `--every` is given.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from scripts.dashboard.drawing import number, page
from scripts.dashboard.reading import AskError, Board, Panel, Prometheus, Window, read

BOARDS = Path(__file__).resolve().parents[2] / "deploy/grafana"


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.dashboard", description=__doc__)
    parser.add_argument("boards", nargs="*", type=Path, help="dashboards (default: those of deploy/grafana)")
    parser.add_argument("--prometheus", default=os.environ.get("PROMETHEUS_URL", ""), help="default: PROMETHEUS_URL")
    parser.add_argument("--minutes", type=float, default=60.0, help="how far back (default: 60)")
    parser.add_argument("--scrape-s", type=float, default=30.0, help="seconds between two scrapes (default: 30)")
    parser.add_argument("--namespace", help="one installation (default: all)")
    parser.add_argument("--out", type=Path, help="a folder for the pages, one HTML file per dashboard")
    parser.add_argument("--every", action="store_true", help="no panel may be empty")
    return parser.parse_args(given)


def _line(panel: Panel) -> str:
    if panel.verdict in {"figures", "zero"}:
        last = ", ".join(f"{each.name or 'value'} {number(each.last, panel.unit)}" for each in panel.series[:4])
        more = f" and {len(panel.series) - 4} more" if len(panel.series) > 4 else ""
        return f"{panel.verdict:8}{panel.title}: {last}{more}"
    return f"{panel.verdict:8}{panel.title}{f': {panel.error}' if panel.error else ''}"


def _bad(board: Board, every: bool) -> int:
    return sum(
        panel.verdict == "error" or (panel.verdict == "empty" and (every or not panel.may_be_empty))
        for panel in board.panels
    )


def main(given: list[str] | None = None) -> int:
    """Read, print and write; return the exit status."""
    asked = _arguments(given)
    now_s = time.time()
    window = Window(now_s - asked.minutes * 60, now_s, asked.scrape_s)
    prometheus = Prometheus(asked.prometheus, os.environ.get("PROMETHEUS_TOKEN", ""))
    chosen = {"namespace": asked.namespace} if asked.namespace else {}
    bad = 0
    for path in asked.boards or sorted(BOARDS.glob("*.json")):
        try:
            board = read(path, prometheus, window, chosen)
        except (AskError, OSError, ValueError, KeyError) as error:
            sys.stderr.write(f"{path}: {error}\n")
            return 2
        print(f"{board.title}:")
        panels = [panel for panel in board.panels if panel.kind != "row"]
        for panel in panels:
            print(f"  {_line(panel)}")
        wrong = _bad(board, asked.every)
        print(f"  {len(panels) - wrong} of {len(panels)} panels hold")
        bad += wrong
        if asked.out is not None:
            asked.out.mkdir(parents=True, exist_ok=True)
            (asked.out / f"{path.stem}.html").write_text(page(board, window), encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
