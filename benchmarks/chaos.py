"""Whether live updates lose anything while processes die: `python -m benchmarks.chaos --minutes 10`.

The product runs as `manage.py up` runs it. Writers upsert entities over GraphQL without pause, subscribers follow
`changes` and resume with `since` after every break, and every few seconds one of web, relay, Redis and PostgreSQL, in random
order, is ended by SIGKILL; the product starts it again. In the end the rows that stand in PostgreSQL are compared with what
each subscriber counted. `lost` counts rows that a subscriber neither received nor was told to be missing by an explicit
discontinuity; `doubled` and `disordered` count events that came twice or after a later one. Exits 1 unless all three are 0.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from benchmarks import harness
from benchmarks.servers import free_port
from intelgraph.embedded import addresses

SUBSCRIBERS = 20
WRITERS = 2
BATCH = 20
EVERY_S = (4.0, 10.0)
SETTLE_S = 90.0
VICTIMS = {
    "web": "uvicorn intelgraph.asgi",
    "relay": "manage.py relay",
    "redis": "redis-server",
    "postgres": "bin/postgres -D",
}
FOLLOW = """subscription ($t: ID!, $since: String) {
  changes(tenantId: $t, kinds: ["Asset"], since: $since) { eventId entity { externalId } } }"""
WRITE = "mutation ($input: [EntityInput!]!) { upsertEntities(input: $input) { created errors { code } } }"
NUMBERS = re.compile(r"\d+")


@dataclass
class Seen:
    """What one subscriber counted."""

    events: Counter[str] = field(default_factory=Counter)
    entities: set[str] = field(default_factory=set)
    last: str = ""
    disordered: int = 0
    skipped: int = 0
    connections: int = 0
    longest_s: float = 0.0
    closed: Counter[str] = field(default_factory=Counter)

    def take(self, change: dict[str, Any]) -> None:
        """Count an update."""
        event = change["eventId"]
        if self.last and _order(event) <= _order(self.last) and event not in self.events:
            self.disordered += 1
        self.events[event] += 1
        self.last = event
        if change["entity"]:
            self.entities.add(change["entity"]["externalId"])


def _order(event: str) -> tuple[int, ...]:
    return tuple(int(part) for part in NUMBERS.findall(event))


@dataclass
class Product:
    """The running product: where it answers, as whom."""

    url: str
    tenant: str
    token: str
    database: str


async def _follow(product: Product, seen: Seen, over: asyncio.Event) -> None:
    """Follow the changes until it is over, resuming after every break."""
    address = product.url.replace("http", "ws", 1) + "/graphql"
    broken = time.monotonic()
    while not over.is_set():
        try:
            async with connect(
                address, subprotocols=[Subprotocol("graphql-transport-ws")], open_timeout=5, ping_interval=5
            ) as socket:
                await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": product.token}}))
                welcome = json.loads(await asyncio.wait_for(socket.recv(), 15))
                if welcome["type"] != "connection_ack":
                    raise OSError(f"{welcome['type']} for a welcome")
                variables = {"t": product.tenant, "since": seen.last or None}
                await socket.send(
                    json.dumps({"id": "1", "type": "subscribe", "payload": {"query": FOLLOW, "variables": variables}})
                )
                seen.connections += 1
                while not over.is_set():
                    try:
                        message = json.loads(await asyncio.wait_for(socket.recv(), 1.0))
                    except TimeoutError:
                        continue
                    if message["type"] == "next":
                        seen.longest_s = max(seen.longest_s, time.monotonic() - broken)
                        broken = time.monotonic()
                        _told(seen, message["payload"])
                    elif message["type"] in {"error", "complete"}:
                        seen.closed[json.dumps(message.get("payload"))[:80]] += 1
                        break
        except (WebSocketException, OSError, TimeoutError) as error:
            seen.closed[str(error)[:80] or type(error).__name__] += 1
        await asyncio.sleep(random.uniform(0.1, 0.5))


def _told(seen: Seen, payload: dict[str, Any]) -> None:
    missed = (payload.get("extensions") or {}).get("discontinuity")
    if missed:
        seen.skipped += int(missed["missed"])
    if payload.get("data"):
        seen.take(payload["data"]["changes"])


async def _write(product: Product, name: str, over: asyncio.Event, written: Counter[str]) -> None:
    """Upsert new entities in batches until it is over; what gets no answer may or may not stand."""
    number = 0
    async with httpx.AsyncClient(headers={"authorization": product.token}, timeout=10) as client:
        while not over.is_set():
            inputs = [
                {"kind": "Asset", "externalId": f"{name}-{number}-{n}", "name": f"{name} {number}"}
                for n in range(BATCH)
            ]
            number += 1
            try:
                body = {"query": WRITE, "variables": {"input": inputs}}
                answer = await client.post(f"{product.url}/graphql", json=body)
                good = answer.status_code == 200 and "errors" not in answer.json()
                written["acknowledged" if good else "refused"] += BATCH
            except (httpx.HTTPError, ValueError):
                written["unanswered"] += BATCH
            await asyncio.sleep(0.1)


def _victim(supervisor: psutil.Process, name: str) -> psutil.Process | None:
    for process in supervisor.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if VICTIMS[name] in " ".join(process.cmdline()):
                return process
    return None


async def _kill(supervisor: psutil.Process, until: float, chance: random.Random, killed: Counter[str]) -> None:
    while True:
        await asyncio.sleep(chance.uniform(*EVERY_S))
        if time.monotonic() > until:
            return
        for name in chance.sample(list(VICTIMS), len(VICTIMS)):
            victim = _victim(supervisor, name)
            if victim is not None:
                with contextlib.suppress(psutil.Error):
                    victim.send_signal(signal.SIGKILL)
                    killed[name] += 1
                    print(f"killed {name} ({victim.pid})", file=sys.stderr)
                break


def _standing(product: Product) -> set[str]:
    """Return the external ids of all entities that stand in PostgreSQL."""
    with psycopg.connect(product.database) as connection:
        connection.execute("select set_config('ig.tenant_id', %s, false)", (product.tenant,))
        rows = connection.execute("select external_id from graph_entity where tenant_id = %s", (product.tenant,))
        return {row[0] for row in rows}


def _made(var: Path, url: str) -> Product:
    """Make a tenant and a key in the running product."""
    os.environ.update({"IG_VAR": str(var), "DJANGO_SETTINGS_MODULE": "intelgraph.settings", "IG_LOG_LEVEL": "WARNING"})
    addresses.adopt(os.environ)
    import django

    django.setup()
    from django.db import connections

    from apps.core.context import service_context
    from apps.core.scope import tenant_scope
    from apps.identity import services as identity
    from apps.quotas.models import Override
    from apps.tenants import services as tenancy

    ctx = service_context("benchmark")
    info = tenancy.create_tenant(ctx, slug="chaos", name="Chaos", home_region="eu-west-1")
    inside = ctx.but(tenant_id=info.id, tenant_slug=info.slug, region="eu-west-1")
    with tenant_scope(info.id):
        for measure in ("api", "deliveries"):
            Override.objects.create(measure=measure, rate_per_s=1e5, burst=10**6, reason="load", created_by="benchmark")
        token = identity.create_api_key(inside, name="load", scope="writer").token
    connections.close_all()
    return Product(url, str(info.id), f"Bearer {token}", os.environ["DATABASE_SYSTEM_URL"])


async def _run(product: Product, supervisor: psutil.Process, seconds: float, chance: random.Random) -> dict[str, Any]:
    over, quiet = asyncio.Event(), asyncio.Event()
    seen = [Seen() for _ in range(SUBSCRIBERS)]
    written: Counter[str] = Counter()
    killed: Counter[str] = Counter()
    readers = [asyncio.create_task(_follow(product, each, over)) for each in seen]
    first = asyncio.create_task(_write(product, "first", quiet, written))
    while not all(each.last for each in seen):  # everybody has a place to resume from before anything dies
        await asyncio.sleep(0.2)
    writers = [asyncio.create_task(_write(product, f"w{n}", quiet, written)) for n in range(WRITERS)]
    await _kill(supervisor, time.monotonic() + seconds, chance, killed)
    quiet.set()
    await asyncio.gather(first, *writers)
    # Who joined while the first batches came has a right to what followed its first event only.
    until = time.monotonic() + SETTLE_S
    start = min(min(_order(event) for event in each.events) for each in seen)
    standing: set[str] = set()
    while time.monotonic() < until:
        await asyncio.sleep(2)
        with contextlib.suppress(psycopg.Error):
            standing = await asyncio.to_thread(_standing, product)
        behind = [{row for row in standing - each.entities if not row.startswith("first-")} for each in seen]
        if standing and all(len(missing) <= each.skipped for missing, each in zip(behind, seen, strict=True)):
            break
    await asyncio.sleep(2)
    over.set()
    await asyncio.gather(*readers)
    return {
        "minutes": seconds / 60,
        "subscribers": SUBSCRIBERS,
        "killed": dict(killed),
        "rows": len(standing),
        "written": dict(written),
        "delivered": sum(sum(each.events.values()) for each in seen),
        "connections": sum(each.connections for each in seen),
        "longest_silence_s": max(each.longest_s for each in seen),
        "told_missing": sum(each.skipped for each in seen),
        "lost": sum(max(0, len(missing) - each.skipped) for missing, each in zip(behind, seen, strict=True)),
        "never_stood": sum(len(each.entities - standing) for each in seen),
        "doubled": sum(count - 1 for each in seen for count in each.events.values()),
        "disordered": sum(each.disordered for each in seen),
        "began_at": ".".join(map(str, start)),
        "closed": dict(sum((each.closed for each in seen), Counter()).most_common(12)),
    }


def main() -> int:
    """Run, print one JSON object; return 0 when nothing was lost, doubled or out of order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="ig-chaos-") as folder:
        port = free_port()
        var = Path(folder) / "var"
        command = [sys.executable, "manage.py", "up", "--no-demo", "--port", str(port), "--var", str(var)]
        with (Path(folder) / "up.log").open("w+", encoding="utf-8") as log:
            up = subprocess.Popen(command, cwd=harness.ROOT, stdout=log, stderr=log, start_new_session=True)
            try:
                url = f"http://127.0.0.1:{port}"
                _await(url, up, log)
                found = asyncio.run(_run(_made(var, url), psutil.Process(up.pid), given.minutes * 60, chance))
            finally:
                up.send_signal(signal.SIGINT)
                up.wait(60)
    print(json.dumps({"name": "chaos", "seed": given.seed, **found}))
    return 1 if found["lost"] or found["doubled"] or found["disordered"] or found["never_stood"] else 0


def _await(url: str, up: "subprocess.Popen[bytes]", log: Any) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        if up.poll() is not None:
            break
        time.sleep(0.5)
    log.seek(0)
    raise RuntimeError(f"the product does not start: {log.read()[-2000:]}")


if __name__ == "__main__":
    raise SystemExit(main())
