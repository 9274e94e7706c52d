"""Processes without web show health and figures by a door of their own, when told to, and not to anybody."""

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

from apps.core import conf, side_door

TOKEN = "metrics-token-of-this-test"


@contextmanager
def opened(monkeypatch: pytest.MonkeyPatch, alive: bool = True, **settings: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    values = {**conf.get().values, "IG_SIDE_LISTEN": f"127.0.0.1:{port}", "IG_METRICS_TOKEN": TOKEN, **settings}
    monkeypatch.setattr(conf, "get", lambda: conf.Settings(values))
    door = side_door.open_side_door(alive=lambda: alive)
    assert door is not None
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        door.shutdown()
        door.server_close()


def status_of(url: str, token: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_without_a_place_there_is_no_door() -> None:
    assert conf.get()["IG_SIDE_LISTEN"] == ""
    assert side_door.open_side_door() is None


def test_health_says_whether_the_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(monkeypatch) as url:
        assert status_of(f"{url}/healthz") == (200, b"alive\n")
        assert status_of(f"{url}/")[0] == 404
    with opened(monkeypatch, alive=False) as url:
        assert status_of(f"{url}/healthz")[0] == 503


def test_figures_want_the_token_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(monkeypatch, IG_MODE="production") as url:
        assert status_of(f"{url}/metrics")[0] == 401
        assert status_of(f"{url}/metrics", "wrong")[0] == 401
        status, page = status_of(f"{url}/metrics", TOKEN)
        assert status == 200
        assert b"# TYPE ig_jobs_running gauge" in page
    with opened(monkeypatch, IG_MODE="production", IG_METRICS_FROM="127.0.0.0/8", IG_METRICS_TOKEN="") as url:
        assert status_of(f"{url}/metrics")[0] == 200


def test_only_reading_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(monkeypatch) as url:
        connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.request("POST", "/healthz", body=b"x" * 1000)
        assert connection.getresponse().status == 501
        connection.close()


def test_a_taken_port_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(monkeypatch), pytest.raises(OSError, match="in use"):
        side_door.open_side_door()
