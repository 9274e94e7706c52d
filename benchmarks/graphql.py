"""What a GraphQL request costs the server: `python -m benchmarks.graphql --json`.

Our web process with all five stages on, a plain graphene-django view under gunicorn and (where node and npm are) Apollo
Server, in turn on the same PostgreSQL, with the same client. Two documents: one entity with three fields, and a list of
a hundred. Figures are microseconds of the server process's CPU per request (`*_us`), medians over the rounds; ratios are
the peer's divided by ours.
"""

import asyncio
import os
import statistics
import sys
import time
from typing import Any

import orjson
import psycopg

from benchmarks import harness
from benchmarks.servers import Server, cpu_s, free_port, node_home, running
from intelgraph.embedded.specs import WEB_OPTIONS

ROWS = 20_000
CONNECTIONS = 16
ROUNDS = 5
REQUESTS = {"one": 3_200, "hundred": 1_600}
TABLE = """
create table bench_asset (id text primary key, tenant_id text, name text, kind text, description text);
insert into bench_asset select n::text, 'alpha', 'Asset ' || n, 'Asset', 'word ' || n from generate_series(1, %s) n;
create index on bench_asset (tenant_id, id);
analyze bench_asset
"""


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """Return the body of an answer, sent whole or in chunks."""
    if b"transfer-encoding: chunked" not in head:
        return await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    parts: list[bytes] = []
    while size := int(await reader.readline(), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(parts)


async def _ask(server: Server, body: bytes, count: int, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = (
        f"POST {server.path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\n{server.headers}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        answer = await _body(reader, head.lower())
        if not head.startswith(b"HTTP/1.1 200") or b'"errors"' in answer:
            raise RuntimeError(f"{server.name} answered {head[:60]!r} {answer[:300]!r}")
        taken.append(time.perf_counter() - began)
    writer.close()


async def _load(server: Server, body: bytes, count: int) -> list[float]:
    taken: list[float] = []
    await asyncio.gather(*(_ask(server, body, count // CONNECTIONS, taken) for _ in range(CONNECTIONS)))
    return taken


def _measure(server: Server, found: dict[str, dict[str, list[float]]]) -> None:
    """Run one round of each document against a fresh start of the server."""
    with running(server) as process:
        for name, body in server.bodies.items():
            asyncio.run(_load(server, body, 20 * CONNECTIONS))  # warm
            before = cpu_s(process)
            taken = asyncio.run(_load(server, body, REQUESTS[name]))
            each = found.setdefault(name, {})
            each.setdefault("us", []).append((cpu_s(process) - before) / len(taken) * 1e6)
            each.setdefault("p95_ms", []).append(sorted(taken)[int(len(taken) * 0.95)] * 1e3)


def _ours() -> Server:
    """Make a tenant with its entities and a key; return our web process."""
    import django

    django.setup()
    from apps.core.context import service_context
    from apps.core.scope import tenant_scope
    from apps.graph import selectors
    from apps.graph import services as graph
    from apps.graph.types import EntityInput
    from apps.identity import services as identity
    from apps.quotas.models import Override
    from apps.tenants import services as tenancy

    ctx = service_context("benchmark")
    info = tenancy.create_tenant(ctx, slug="bench", name="Benchmark", home_region="eu-west-1")
    inside = ctx.but(tenant_id=info.id, tenant_slug=info.slug, region="eu-west-1")
    with tenant_scope(info.id):
        for start in range(0, ROWS, 5_000):
            graph.upsert_entities(
                inside,
                inputs=[
                    EntityInput("Asset", str(n), name=f"Asset {n}", properties={"description": f"word {n}"})
                    for n in range(start, start + 5_000)
                ],
            )
        # The stage stays on; its limit is lifted, since refusals are cheaper than answers.
        Override.objects.create(
            measure="api", rate_per_s=1e6, burst=10**8, reason="benchmark", created_by="service:benchmark"
        )
        token = identity.create_api_key(inside, name="benchmark", scope="reader").token
        entity = selectors.entity_by_key(inside, "Asset", "7")
    if entity is None:
        raise RuntimeError("the entity was not made")
    one = {"query": "query One($id: ID!) { asset(id: $id) { id name kind } }", "variables": {"id": str(entity.id)}}
    hundred = {"query": "query Hundred { entities(first: 100) { nodes { id name kind } } }"}
    port = free_port()
    return Server(
        "intelgraph",
        [sys.executable, "-m", "uvicorn", *WEB_OPTIONS, "--port", str(port)],
        {"one": orjson.dumps(one), "hundred": orjson.dumps(hundred)},
        headers=f"Authorization: Bearer {token}\r\nX-Ig-Purpose: investigation\r\n",
        environment={"IG_LOG_LEVEL": "INFO"},
        port=port,
    )  # fmt: skip


def _bodies() -> dict[str, bytes]:
    one = {"query": "query One($id: ID!) { asset(id: $id) { id name kind } }", "variables": {"id": "5"}}
    return {"one": orjson.dumps(one), "hundred": orjson.dumps({"query": "{ assets(first: 100) { id name kind } }"})}


def _graphene(dsn: str) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-w", "1", "-k", "gthread", "--threads", "4", "--keep-alive", "60"]
    command += ["-b", f"127.0.0.1:{port}", "benchmarks.peers.graphene_view:application"]
    return Server(
        "graphene", command, _bodies(), environment={"PEER_DSN": dsn, "DJANGO_SETTINGS_MODULE": ""}, port=port
    )


def _apollo(dsn: str) -> Server | None:
    """Return Apollo Server, installed beside our other tools; None where it cannot be."""
    home = node_home()
    if home is None:
        return None
    port = free_port()
    environment = {"PEER_DSN": dsn, "PEER_PORT": str(port), "NODE_ENV": "production"}
    return Server("apollo", ["node", "apollo.mjs"], _bodies(), "/", environment=environment, cwd=home, port=port)


def main() -> int:
    """Measure and print. Exits 1 only when it could not measure."""
    load = harness.foreign_load()
    with harness.services():
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
            for statement in TABLE.split(";"):
                owner.execute(statement.replace("%s", str(ROWS)))  # type: ignore[arg-type]  # our own text
            dsn = " ".join(
                f"{word}={value}"
                for word, value in psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_OWNER_URL"]).items()
            )
        servers = [_ours(), _graphene(dsn)]
        apollo = _apollo(dsn)
        if apollo is not None:
            servers.append(apollo)
        found: dict[str, dict[str, dict[str, list[float]]]] = {server.name: {} for server in servers}
        for _ in range(ROUNDS):
            for server in servers:
                _measure(server, found[server.name])
    middle = {
        name: {
            f"{query}_{unit}": statistics.median(values) for query, by in each.items() for unit, values in by.items()
        }
        for name, each in found.items()
    }
    mine = middle.pop("intelgraph")
    ratios = {
        f"cpu_{query}_vs_{peer}": each[f"{query}_us"] / mine[f"{query}_us"]
        for peer, each in middle.items()
        for query in REQUESTS
    }
    peers: dict[str, Any] = {
        name: {key: round(value, 1) for key, value in each.items()} for name, each in middle.items()
    }
    harness.report("graphql", mine, ratios, peers, load)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
