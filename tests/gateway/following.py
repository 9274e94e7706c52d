"""Documents and steps of tests that follow live updates."""

import time
from typing import Any

from tests.conftest import TenantKit
from tests.gateway.clients import Socket

CHANGES = """subscription ($tenant: ID!, $kinds: [String!], $since: String) { changes(tenantId: $tenant, kinds: $kinds, since: $since) {
  eventId publishedAt refKind id op kind version entity { name properties eventId publishedAt } edge { source target } } }"""

ASSET = "subscription ($tenant: ID!, $id: ID!) { assetUpdated(tenantId: $tenant, id: $id) { id name version eventId publishedAt } }"


def follow(client: Socket, kit: TenantKit, **variables: Any) -> str:
    """Subscribe to changes and wait until the subscription stands."""
    id_ = client.subscribe(CHANGES, tenant=kit.info.slug, **variables)
    stands(client)
    return id_


def stands(client: Socket) -> None:
    """Give a subscription that was just sent time to join its feed."""
    client.settle()
    time.sleep(0.4)


def take(client: Socket, id_: str, count: int) -> list[dict[str, Any]]:
    """Return the next changes of an operation."""
    return [client.next(id_)["changes"] for _ in range(count)]
