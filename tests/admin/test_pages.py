"""Every list and every detail page opens, as each platform role within its permissions, with a pinned number of queries."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse

from apps.core.scope import no_scope, system_scope
from tests.admin.conftest import World
from tests.admin.staff import Staff, staff, statements, text_of, words_of

ENTRY = 4
"""Session, device, account, and where the caller acts: what a request costs beside its page."""

QUERIES: dict[str, tuple[int, int]] = {
    "admin.logentry": (1, 1),
    "bus.cursor": (2, 2),
    "bus.parked": (2, 3),
    "connectors.ingestjob": (3, 5),
    "connectors.ingestmapping": (2, 2),
    "flags.flag": (2, 3),
    "graph.edge": (2, 3),
    "graph.entity": (2, 5),
    "identity.acting": (2, 2),
    "identity.apikey": (3, 3),
    "identity.membership": (2, 2),
    "identity.user": (1, 3),
    "ledger.head": (3, 7),
    "ledger.record": (4, 3),
    "ledger.sequencer": (4, 4),
    "policy.decisionentry": (3, 3),
    "policy.fence": (2, 2),
    "policy.signalentry": (2, 2),
    "portal.proposal": (3, 3),
    "quotas.override": (2, 2),
    "tenants.tenant": (1, 1),
    "vault.objectmanifest": (2, 2),
    "vault.signingkey": (1, 1),
}
"""Statements of a list and of a detail page, besides `ENTRY` and what counting a long list costs. A page that reads row
by row breaks these."""

MOST_TO_COUNT = 2
COUNTING = ("EXPLAIN", "select reltuples", "SELECT COUNT(")

MADE_BY_HAND = {
    "bus.parked",
    "vault.objectmanifest",
    "connectors.ingestjob",
    "policy.decisionentry",
    "policy.fence",
    "policy.signalentry",
}
"""Rows of the world that no verb made, so the ledger does not know them."""

POLICY = {"policy.decisionentry", "policy.fence", "policy.signalentry"}
SEES: dict[str, set[str]] = {
    "sre": {"bus.parked", "bus.cursor", "ledger.sequencer"},
    "security": {"ledger.record", "ledger.head", "ledger.sequencer", "identity.acting", *POLICY},
    "support": {"tenants.tenant", "identity.acting", *POLICY},
    "finops": set(),
    "change-board": {"portal.proposal"},
}


def models() -> list[type[Model]]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def label(model: type[Model]) -> str:
    return model._meta.label_lower


def address(model: type[Model], view: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def some_row(world: World, model: type[Model]) -> Model:
    """Return a row of the world's where the model has a tenant, else any."""
    page = admin.site._registry[model]
    with no_scope(), system_scope("portal.admin"):
        rows = model._default_manager.all()
        if page.tenant_column:  # type: ignore[attr-defined]
            rows = rows.filter(**{page.tenant_column: world.kit.info.id})  # type: ignore[attr-defined]
        row = rows.order_by("-pk").first()
    assert row is not None, f"the world has no {model._meta.label}"
    return row


@pytest.mark.parametrize("model", models(), ids=label)
def test_a_list_opens_with_a_pinned_number_of_queries(world: World, operator: Staff, model: type[Model]) -> None:
    some_row(world, model)
    operator.get("/admin/")  # the entry is on record before we count
    with statements() as sql:
        answer = operator.get(address(model, "changelist"))
    assert answer.status_code == 200
    counting = sum(one.startswith(COUNTING) for one in sql)
    assert counting <= MOST_TO_COUNT
    assert len(sql) - ENTRY - counting == QUERIES[label(model)][0], "\n".join(sql)
    assert "row-link" in text_of(answer)


@pytest.mark.parametrize("model", models(), ids=label)
def test_a_detail_page_opens_with_a_pinned_number_of_queries(world: World, operator: Staff, model: type[Model]) -> None:
    row = some_row(world, model)
    operator.get("/admin/")
    with statements() as sql:
        answer = operator.get(address(model, "change", quote(row.pk)))
    assert answer.status_code == 200
    assert len(sql) - ENTRY == QUERIES[label(model)][1], "\n".join(sql)


@pytest.mark.parametrize("model", models(), ids=label)
def test_a_history_opens(world: World, operator: Staff, model: type[Model]) -> None:
    row = some_row(world, model)
    answer = operator.get(address(model, "history", quote(row.pk)))
    assert answer.status_code == 200
    if admin.site._registry[model].remembers:  # type: ignore[attr-defined]
        assert "No record names it" not in text_of(answer) or label(model) in MADE_BY_HAND


@pytest.mark.parametrize("model", models(), ids=label)
def test_what_is_not_there_is_not_found(operator: Staff, model: type[Model]) -> None:
    for key in ("0", "nothing", "00000000-0000-7000-8000-00000000ffff", "%00", "'; select 1"):
        assert operator.get(address(model, "change", quote(key))).status_code in {404}, key


@pytest.mark.parametrize("role", SEES)
def test_a_role_sees_what_it_is_granted_and_nothing_else(world: World, role: str) -> None:
    somebody = staff(role)
    front = somebody.get("/admin/")
    assert front.status_code == 200
    for model in models():
        row = some_row(world, model)
        allowed = label(model) in SEES[role]
        for path in (
            address(model, "changelist"),
            address(model, "change", quote(row.pk)),
            address(model, "history", quote(row.pk)),
        ):
            assert somebody.get(path).status_code == (200 if allowed else 403), path
        assert (f'href="{address(model, "changelist")}"' in text_of(front)) is allowed, model


def test_no_secret_is_on_any_page(world: World, operator: Staff) -> None:
    for model in models():
        row = some_row(world, model)
        for path in (
            address(model, "changelist"),
            address(model, "change", quote(row.pk)),
            address(model, "history", quote(row.pk)),
        ):
            page = text_of(operator.get(path))
            for secret in world.secrets:
                # Between other characters it is part of something longer, such as a hash.
                assert not re.search(rf"(?<![0-9A-Za-z]){re.escape(secret)}(?![0-9A-Za-z])", page), (path, secret)
            assert "BEGIN PRIVATE" not in page and "scrypt$" not in page and "private_sealed" not in page


def test_personal_data_of_a_tenant_is_withheld_from_staff(world: World, operator: Staff) -> None:
    entities = {str(row): row for row in _entities(world)}
    public = words_of(operator.get(f"/admin/graph/entity/{entities['Nordlicht AG'].pk}/change/"))
    assert "Nordlicht AG" in public and "1901" in public
    person = words_of(operator.get(f"/admin/graph/entity/{entities['Ada Quist'].pk}/change/"))
    assert "withheld: 1 properties: personal data" in person
    assert "Ada" not in person and "1815" not in person and "p-1" not in person
    # A search does not tell of what it hides, nor does a history.
    for term in ("Ada Quist", "p-1"):
        found = words_of(operator.get(f"/admin/graph/entity/?tenant={world.kit.info.slug}&q={term}"))
        assert "Nothing fits" in found
    history = words_of(operator.get(f"/admin/graph/entity/{entities['Ada Quist'].pk}/history/"))
    assert "Created" in history and "Ada" not in history


def _entities(world: World) -> list[Model]:
    from apps.graph.models import Entity

    with no_scope(), system_scope("portal.admin"):
        return list(Entity.objects.filter(tenant_id=world.kit.info.id))


def test_history_shows_before_and_after(world: World, operator: Staff) -> None:
    entities = {str(row): row for row in _entities(world)}
    page = text_of(operator.get(f"/admin/graph/entity/{entities['Nordlicht AG'].pk}/history/"))
    assert "<del>Nordlicht</del>" in page and "<ins>Nordlicht AG</ins>" in page


def test_a_record_is_shown_as_it_is_hashed_and_checked(world: World, operator: Staff) -> None:
    listed = operator.get(f"/admin/ledger/record/?tenant={world.kit.info.slug}")
    assert world.kit.info.slug in text_of(listed)
    hit = operator.get(f"/admin/ledger/record/?tenant={world.kit.info.slug}&q=%231")
    assert "tenants.tenant.created" in text_of(hit) and text_of(hit).count("row-link") == 1
    path = text_of(hit).split('class="row-link" href="')[1].split('"')[0]
    page = text_of(operator.get(path))
    assert "holds" in page and f"&quot;slug&quot;: &quot;{world.kit.info.slug}&quot;" in page


def test_the_front_page_states_real_figures(world: World, operator: Staff) -> None:
    words = words_of(operator.get("/admin/"))
    assert "Records waiting" in words and "events behind the newest of all tenants, now" in words
    with no_scope(), system_scope("portal.admin"):
        from apps.bus.selectors import parked_count
        from apps.ledger.selectors import sequencer_state

        assert f"Parked events {parked_count():,} events" in words
        assert f"Records numbered {sequencer_state().position:,} records" in words
    assert "nobody leads" in words and "No sequencer leads" in words  # none runs while this test does


def test_finding_by_exact_names_opens_the_one_hit(world: World, operator: Staff) -> None:
    slug = world.kit.info.slug
    answer = operator.get(f"/admin/search/?q={world.kit.info.id}")
    assert answer.status_code in {200, 302}
    assert operator.get(f"/admin/search/?q={slug}").status_code in {200, 302}
    one = operator.get(f"/admin/search/?q={world.key_id}")
    assert (one.status_code, one["Location"]) == (302, f"/admin/identity/apikey/{world.key_id}/change/")
    assert "Nothing has this name" in text_of(operator.get("/admin/search/?q=no-such-thing"))
    assert operator.get("/admin/search/").status_code == 200


def test_a_filter_by_an_unknown_tenant_says_so(operator: Staff) -> None:
    words = words_of(operator.get("/admin/graph/entity/?tenant=nobody-has-this"))
    assert "There is no tenant" in words and "Nothing fits" in words
    words = words_of(operator.get("/admin/graph/entity/?kind=Person"))
    assert "Choose a tenant before you filter by kind" in words


def test_a_bad_page_key_or_filter_leads_back_to_the_list(operator: Staff) -> None:
    answer = operator.get("/admin/graph/entity/?after=not-a-key")
    assert answer.status_code == 302 and answer["Location"].endswith("?e=1")
    assert operator.get("/admin/graph/entity/?nofield__x=1").status_code in {302, 400}


def test_the_log_of_staff_is_a_page(world: World, operator: Staff) -> None:
    with no_scope(), system_scope("portal.admin"):
        entry = LogEntry.objects.order_by("-pk").first()
    assert entry is not None
    assert entry.get_change_message() in text_of(operator.get("/admin/admin/logentry/"))


LINK = re.compile(r'href="(/admin/[a-z_]+/[a-z_]+/[^"?/]+/(?:change|history)/)"')


@pytest.mark.parametrize("role", sorted(set(SEES) - {"operator"}))
def test_a_role_is_led_nowhere_where_it_may_not_go(world: World, role: str) -> None:
    somebody = staff(role)
    led: set[str] = set()
    for model in models():
        if label(model) in SEES[role]:
            for path in (address(model, "changelist"), address(model, "change", quote(some_row(world, model).pk))):
                led |= set(LINK.findall(text_of(somebody.get(path))))
    assert led or not SEES[role]
    assert {path: somebody.get(path).status_code for path in sorted(led)} == dict.fromkeys(sorted(led), 200)
