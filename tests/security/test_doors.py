"""Every page of the portal and every operation of REST, tried by everyone in the table.

Whoever is not named in a door's row is refused, reads nothing of the tenant and changes nothing; whoever is named gets
in with the very same request, which then does what it is for.
"""

import re
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse

from apps.core.ids import new_id
from apps.core.scope import no_scope
from tests.security.callers import EVERYONE, KEYS, MARK, OTHERS, Caller, Ground
from tests.security.prints import differing, fingerprint
from tests.security.table import OPEN, OWN, PORTAL, REST, Row
from tests.security.targets import Target

TABLE = {**PORTAL, **REST}
REFUSED = frozenset({401, 403, 404})
SIGN_IN = "/login/"
MADE_UP = {"int": "1", "uuid": str(new_id())}
OWN_TENANT = {door: row for door, row in TABLE.items() if row.asks not in {OPEN, OWN}}


def address(route: str, slug: str, parts: dict[str, str]) -> str:
    """Fill in a route: the tenant's slug, parts of the target, for what is left words that name nothing."""

    def value(match: re.Match[str]) -> str:
        kind, _, name = match[1].rpartition(":")
        return slug if name == "slug" else parts.get(name) or MADE_UP.get(kind, "nothing")

    return re.sub(r"<([^>]+)>", value, route)


def send(caller: Caller, door: str, target: Target, slug: str) -> Any:
    """Send the request of a door as this caller, to the tenant of that slug."""
    kind, method, route = door.split(" ", 2)
    path, client = address(route, slug, target.parts), caller.client()
    with no_scope():  # the server's side knows nothing of the test's tenant
        if kind == "rest":
            headers = caller.headers(slug)
            if method in {"GET", "ANY"}:
                return client.get(path, target.data or {}, headers=headers)
            content_type = target.content_type or "application/json"
            return client.generic(method, path, *_body(client, target, content_type), headers=headers)
        if "/webauthn/" in route:
            ours = {"origin": settings.OTP_WEBAUTHN_ALLOWED_ORIGINS[0]}
            return client.post(path, "{}", content_type="application/json", headers=ours)
        headers = caller.headers("") if caller.token else {}
        if method == "GET":
            return client.get(path, headers=headers)
        for said in (target.data or {}).values():
            if hasattr(said, "seek"):
                said.seek(0)  # a file that was sent before
        return client.post(path, target.data or {}, headers=headers)


def _body(client: Any, target: Target, content_type: str) -> tuple[Any, str]:
    data = target.data if target.data is not None else b""
    return (client._encode_json(data, content_type) if isinstance(data, dict) else data), content_type


def to_sign_in(answer: HttpResponse) -> bool:
    """Whether an answer leads to signing in, or to giving a second factor."""
    return answer.status_code == 302 and answer["Location"].startswith(SIGN_IN)


def let_in(door: str, row: Row) -> frozenset[str]:
    """Return who is let in at a door. A key is no ticket to a page."""
    return row.may - set(KEYS) if door.startswith("page ") and row.asks != OPEN else row.may


def check_refused(caller: Caller, door: str, answer: Any) -> None:
    """Hold an answer to be a refusal that says nothing of the tenant."""
    told = (door, caller.name, answer.status_code, answer.headers.get("Location", ""))
    assert to_sign_in(answer) or answer.status_code in REFUSED, told
    assert MARK.encode() not in answer.content, told


def check_let_in(caller: Caller, door: str, row: Row, answer: Any) -> None:
    """Hold an answer to be one of those that mean: come in."""
    told = (door, caller.name, answer.status_code, answer.headers.get("Location", ""))
    assert answer.status_code in row.ok, told
    assert row.asks == OPEN or not to_sign_in(answer), told
    answer.close()


@pytest.mark.parametrize("door", TABLE)
def test_who_is_named_gets_in_and_nobody_else_changes_anything(ground: Ground, door: str) -> None:
    row, slug = TABLE[door], ground.kit.info.slug
    named = let_in(door, row)
    target = row.make(ground, ground.callers["owner"])
    before = fingerprint(ground.tenants)
    for name in EVERYONE:
        if name not in named:
            check_refused(ground.callers[name], door, send(ground.callers[name], door, target, slug))
    stands = fingerprint(ground.tenants)
    assert differing(before, stands) == [], f"a refusal of {door} changed something"
    for name in EVERYONE:
        if name not in named:
            continue
        caller = ground.callers[name]
        if name != "owner":
            target = row.make(ground, caller)
            stands = fingerprint(ground.tenants) if row.changes else {}
        check_let_in(caller, door, row, send(caller, door, target, slug))
        if row.changes:
            assert differing(stands, fingerprint(ground.tenants)), f"{door} did nothing for {name}"
        if row.asks in {OPEN, OWN}:
            caller.sign_in()  # such doors may end sessions


@pytest.mark.parametrize("door", OWN_TENANT)
def test_from_another_tenant_nothing_is_reached_by_its_id(ground: Ground, door: str) -> None:
    """In their own tenant others may do much; ids of this tenant name nothing there."""
    target = OWN_TENANT[door].make(ground, ground.callers["owner"])
    before = fingerprint([ground.kit.info.id], platform=False)
    for name in OTHERS:
        answer = send(ground.callers[name], door, target, ground.other.info.slug)
        assert answer.status_code < 500, (door, name, answer.status_code)
        if not answer.streaming:
            assert MARK.encode() not in answer.content, (door, name)
        answer.close()
    assert differing(before, fingerprint([ground.kit.info.id], platform=False)) == [], door
