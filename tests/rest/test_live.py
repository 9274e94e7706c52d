"""What only a real server can show: bodies that stream, clients that leave, headers of every door, probes, no secrets."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from apps.connectors.models import IngestJob
from apps.core.scope import no_scope, tenant_scope
from apps.gateway.security_headers import ALWAYS
from tests.conftest import PASSWORD, TenantKit, make_tenant
from tests.gateway.live_server import LiveServer, running
from tests.rest.conftest import PEOPLE

MIB = 1 << 20


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("rest")) as server:
        yield server


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def client(live: LiveServer, kit: TenantKit) -> Iterator[httpx.Client]:
    with no_scope():
        token = kit.key("admin")
    with httpx.Client(base_url=live.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as found:
        assert found.put("/api/v1/mappings/people", json=PEOPLE).status_code in {200, 201}
        yield found


def rows(count: int) -> Iterator[bytes]:
    yield b"id,name\n"
    for start in range(0, count, 1000):
        yield b"".join(b"%d,%s\n" % (number, b"x" * 1000) for number in range(start, start + 1000))


def test_a_large_source_streams_through_bounded_memory(live: LiveServer, client: httpx.Client) -> None:
    assert live.web.process is not None
    web = psutil.Process(live.web.process.pid)
    client.post("/api/v1/ingest/people?dry_run=1", content=rows(4000), headers={"Content-Type": "text/csv"})
    before, highest, stop = web.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            highest[0] = max(highest[0], web.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = client.post(
            "/api/v1/ingest/people?dry_run=1", content=rows(160_000), headers={"Content-Type": "text/csv"}
        )
    finally:
        stop.set()
        watcher.join()
    assert answer.status_code == 202 and answer.json()["size_bytes"] > 150 * MIB
    assert highest[0] - before < 60 * MIB


def test_an_upload_is_refused_before_it_was_sent(live: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as raw:
        raw.sendall(
            b"POST /api/v1/ingest/people HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/csv\r\n"
            b"Content-Length: 10000000000\r\n\r\nid,name\n"
        )
        answer = raw.recv(65536)
        assert answer.startswith(b"HTTP/1.1 401") and b"connection: close" in answer.lower()
        while raw.recv(65536):
            pass  # the server ends the connection


def test_a_client_that_leaves_in_the_middle_makes_no_job(
    live: LiveServer, client: httpx.Client, kit: TenantKit
) -> None:
    with tenant_scope(kit.info.id):
        before = IngestJob.objects.count()
    token = client.headers["Authorization"]
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as raw:
        raw.sendall(
            f"POST /api/v1/ingest/people HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\nx-request-id: left-in-the-middle\r\n"
            "Content-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n".encode()
            + b"id,name\n"
            + b"1,a\n" * 20_000
        )
        time.sleep(0.3)
    until = time.monotonic() + 10
    while "left-in-the-middle" not in live.log_file.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert client.get("/api/v1/ingest/jobs").status_code == 200
    with tenant_scope(kit.info.id):
        assert IngestJob.objects.count() == before


def test_a_body_that_is_kept_is_bounded(client: httpx.Client) -> None:
    for content in (b"x" * (9 * MIB), (b"x" * MIB for _ in range(9))):
        answer = client.put("/api/v1/mappings/large", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413 and answer.json()["code"] == "BAD_USER_INPUT"
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_download_can_be_left_and_its_thread_goes_on(client: httpx.Client) -> None:
    for _ in range(6):  # more than there are threads
        with client.stream("GET", "/api/v1/ledger/export") as answer:
            next(answer.iter_raw())
    whole = client.get("/api/v1/ledger/export")
    assert whole.text.splitlines()[-1].startswith('{"end"')


PATHS = (
    "/",
    "/login/",
    "/no-such-page",
    "/api/v1/nothing",
    "/api/v1/mappings",
    "/graphql",
    "/healthz",
    "/readyz",
    "/metrics",
    "/static/css/intelgraph.css",
    "/.well-known/jwks.json",
    "/admin/",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_door_sends_what_keeps_browsers_safe(live: LiveServer, path: str) -> None:
    answer = httpx.get(live.url + path, headers={"x-request-id": "walking-the-doors"})
    for name, value in ALWAYS.items():
        assert answer.headers[name.decode()] in {value.decode(), "cross-origin"}, name
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert answer.headers["x-request-id"] == "walking-the-doors" and answer.headers["x-ig-api-version"]
    assert "server" not in answer.headers and "traceback" not in answer.text.lower()


def test_health_readiness_and_what_they_take(live: LiveServer) -> None:
    assert httpx.get(f"{live.url}/healthz").json() == {"status": "alive"}
    report = httpx.get(f"{live.url}/readyz").json()
    assert report["status"] == "ready" and report["checks"] == {"postgresql": "ok", "migrations": "ok", "redis": "ok"}
    until = time.monotonic() + 15
    while "graph.counts" not in httpx.get(f"{live.url}/readyz").json()["lag"]:
        assert time.monotonic() < until, "the relay's subscribers are not told"
        time.sleep(0.2)
    refused = httpx.post(f"{live.url}/healthz")
    assert refused.status_code == 405 and refused.headers["Allow"] == "GET, HEAD"
    assert httpx.head(f"{live.url}/healthz").content == b""


def test_not_ready_without_redis_and_alive_all_the_same(tmp_path: Path) -> None:
    with running(tmp_path, REDIS_URL="redis://127.0.0.1:1/0") as alone:
        answer = httpx.get(f"{alone.url}/readyz", timeout=10)
        assert answer.status_code == 503 and answer.json()["checks"]["redis"] == "unreachable"
        assert answer.headers["Retry-After"] == "2"
        assert httpx.get(f"{alone.url}/healthz").status_code == 200


def test_metrics_count_by_route_and_hold_the_relays_figures(live: LiveServer, client: httpx.Client) -> None:
    client.get("/api/v1/ingest/jobs/00000000-0000-7000-8000-000000000000")
    client.request("PROPFIND", "/api/v1/mappings")
    client.get("/made-up-by-a-stranger")
    text = httpx.get(f"{live.url}/metrics").text
    assert (
        'ig_http_request_duration_seconds_count{method="GET",route="/api/v1/ingest/jobs/{job_id}",status="404"}' in text
    )
    assert 'method="OTHER",route="/api/v1/mappings",status="405"' in text
    assert 'route="unmatched",status="404"' in text and "made-up-by-a-stranger" not in text
    assert "ig_ledger_sequencer_leading 1.0" in text, "the relay is another process"
    for name in (
        "ig_database_pool_connections",
        "ig_bus_lag_events",
        "ig_ledger_waiting_records",
        "ig_job_queue_length",
        "ig_database_oldest_transaction_seconds",
        "ig_build_info",
    ):
        assert f"\n{name}" in text, name
    modern = httpx.get(f"{live.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert modern.headers["Content-Type"].startswith("application/openmetrics-text") and modern.text.endswith("# EOF\n")


def test_no_secret_reaches_the_log(live: LiveServer, client: httpx.Client, kit: TenantKit) -> None:
    with no_scope():
        person = kit.member("analyst")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    browser = httpx.Client(base_url=live.url)
    browser.get("/login/")
    browser.post("/login/", data={"email": person.email, "password": PASSWORD + "!", "csrfmiddlewaretoken": "x"})
    client.get(f"/api/v1/mappings?token={token}&password={PASSWORD}")
    httpx.get(f"{live.url}/api/v1/mappings", headers={"Authorization": f"Bearer {token[:-2]}xx"})
    client.post("/graphql", json={"query": f'{{ entity(id: "{token}") {{ id }} }}'})
    log = live.log_file.read_text()
    assert '"status":400' in log, "the requests were logged"
    secrets = [
        token,
        token[:-2],
        PASSWORD,
        person.email,
        *(os.environ[name] for name in ("SECRET_KEY", "IG_KEY_SECRET")),
    ]
    assert not [secret for secret in secrets if secret in log]
