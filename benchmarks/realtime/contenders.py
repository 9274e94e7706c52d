"""Who is measured: our web process and the seed's designs, what their subscribers ask for, and what makes them push."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load import HELLO, Target
from benchmarks.servers import Server, free_port
from intelgraph.embedded.specs import WEB_OPTIONS

ASSET = "018f3c5e-7b1a-7c3d-9a7f-5b1e4c3d9a7f"
SPREAD = "018f3c5e-7b1a-7c3d-9a7f-5b1e########"  # the load client puts a number there
SOURCE = "a description of about the length that the source of an asset has"
FIELDS = "id name kind externalId region source licence"
ONE_ASSET = f"subscription ($t: ID!, $id: ID!) {{ assetUpdated(tenantId: $t, id: $id) {{ {FIELDS} }} }}"


@dataclass(frozen=True)
class Contender:
    """A server, what its subscribers ask for, and the events that make it push.

    `event` makes the message of the number-th event: a mark in the asset's name, about which asset. `channel` is where
    messages about an asset are published.
    """

    server: Server
    target: Target
    channel: Callable[[str], str]
    event: Callable[[int, str, str], bytes]

    def asking_for(self, asset: str) -> "Contender":
        """Return it with subscribers of another asset."""
        asked = self.target.subscribe
        subscribe = {**asked, "variables": {**asked["variables"], "id": asset}}
        return replace(self, target=replace(self.target, subscribe=subscribe))


def numbered(number: int) -> str:
    """Return the id of one of the assets that `SPREAD` stands for."""
    return SPREAD.replace("########", f"{number:08d}")


def _asset(mark: str, id_: str) -> dict[str, Any]:
    """Return the fields that clients select, a mark in the name."""
    return {
        "id": id_,
        "name": mark,
        "kind": "Asset",
        "externalId": "host-0007",
        "region": "eu-west-1",
        "source": SOURCE,
        "licence": "internal-use",
    }


@dataclass(frozen=True)
class Party:
    """A tenant: in whose name is written there, and a reader's key."""

    ctx: Any
    token: str

    def write(self, names: Sequence[str], first: str = "e") -> int:
        """Upsert one entity for each name in one transaction; return when it was committed (ns since 1970). What has its
        name already is not changed."""
        from apps.core.scope import tenant_scope
        from apps.graph import services as graph
        from apps.graph.types import EntityInput

        with tenant_scope(self.ctx.tenant_id):
            graph.upsert_entities(
                self.ctx,
                inputs=[EntityInput("Asset", f"{first}{place}", name=name) for place, name in enumerate(names)],
            )
        return time.time_ns()

    def greet(self) -> None:
        """Write what tells subscribers that they stand."""
        self.write([HELLO], f"h{time.time_ns()}-")


def make_party(slug: str, deliveries_per_s: float = 1e6) -> Party:
    """Make a tenant and a reader's key; so many changes a second are handed on to its subscribers."""
    from apps.core.context import service_context
    from apps.core.scope import tenant_scope
    from apps.identity import services as identity
    from apps.quotas.models import Override
    from apps.tenants import services as tenancy

    ctx = service_context("benchmark")
    info = tenancy.create_tenant(ctx, slug=slug, name=slug, home_region="eu-west-1")
    inside = ctx.but(tenant_id=info.id, tenant_slug=info.slug, region="eu-west-1")
    with tenant_scope(info.id):
        # The stages stay on; other limits are lifted, since thousands subscribe at once to more than a small plan has.
        for measure, rate in (("api", 1e6), ("deliveries", deliveries_per_s)):
            Override.objects.create(
                measure=measure, rate_per_s=rate, burst=int(rate), reason="benchmark", created_by="service:benchmark"
            )
        return Party(inside, identity.create_api_key(inside, name="benchmark", scope="reader").token)


def web() -> Server:
    """Return our web process, on a port of its own."""
    port = free_port()
    return Server(
        "intelgraph",
        [sys.executable, "-m", "uvicorn", *WEB_OPTIONS, "--port", str(port)],
        environment={"IG_LOG_LEVEL": "INFO"},
        port=port,
    )


def target(server: Server, party: Party, query: str, **variables: str) -> Target:
    """Return what subscribers of ours say, with the key."""
    headers = (f"Authorization: Bearer {party.token}", "X-Ig-Purpose: investigation")
    subscribe = {"query": query, "variables": {"t": str(party.ctx.tenant_id), **variables}}
    return Target(server.port, "/graphql/ws", subscribe, headers)


def ours(party: Party) -> Contender:
    """Return our web process; its events are the messages that the relay publishes, one per change."""
    from apps.core.clock import iso
    from apps.gateway.realtime.wire import Change, Cursor, Stretch, encode, topic
    from apps.ledger import selectors as ledger

    head = ledger.head(party.ctx.tenant_id)
    first = (head.number if head else 0) + 1

    def event(number: int, mark: str, asset: str) -> bytes:
        at = iso(datetime.now(UTC))
        document = {
            **_asset(mark, asset),
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
        change = Change(place, 0, f"{place}.0", "entity", asset, "updated", number + 1, "Asset", at, document, tags)
        # From the ledger's head on: what was published before the feed listened is no gap to be filled from PostgreSQL.
        return encode(Stretch(Cursor(first - 1), Cursor(place), (change,)))

    server, name = web(), topic(party.ctx.tenant_id)
    return Contender(server, target(server, party, ONE_ASSET, id=ASSET), lambda _: name, event)


def peer(design: str, home: Path) -> Contender:
    """Return the seed's design as it stands (`literal`) or repaired (`shared`)."""
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

    def event(number: int, mark: str, asset: str) -> bytes:
        return json.dumps({"tenantId": "alpha", **_asset(mark, asset)}, separators=(",", ":")).encode()

    return Contender(server, Target(port, "/graphql", subscribe), lambda asset: f"asset:alpha:{asset}", event)
