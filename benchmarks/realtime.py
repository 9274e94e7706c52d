"""What a pushed update costs the server: `python -m benchmarks.realtime --json`.

Our web process with all stages, metrics and logs on, and the seed's own design (graphql-ws, ws, ioredis) as it stands
(`literal`: a Redis connection per subscriber) and repaired (`shared`: one per process), in turn on the same Redis, with the
same client, 300-byte frames and pace. Needs a C compiler; without Node there are no peers and no ratios.

- `us`: the server process's CPU per delivery, 200 subscribers of one asset, 1,000 updates/s; medians over the rounds.
  `cpu_vs_seed`, `cpu_vs_seed_shared`: the peer's divided by ours. `p95_ms`, `loss`: of ours in these runs.
- `p95_ms_1000`, `loss_1000`, `us_1000`: the same with 1,000 subscribers.
- `saturation`: the most deliveries/s of a ladder of runs that kept p95 at 250 ms with nothing lost;
  `saturation_vs_seed_shared`: ours divided by the repaired design's.
- `end_to_end_p95_ms`: from the commit of `upsert_entities`, 1,000 changes/s, to 200 clients of two web processes, by way
  of sequencer and relay. `idle_kb`: memory of each of 5,000 connections that have introduced themselves and wait.
"""

import argparse
import array
import itertools
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import redis

from benchmarks import harness
from benchmarks.load import HELLO, Subscribers, Target, compiled
from benchmarks.servers import Server, cpu_s, free_port, node_home, running
from intelgraph.embedded.specs import WEB_OPTIONS

RATE = 1_000
SUBSCRIBERS = 200
IDLE = 5_000
ASSET = "018f3c5e-7b1a-7c3d-9a7f-5b1e4c3d9a7f"
SOURCE = "a description of about the length that the source of an asset has"
LADDERS = {
    "intelgraph": (20, 50, 100, 200, 500, 1_000, 2_000, 3_000),
    "shared": (10, 20, 30, 40, 50, 60, 80, 100),
}
KEPT_MS = 250.0
FIELDS = "id name kind externalId region source licence"
ONE_ASSET = f"subscription ($t: ID!, $id: ID!) {{ assetUpdated(tenantId: $t, id: $id) {{ {FIELDS} }} }}"
CHANGES = 'subscription ($t: ID!) { changes(tenantId: $t, kinds: ["Asset"]) { eventId id op entity { name } } }'
BATCH = 100
BATCHES = 50


@dataclass(frozen=True)
class Contender:
    """A server, what its subscribers ask for, and the events that make it push."""

    server: Server
    target: Target
    channel: str
    event: Callable[[int, str], bytes]


def _asset(mark: str) -> dict[str, Any]:
    """Return the fields that clients select, a mark in the name."""
    return {
        "id": ASSET,
        "name": mark,
        "kind": "Asset",
        "externalId": "host-0007",
        "region": "eu-west-1",
        "source": SOURCE,
        "licence": "internal-use",
    }


def _publish(client: "redis.Redis", contender: Contender, count: int, first: int) -> None:
    """Publish events at RATE, in steps of a millisecond; `first` were published before."""
    sent, began = 0, time.perf_counter()
    while sent < count:
        due = min(count, int((time.perf_counter() - began) * RATE) + 1)
        if due == sent:
            time.sleep(0.001)
            continue
        with client.pipeline(transaction=False) as pipe:
            for number in range(sent, due):
                pipe.publish(contender.channel, contender.event(first + number, f"~t{time.time_ns()}~s{number}~"))
            pipe.execute()
        sent = due


def _alone(contender: Contender, process: psutil.Process) -> None:
    """Wait until the server has let go of the connections of an earlier run."""
    while any(
        each.status == psutil.CONN_ESTABLISHED and each.laddr.port == contender.server.port
        for each in process.net_connections("tcp")
    ):
        time.sleep(0.1)
    time.sleep(0.5)


def _pushed(
    client: "redis.Redis", program: Path, contender: Contender, process: psutil.Process, connections: int, events: int
) -> dict[str, float]:
    """Return what one run gives: CPU per delivery, latencies, loss."""
    greeted = itertools.count()

    def greet() -> None:
        client.publish(contender.channel, contender.event(next(greeted), HELLO))

    _alone(contender, process)
    subscribers = Subscribers(
        program, contender.target, connections, events=events, warm=events // 10, limit_s=90, greet=greet
    )
    before, began = cpu_s(process), time.monotonic()
    _publish(client, contender, events, next(greeted))
    found = subscribers.result()
    if found["acked"] < connections or found["disordered"] or not found["received"]:
        raise RuntimeError(f"{contender.server.name}: {found}")
    received = found["received"]
    told = {
        "us": (cpu_s(process) - before) / received * 1e6,
        "p50_ms": found["p50_ms"],
        "p95_ms": found["p95_ms"],
        "loss": found["missing"] / (events * connections),
        "per_s": received / (time.monotonic() - began),
    }
    shown = " ".join(f"{key}={value:.4g}" for key, value in told.items())
    print(f"{contender.server.name}: {connections} x {events}: {shown}", file=sys.stderr, flush=True)
    return told


def _tenant() -> tuple[Any, str]:
    """Make the benchmark's tenant and a reader's key; return its context and the key."""
    from apps.core.context import service_context
    from apps.core.scope import tenant_scope
    from apps.identity import services as identity
    from apps.quotas.models import Override
    from apps.tenants import services as tenancy

    ctx = service_context("benchmark")
    info = tenancy.create_tenant(ctx, slug="bench", name="Benchmark", home_region="eu-west-1")
    inside = ctx.but(tenant_id=info.id, tenant_slug=info.slug, region="eu-west-1")
    with tenant_scope(info.id):
        # The stage stays on; its limit is lifted, since thousands subscribe at once.
        Override.objects.create(
            measure="api", rate_per_s=1e6, burst=10**8, reason="benchmark", created_by="service:benchmark"
        )
        return inside, identity.create_api_key(inside, name="benchmark", scope="reader").token


def _web() -> Server:
    port = free_port()
    return Server(
        "intelgraph",
        [sys.executable, "-m", "uvicorn", *WEB_OPTIONS, "--port", str(port)],
        environment={"IG_LOG_LEVEL": "INFO"},
        port=port,
    )


def _target(server: Server, ctx: Any, token: str, query: str, **variables: str) -> Target:
    headers = (f"Authorization: Bearer {token}", "X-Ig-Purpose: investigation")
    subscribe = {"query": query, "variables": {"t": str(ctx.tenant_id), **variables}}
    return Target(server.port, "/graphql/ws", subscribe, headers)


def _ours(ctx: Any, token: str) -> Contender:
    """Return our web process; its events are the messages that the relay publishes, one per change."""
    from apps.core.clock import iso
    from apps.gateway.realtime.wire import Change, Cursor, Stretch, encode, topic
    from apps.ledger import selectors as ledger

    head = ledger.head(ctx.tenant_id)
    first = (head.number if head else 0) + 1

    def event(number: int, mark: str) -> bytes:
        at = iso(datetime.now(UTC))
        document = {
            **_asset(mark),
            "properties": {},
            "dataClass": "internal",
            "retentionTier": "standard-365d",
            "redactionPolicy": "none",
            "purposes": ["investigation"],
            "subjectKeys": [],
            "version": number + 1,
            "updatedAt": at,
        }
        place = first + number
        tags = ("internal", "none", ("investigation",))
        change = Change(place, 0, f"{place}.0", "entity", ASSET, "updated", number + 1, "Asset", at, document, tags)
        # From the ledger's head on: what was published before the feed listened is no gap to be filled from PostgreSQL.
        return encode(Stretch(Cursor(first - 1), Cursor(place), (change,)))

    server = _web()
    return Contender(server, _target(server, ctx, token, ONE_ASSET, id=ASSET), topic(ctx.tenant_id), event)


def _peer(design: str, home: Path) -> Contender:
    port, url = free_port(), urlsplit(os.environ["REDIS_URL"])
    environment = {
        "DESIGN": design,
        "PEER_PORT": str(port),
        "PEER_REDIS": url.path,
        "PEER_REDIS_PASSWORD": url.password or "",
        "NODE_ENV": "production",
    }
    server = Server(
        design, ["node", "subscriptions.mjs"], path="/graphql", environment=environment, cwd=home, port=port
    )
    subscribe = {"query": ONE_ASSET, "variables": {"t": "alpha", "id": ASSET}}

    def event(number: int, mark: str) -> bytes:
        return json.dumps({"tenantId": "alpha", **_asset(mark)}, separators=(",", ":")).encode()

    return Contender(server, Target(port, "/graphql", subscribe), f"asset:alpha:{ASSET}", event)


def _saturation(client: "redis.Redis", program: Path, contender: Contender, process: psutil.Process) -> float:
    """Return the most deliveries/s that were kept up with, climbing until a run is not."""
    kept = 0.0
    for connections in LADDERS[contender.server.name]:
        found = _pushed(client, program, contender, process, connections, 3 * RATE)
        if found["p95_ms"] > KEPT_MS or found["loss"] > 0:
            break
        kept = float(connections * RATE)
    return kept


@contextmanager
def _relay() -> Iterator[None]:
    """Run sequencer and relay."""
    process = subprocess.Popen([sys.executable, "manage.py", "relay"], cwd=harness.ROOT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _end_to_end(program: Path, ctx: Any, token: str) -> dict[str, float]:
    """Write 1,000 changes/s and return how long after its commit a change is read, and what was lost."""
    from apps.core.scope import tenant_scope
    from apps.graph import services as graph
    from apps.graph.types import EntityInput

    def greet() -> None:
        with tenant_scope(ctx.tenant_id):
            graph.upsert_entities(ctx, inputs=[EntityInput("Asset", f"h{time.time_ns()}", name=HELLO)])

    def write(number: int) -> int:
        with tenant_scope(ctx.tenant_id):
            graph.upsert_entities(
                ctx,
                inputs=[
                    EntityInput("Asset", f"e{n}", name=f"~t{time.time_ns()}~s{number * BATCH + n}~")
                    for n in range(BATCH)
                ],
            )
        return time.time_ns()

    webs = [_web(), _web()]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ig-bench-")))
        stack.enter_context(_relay())
        for web in webs:
            stack.enter_context(running(web))
        write(0)
        time.sleep(3)  # numbered and handed on before anybody subscribes
        files = [folder / f"{web.port}" for web in webs]
        crowds = [
            Subscribers(
                program,
                _target(web, ctx, token, CHANGES),
                SUBSCRIBERS // len(webs),
                events=BATCH * (BATCHES - 1),
                warm=BATCH * BATCHES // 10,
                arrivals=file,
                greet=greet,
            )
            for web, file in zip(webs, files, strict=True)
        ]
        began, committed = time.perf_counter(), {}
        for number in range(1, BATCHES):
            committed[number] = write(number)
            time.sleep(max(0.0, began + number * BATCH / RATE - time.perf_counter()))
        seconds = time.perf_counter() - began
        missing = sum(crowd.result()["missing"] for crowd in crowds)
        taken = []
        for file in files:
            rows = array.array("q")
            rows.frombytes(file.read_bytes())
            taken += [at - committed[number // BATCH] for number, at in zip(rows[::2], rows[1::2], strict=True)]
    return {
        "end_to_end_p95_ms": sorted(taken)[int(len(taken) * 0.95)] / 1e6,
        "end_to_end_loss": missing / (SUBSCRIBERS * BATCH * (BATCHES - 1)),
        "end_to_end_changes_per_s": BATCH * (BATCHES - 1) / seconds,
    }


def _idle_kb(program: Path, target: Target, process: psutil.Process) -> float:
    """Return the memory of an idle connection in kB."""
    before = process.memory_info().rss
    crowd = Subscribers(program, target, IDLE)
    each = (process.memory_info().rss - before) / IDLE / 1e3
    if crowd.result(at_once=True)["acked"] < IDLE:
        raise RuntimeError("not all connections were acknowledged")
    return each


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.realtime")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: JSON is all it prints")
    parser.add_argument("--events", type=int, default=3_000, help="updates of a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("push", "end", "idle"), help="one part")
    return parser.parse_args()


def main() -> int:
    """Measure and print. Exits 1 only when it could not measure."""
    given = _arguments()
    load = harness.foreign_load()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    peers: dict[str, Any] = {}
    with harness.services(), tempfile.TemporaryDirectory(prefix="ig-bench-") as folder:
        import django

        django.setup()
        client = redis.Redis.from_url(os.environ["REDIS_URL"])
        # A peer that lags is not to be cut off by Redis: its backlog is part of what is measured.
        client.config_set("client-output-buffer-limit", "pubsub 512mb 512mb 600")
        program, (ctx, token) = compiled(Path(folder)), _tenant()
        ours = _ours(ctx, token)
        if given.only in (None, "push"):
            _pushes(client, program, ours, given, (figures, ratios, peers))
        if given.only in (None, "idle"):
            with running(ours.server) as process:
                _pushed(client, program, ours, process, 20, 200)  # warm
                figures["idle_kb"] = _idle_kb(program, ours.target, process)
        if given.only in (None, "end"):
            figures |= _end_to_end(program, ctx, token)
    harness.report("realtime", figures, ratios, peers, load)
    return 0


def _pushes(
    client: "redis.Redis",
    program: Path,
    ours: Contender,
    given: argparse.Namespace,
    into: tuple[dict[str, float], dict[str, float], dict[str, Any]],
) -> None:
    """Measure the pushes of ours and, where Node is, of the peers."""
    figures, ratios, peers = into
    home = node_home()
    contenders = [ours] + ([_peer(design, home) for design in ("literal", "shared")] if home else [])
    found: dict[str, list[dict[str, float]]] = {each.server.name: [] for each in contenders}
    wide: list[dict[str, float]] = []
    saturation: dict[str, float] = {}
    for turn in range(given.rounds):
        for each in contenders:
            with running(each.server) as process:
                _pushed(client, program, each, process, 20, 500)  # warm
                found[each.server.name].append(_pushed(client, program, each, process, SUBSCRIBERS, given.events))
                if each is ours:
                    wide.append(_pushed(client, program, each, process, 1_000, given.events))
                if turn == 0 and each.server.name in LADDERS:
                    saturation[each.server.name] = _saturation(client, program, each, process)
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in found.items()
    }
    mine = middle.pop("intelgraph")
    figures |= {key: mine[key] for key in ("us", "p50_ms", "p95_ms")}
    figures["loss"] = max(run["loss"] for run in found["intelgraph"])
    figures |= {f"{key}_1000": statistics.median(run[key] for run in wide) for key in ("us", "p95_ms")}
    figures["loss_1000"] = max(run["loss"] for run in wide)
    figures["saturation"] = saturation["intelgraph"]
    for design, name in (("literal", "seed"), ("shared", "seed_shared")):
        if design in middle:
            ratios[f"cpu_vs_{name}"] = middle[design]["us"] / mine["us"]
            peers[name] = {key: round(value, 2) for key, value in middle[design].items()}
    if "shared" in saturation:
        peers["seed_shared"]["saturation"] = saturation["shared"]
        ratios["saturation_vs_seed_shared"] = saturation["intelgraph"] / max(saturation["shared"], float(RATE))


if __name__ == "__main__":
    raise SystemExit(main())
