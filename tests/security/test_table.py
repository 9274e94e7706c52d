"""The table of doors against the running code and against the policy pack."""

from collections.abc import Iterator

import pytest

from apps.identity.types import SCOPE_ROLES
from intelgraph import asgi
from tests.policy.test_actions import OPEN as UNGUARDED
from tests.policy.test_actions import may
from tests.security import staff_table, surface
from tests.security.callers import KEYS, ROLES, STAFF
from tests.security.table import GRAPHQL, OPEN, OWN, PORTAL, PROCESS, REST, Row

TABLE = {**PORTAL, **REST, **GRAPHQL}
FOUND = {**surface.addresses(), **surface.fields()}
STAFF_ROWS = staff_table.rows()


def test_the_walk_finds_the_product() -> None:
    assert len(FOUND) > 100 and len(surface.staff_pages()) > 130


def test_every_door_has_a_row_and_every_row_a_door() -> None:
    assert set(FOUND) - set(TABLE) == set(), "doors without a row: say in the table who may use them"
    assert set(TABLE) - set(FOUND) == set(), "rows without a door"
    assert set(asgi.HTTP_DOORS) == PROCESS


def test_every_page_of_the_admin_has_a_row_and_every_row_a_page() -> None:
    pages = surface.staff_pages()
    assert set(pages) - set(STAFF_ROWS) == set(), "pages without a row: say in the table who may use them"
    assert set(STAFF_ROWS) - set(pages) == set(), "rows without a page"


@pytest.mark.parametrize("door", TABLE)
def test_a_door_asks_for_what_its_row_says(door: str) -> None:
    asks = TABLE[door].asks
    assert FOUND[door] == ("" if asks in {OPEN, OWN} else asks)


def test_a_page_of_the_admin_asks_for_what_its_row_says() -> None:
    assert {door: action for door, (action, _) in STAFF_ROWS.items()} == surface.staff_pages()


def _asking() -> Iterator[tuple[str, Row]]:
    for door, row in TABLE.items():
        if row.asks not in {OPEN, OWN} and row.asks not in UNGUARDED:
            yield door, row


def _key_may(scope: str, action: str) -> bool:
    """A key may what both its scope and the roles that it acts with may."""
    return may("scopes", scope, action) and any(may("roles", role, action) for role in SCOPE_ROLES[scope])


@pytest.mark.parametrize(("door", "row"), _asking(), ids=[door for door, _ in _asking()])
def test_the_pack_grants_what_the_table_says(door: str, row: Row) -> None:
    roles = {name for name in ROLES if may("roles", name, row.asks)}
    keys = {name for name in KEYS if _key_may(name.removeprefix("key "), row.asks)}
    assert roles | keys == row.may
    assert not any(may("platform_roles", name.removeprefix("staff "), row.asks) for name in STAFF)


def test_the_pack_grants_staff_what_the_table_says() -> None:
    for door, (action, who) in STAFF_ROWS.items():
        if not action or door.rpartition(" ")[2] in staff_table.CLOSED:
            continue
        granted = {name for name in STAFF if may("platform_roles", name.removeprefix("staff "), action)}
        assert granted == who, door
        assert not any(may("roles", name, action) for name in ROLES), door
