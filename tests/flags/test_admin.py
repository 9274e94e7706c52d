"""Flags in the admin: each act asks, does one thing and is on record; who may not is refused, and nothing changes."""

from typing import Any

import pytest
from django.http import HttpResponse

from apps.core.scope import system_scope
from apps.flags import selectors, services
from apps.flags.types import State
from tests.admin.staff import Staff, session_of, staff, text_of, words_of
from tests.conftest import TenantKit
from tests.flags.documents import document
from tests.flags.test_registry import CTX, make, row_of, told

REASON = "Ticket 12"


@pytest.fixture
def operator() -> Staff:
    return staff("operator")


def address(verb: str, key: str = "") -> str:
    return f"/admin/flags/flag/do/{verb}/{f'?id={row_of(key).pk}' if key else ''}"


def do(person: Staff, verb: str, key: str = "", **answers: Any) -> HttpResponse:
    return person.post(address(verb, key), {"reason": REASON, **answers})


def whole(key: str, **changes: Any) -> dict[str, Any]:
    """Return what the form of a change holds at first, with changes."""
    held = selectors.document_of(row_of(key))
    return {
        "owner": held["owner"],
        "expires": held["expires"],
        "risk": held["risk"],
        "about": held["about"],
        "default": held["default"],
        "off": held["off"],
        "remote": "on",
        "rules": "",
        "version": row_of(key).version,
        **changes,
    }


def test_a_flag_is_made_by_its_verb(operator: Staff) -> None:
    wanted = document()
    assert "Make a flag" in words_of(operator.get(address("create")))
    answer = operator.post(
        address("create"),
        {
            **{name: wanted[name] for name in ("key", "owner", "scope", "expires", "risk")},
            "type": "string",
            "variants": "calm: '#0a7'\nloud: '#f40'\n",
            "default": "calm",
            "off": "calm",
            "rules": "- when: {tenants: [alpha]}\n  serve: loud\n",
            "killswitch": "on",
            "reason": REASON,
        },
    )
    assert answer.status_code == 302, text_of(answer)
    made = selectors.document_of(row_of(wanted["key"]))
    assert (made["variants"], made["default"], made["remote"]) == ({"calm": "#0a7", "loud": "#f40"}, "calm", False)
    assert made["rules"] == [{"when": {"tenants": ["alpha"]}, "serve": "loud"}]
    assert [one["reason"] for one in told(wanted["key"])] == [REASON]


def test_it_is_changed_by_those_who_saw_its_newest_version(operator: Staff, tenant: TenantKit) -> None:
    key = make()
    assert 'name="version" value="1"' in text_of(operator.get(address("change", key)))
    changed = do(operator, "change", key, **whole(key, default="on"))
    assert changed.status_code == 302, text_of(changed)
    assert selectors.is_on(tenant.ctx, key) is True
    late = do(operator, "change", key, **whole(key, version=1, default="off"))
    assert late.status_code == 409
    assert "changed meanwhile" in words_of(late)
    assert selectors.is_on(tenant.ctx, key) is True


@pytest.mark.parametrize(
    "wrong", [{"rules": "- {serve: maybe}"}, {"rules": "["}, {"expires": "soon"}, {"default": "x"}]
)
def test_what_makes_no_flag_is_refused(operator: Staff, wrong: dict[str, str]) -> None:
    key = make()
    answer = do(operator, "change", key, **whole(key, **wrong))
    assert answer.status_code in {409, 422}
    assert (row_of(key).version, row_of(key).own["key"]) == (1, key)


def test_it_is_set_for_a_tenant(operator: Staff, tenant: TenantKit, outsider: TenantKit) -> None:
    key = make()
    assert do(operator, "target", key, tenant=tenant.info.slug, variant="on", version=1).status_code == 302
    assert [selectors.is_on(one.ctx, key) for one in (tenant, outsider)] == [True, False]
    page = words_of(operator.get(f"/admin/flags/flag/{row_of(key).pk}/change/"))
    assert tenant.info.slug in page
    nobody = do(operator, "target", key, tenant="no-such-tenant", variant="on", version=2)
    assert (nobody.status_code, "no tenant" in words_of(nobody)) == (409, True)


def test_a_kill_names_its_consequence_asks_why_and_is_undone(operator: Staff, tenant: TenantKit) -> None:
    key = make(default="on")
    page = words_of(operator.get(address("kill", key)))
    assert "within a second" in page
    assert operator.post(address("kill", key), {}).status_code == 422
    assert row_of(key).state == State.LIVE
    assert do(operator, "kill", key).status_code == 302
    assert selectors.is_on(tenant.ctx, key) is False
    assert told(key)[0]["reason"] == REASON
    again = do(operator, "kill", key)
    assert "it is killed" in words_of(again)
    assert do(operator, "restore", key).status_code == 302
    assert selectors.is_on(tenant.ctx, key) is True


def test_history_shows_before_and_after(operator: Staff) -> None:
    key = make()
    do(operator, "change", key, **whole(key, about="A new checkout"))
    page = words_of(operator.get(f"/admin/flags/flag/{row_of(key).pk}/history/"))
    for part in ("Flag changed", "Flag made", "A new checkout", REASON, "about"):
        assert part in page, part


def test_it_is_tried_without_a_trace_of_use(operator: Staff, tenant: TenantKit) -> None:
    key = make(rules=[{"when": {"tenants": [tenant.info.slug], "attributes": {"plan": "pro"}}, "serve": "on"}])
    fits = operator.post(address("try", key), {"tenant": tenant.info.slug, "attributes": "plan: pro"})
    assert "on = True (TARGETING_MATCH)" in words_of(operator.get(fits["Location"]))
    misses = operator.post(address("try", key), {"tenant": tenant.info.slug})
    assert "off = False (DEFAULT)" in words_of(operator.get(misses["Location"]))
    with system_scope("flags.registry"):
        assert selectors.use_by_tenant(key) == []


def test_the_list_is_searched_and_filtered(operator: Staff) -> None:
    services.declare(CTX)
    key = make(risk="high", owner="hidden-team")
    assert key in words_of(operator.get("/admin/flags/flag/?q=hidden-team"))
    assert key not in words_of(operator.get("/admin/flags/flag/?risk=medium"))
    expired = words_of(operator.get("/admin/flags/flag/?date=past"))
    assert "subs.optimizedBuffer" in expired
    assert "expired 2026-03-31" in expired
    assert key not in expired


@pytest.mark.parametrize("role", ["sre", "security", "support", "finops"])
def test_other_staff_may_do_none_of_it(role: str) -> None:
    key, person = make(default="on"), staff(role)
    row = row_of(key)
    for page in ("/admin/flags/flag/", f"/admin/flags/flag/{row.pk}/change/", f"/admin/flags/flag/{row.pk}/history/"):
        assert person.get(page).status_code == 403
    for verb in ("create", "change", "target", "try", "kill", "restore", "archive"):
        refused = do(person, verb, "" if verb == "create" else key, **whole(key))
        assert refused.status_code == 403, verb
    assert (row_of(key).version, row_of(key).state, len(told(key))) == (1, State.LIVE, 1)


def test_a_change_needs_a_fresh_second_factor_and_a_kill_does_not(tenant: TenantKit) -> None:
    key = make(default="on")
    stale = staff("operator")
    stale.client = session_of(stale.user, second_factor=True, fresh=False)
    changed = do(stale, "change", key, **whole(key, default="off"))
    assert changed.status_code in {302, 401, 403}
    assert row_of(key).version == 1
    assert do(stale, "kill", key).status_code == 302
    assert row_of(key).state == State.KILLED
