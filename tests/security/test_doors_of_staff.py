"""Every page and every verb of the admin, tried by everyone.

Platform roles see what the table names for them; members of tenants, keys and nobody are let in nowhere. Whoever is
refused changes nothing, neither by opening a page nor by sending its form.
"""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.utils import quote
from django.urls import reverse

from apps.core.scope import no_scope
from tests.admin.test_pages import some_row
from tests.security.callers import EVERYONE, STAFF, Caller, Ground
from tests.security.prints import differing, fingerprint
from tests.security.staff_table import SITE, rows

ROWS = rows()
NONE_THERE = "admin /admin/(?P<url>.*)$"
OF_THE_SITE = {
    "admin index": "/admin/",
    "admin search": "/admin/search/?q=nothing",
    "admin app_list": "/admin/ledger/",
    NONE_THERE: "/admin/nothing-here/",
}
FORM = {
    "reason": "because", "typed_name": "x", "slug": "taken", "name": "Taken", "tenant": "x", "email": "x@y.example",
    "roles": ["owner"], "minutes": "30", "overlap_days": "1", "plan": "pro", "password": "correct horse battery staple",
}  # fmt: skip
"""Something for every form: whoever is refused must not come so far that it is read."""


def address(ground: Ground, door: str) -> str:
    """Return the address of a page, about a row of the tenant's where it is about one."""
    if door in SITE:
        return OF_THE_SITE[door]
    _, label, view, *verb = door.split(" ")
    model = apps.get_model(label)
    name = f"admin:{label.replace('.', '_')}_{view}"
    if view in {"changelist", "add"}:
        return reverse(name)
    key = quote(some_row(ground.world, model).pk)
    return f"{reverse(name, args=verb)}?id={key}" if verb else reverse(name, args=[key])


def refused(caller: Caller, door: str, answer: Any) -> bool:
    """Whether an answer keeps a caller out. Pages without a form answer 405 to one; an app of which somebody may see
    nothing is not there for them; members of tenants are not told that anything is."""
    if caller.name in STAFF:
        return answer.status_code in ({404} if door == "admin app_list" else {403, 405})
    if answer.status_code == 302:
        return caller.user is None and answer["Location"].startswith("/login/")
    return answer.status_code == 404


def let_in(door: str, answer: Any) -> bool:
    """Whether an answer shows a page. The site's last address tells those who are in that there is none."""
    if door == NONE_THERE:
        return answer.status_code == 404
    return answer.status_code == 200


def test_the_table_of_the_site_is_whole() -> None:
    assert set(SITE) == set(OF_THE_SITE)


@pytest.mark.parametrize("door", ROWS)
def test_staff_see_what_they_may_and_nobody_else_anything(ground: Ground, door: str) -> None:
    where, named = address(ground, door), ROWS[door][1]
    before = fingerprint(ground.tenants)
    for name in EVERYONE:
        caller = ground.callers[name]
        client = caller.client()
        headers = caller.headers("") if caller.token else {}
        with no_scope():
            answer = client.get(where, headers=headers)
            if name in named:
                assert let_in(door, answer), (door, name, answer.status_code)
                continue
            assert answer.status_code != 405
            assert refused(caller, door, answer), (door, name, answer.status_code)
            answer = client.post(where, FORM, headers=headers)
        assert refused(caller, door, answer), (door, name, answer.status_code)
    assert differing(before, fingerprint(ground.tenants)) == [], f"a refusal of {door} changed something"
