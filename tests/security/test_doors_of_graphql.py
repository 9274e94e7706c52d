"""Every root field of GraphQL, over HTTP and over the websocket, tried by everyone in the table."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.clients import Closed, socket
from tests.gateway.live_server import LiveServer, running
from tests.security.callers import EVERYONE, MARK, OTHERS, Caller, Ground
from tests.security.prints import differing, fingerprint
from tests.security.table import GRAPHQL
from tests.security.targets import Target

Send = Callable[[LiveServer, Caller, Target, str, bool], dict[str, Any]]
REFUSALS = frozenset({"UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"})
CLOSING = frozenset({4401, 4403})
QUIET_S = 0.2
"""How long a subscription that was let in is listened to for a refusal that comes late."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The web process alone: the relay would bring projections up to date while what stands is compared."""
    with running(tmp_path_factory.mktemp("live")) as server:
        server.relay.end()
        yield server


def over_http(live: LiveServer, caller: Caller, target: Target, slug: str, named: bool) -> dict[str, Any]:
    """Return what came of an operation."""
    headers = caller.headers(slug, live.url)
    body = {"query": target.query, "variables": target.variables}
    answer = httpx.post(f"{live.url}/graphql", json=body, headers=headers, cookies=caller.cookies, timeout=30)
    found: dict[str, Any] = answer.json()
    assert answer.status_code in {200, 401, 403, 404}, answer.text
    return found


def over_socket(live: LiveServer, caller: Caller, target: Target, slug: str, named: bool) -> dict[str, Any]:
    """Return what came of an operation: for a subscription of somebody who is `named` that nothing speaks against it."""
    headers = caller.headers(slug, live.url)
    if caller.cookies:
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in caller.cookies.items())
    with socket(live.ws_url, **headers) as client:
        try:
            client.init()
            id_ = client.subscribe(target.query, **target.variables)
            if named and target.query.startswith("subscription"):
                client.next(client.subscribe("{ __typename }"))
                while not client.quiet(QUIET_S):
                    continue
                told = [one for one in client.kept if one.get("id") == id_]
                wrong = [one for one in told if one["type"] == "error" or "errors" in one["payload"]]
                return {"data": {"stands": True}, "errors": wrong}
            message = client.receive()
        except Closed as closed:
            assert closed.code in CLOSING, closed
            return {"errors": [{"extensions": {"code": "UNAUTHENTICATED"}}]}
    assert message["id"] == id_, message
    found: dict[str, Any] = message["payload"] if message["type"] == "next" else {"errors": message["payload"]}
    return found


WAYS = [
    *((door, over_http) for door in GRAPHQL if "Subscription" not in door),
    *((door, over_socket) for door in GRAPHQL),
]


def check_refused(door: str, caller: Caller, found: dict[str, Any]) -> None:
    """Hold an outcome to be a refusal that says nothing of the tenant."""
    codes = {one["extensions"]["code"] for one in found.get("errors") or ()}
    assert codes and codes <= REFUSALS, (door, caller.name, found)
    assert not any((found.get("data") or {}).values()) and MARK not in str(found), (door, caller.name, found)


@pytest.mark.parametrize(("door", "send"), WAYS)
def test_who_is_named_gets_in_and_nobody_else_changes_anything(
    live: LiveServer, ground: Ground, door: str, send: Send
) -> None:
    row, slug = GRAPHQL[door], ground.kit.info.slug
    target = row.make(ground, ground.callers["owner"])
    before = fingerprint(ground.tenants)
    for name in EVERYONE:
        if name not in row.may:
            check_refused(door, ground.callers[name], send(live, ground.callers[name], target, slug, False))
    stands = fingerprint(ground.tenants)
    assert differing(before, stands) == [], f"a refusal of {door} changed something"
    for name in EVERYONE:
        if name not in row.may:
            continue
        if row.changes and name != "owner":
            target = row.make(ground, ground.callers[name])
            stands = fingerprint(ground.tenants)
        found = send(live, ground.callers[name], target, slug, True)
        assert not found.get("errors") and found["data"], (door, name, found)
        if row.changes:
            assert differing(stands, fingerprint(ground.tenants)), f"{door} did nothing for {name}"


@pytest.mark.parametrize(("door", "send"), WAYS)
def test_from_another_tenant_nothing_is_reached_by_its_id(
    live: LiveServer, ground: Ground, door: str, send: Send
) -> None:
    target = GRAPHQL[door].make(ground, ground.callers["owner"])
    before = fingerprint([ground.kit.info.id], platform=False)
    for name in OTHERS:
        found = send(live, ground.callers[name], target, ground.other.info.slug, False)
        assert MARK not in str(found), (door, name, found)
        if "Subscription" in door:
            assert found["errors"], (door, name, found)
    assert differing(before, fingerprint([ground.kit.info.id], platform=False)) == [], door
