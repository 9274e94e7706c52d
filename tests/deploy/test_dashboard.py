"""`python -m scripts.dashboard`: what it asks Prometheus, what it says of the answers, and the page."""

import json
import shutil
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from intelgraph.embedded.ports import free_port
from scripts.dashboard.__main__ import main
from scripts.dashboard.drawing import number
from scripts.dashboard.reading import AskError, Window, fill

HOSTILE = "<script>alert(1)</script>"


class Answers(BaseHTTPRequestHandler):
    """Answers as Prometheus does: to a few queries, each once understood by its name."""

    asked: list[dict[str, str]]

    def do_GET(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        fields = {name: values[0] for name, values in urllib.parse.parse_qs(address.query).items()}
        self.asked.append(fields)
        if address.path.endswith("/values"):
            return self.say(200, {"status": "success", "data": ["here"]})
        query, end = fields["query"], float(fields["end"])
        if "broken" in query:
            return self.say(400, {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"})
        result: list[Any] = []
        if "some" in query:
            values = [[end - 60, "0.25"], [end - 30, "NaN"], [end, "0.5"]]
            result = [{"metric": {"who": HOSTILE}, "values": values}]
        if "buckets" in query:
            result = [{"metric": {"le": le}, "values": [[end, n]]} for le, n in (("+Inf", "9"), ("0.1", "4"))]
        return self.say(200, {"status": "success", "data": {"resultType": "matrix", "result": result}})

    def say(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def prometheus() -> Iterator[tuple[str, list[dict[str, str]]]]:
    asked: list[dict[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Those", (Answers,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def board(tmp_path: Path, *panels: dict[str, Any]) -> Path:
    place = {"x": 0, "y": 0, "w": 8, "h": 8}
    about = {"type": "timeseries", "gridPos": place, "description": "What it is."}
    variable = {"name": "namespace", "type": "query", "query": "label_values(ig_build_info, namespace)"}
    path = tmp_path / "board.json"
    path.write_text(
        json.dumps(
            {
                "title": "Board",
                "templating": {"list": [variable]},
                "panels": [{**about, **panel} for panel in panels],
            }
        )
    )
    return path


def asks(title: str, query: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "targets": [{"expr": query, "legendFormat": "{{who}}"}], **more}


def run(address: str, path: Path, *more: str) -> int:
    return main([str(path), "--prometheus", address, "--out", str(path.parent), *more])


def test_figures_hold_and_names_are_text(tmp_path: Path, prometheus: Any, capsys: pytest.CaptureFixture[str]) -> None:
    address, asked = prometheus
    some = asks("Some", 'rate(some{namespace=~"$namespace"}[$__rate_interval])')
    buckets = asks("Buckets", "buckets", type="heatmap", options={"yAxis": {"unit": "s"}})
    now = asks("Now", "some", type="stat", fieldConfig={"defaults": {"unit": "s"}})
    assert run(address, board(tmp_path, some, buckets, now), "--minutes", "30", "--scrape-s", "15") == 0
    assert asked[0] == {"match[]": "ig_build_info"}
    assert asked[1]["query"] == 'rate(some{namespace=~"here"}[60s])'
    assert "3 of 3 panels hold" in capsys.readouterr().out
    page = (tmp_path / "board.html").read_text()
    assert HOSTILE not in page and "&lt;script&gt;" in page
    assert ">500 ms<" in page and "<rect" in page and "<script" not in page


@pytest.mark.parametrize(
    ("panel", "every", "status", "said"),
    [
        (asks("Broken", "broken"), False, 1, "parse error: unexpected end"),
        (asks("Nothing", "nothing"), False, 1, "empty"),
        (asks("Rare", "nothing", fieldConfig={"defaults": {"noValue": "None yet"}}), False, 0, "empty"),
        (asks("Rare", "nothing", fieldConfig={"defaults": {"noValue": "None yet"}}), True, 1, "empty"),
        (asks("Unknown", "some{a='$nobody'}"), False, 1, "$nobody has no value"),
    ],
)
def test_panels_that_do_not_hold(
    tmp_path: Path,
    prometheus: Any,
    capsys: pytest.CaptureFixture[str],
    panel: dict[str, Any],
    every: bool,
    status: int,
    said: str,
) -> None:
    assert run(prometheus[0], board(tmp_path, panel), *(["--every"] if every else [])) == status
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("address", ["", "file:///etc/passwd", "http://127.0.0.1:1"])
def test_no_prometheus_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str) -> None:
    assert run(address, board(tmp_path, asks("Some", "some"))) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path}/board.json: ")


def test_variables() -> None:
    assert fill('a{n=~"$ns"}[${__rate_interval}]', {"ns": ".*", "__rate_interval": "60s"}) == 'a{n=~".*"}[60s]'
    with pytest.raises(AskError):
        fill("$missing", {})
    assert Window(0, 3600, 30).rate_interval_s == 120


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0004, "s", "400 µs"),
        (0.25, "s", "250 ms"),
        (300, "s", "5 min"),
        (0.999, "percentunit", "99.9 %"),
        (3 * 2**20, "bytes", "3 MiB"),
        (1500, "ops", "1.5 k/s"),
        (12, "ops", "12/s"),
        (2_500_000, "short", "2.5 M"),
    ],
)
def test_units(value: float, unit: str, shown: str) -> None:
    assert number(value, unit) == shown


def test_a_real_prometheus_takes_every_query(tmp_path: Path) -> None:
    """No figures are there, so panels are empty: but none is refused."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus on this machine")
    (tmp_path / "prometheus.yml").write_text("global: {scrape_interval: 1m}\n")
    port = free_port()
    listen = f"--web.listen-address=127.0.0.1:{port}"
    storage = f"--storage.tsdb.path={tmp_path}/data"
    server = subprocess.Popen(
        [program, f"--config.file={tmp_path}/prometheus.yml", storage, listen, "--log.level=error"]
    )
    try:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport) as client:
            assert client.get(f"http://127.0.0.1:{port}/-/ready").status_code in {200, 503}
        out = subprocess.run(
            [sys.executable, "-m", "scripts.dashboard", "--prometheus", f"http://127.0.0.1:{port}"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "error " not in out.stdout and out.stderr == ""
        assert out.stdout.count("empty ") > 50
    finally:
        server.terminate()
        server.wait(20)
