"""Filters that members keep: whose they are, who sees and deletes them, how many, what is recorded."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from django.db import connections

from apps.core.errors import Conflict
from apps.core.ids import new_id
from apps.core.scope import no_scope, tenant_scope
from apps.portal import selectors, services
from apps.portal.models import SavedFilter
from apps.portal.services import filters as verbs
from tests.admin.staff import told
from tests.conftest import TenantKit
from tests.portal.visitors import Visitor, signed_in, text_of

KEEP = {"q": "", "kind": "Tool", "sort": "-changed"}


def keep(visitor: Visitor, name: str, **more: str) -> Any:
    return visitor.post("filters/", {**KEEP, "name": name, **more})


def test_a_filter_is_kept_found_again_and_deleted(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "reader")
    assert "Keep this filter" not in text_of(visitor.get("entities/"))
    assert "Keep this filter" in text_of(visitor.get("entities/?kind=Tool&sort=-changed"))
    answer = keep(visitor, "  Newest   tools ")
    assert answer["Location"] == f"/t/{tenant.info.slug}/entities/?kind=Tool&sort=-changed"
    page = text_of(visitor.get(answer["Location"]))
    assert "Newest tools" in page and "Keep this filter" not in page, "it is kept already"
    assert 'href="/t/' + tenant.info.slug + '/entities/?kind=Tool&amp;sort=-changed" aria-current="true"' in page
    (row,) = SavedFilter.objects.all()
    assert visitor.post(f"filters/{row.id}/delete/").status_code == 302
    assert not SavedFilter.objects.exists()
    for event in ("portal.filter.saved", "portal.filter.deleted"):
        (record,) = told(tenant.info.id, event)
        assert orjson.loads(record.body)["data"] == {"filter_id": str(row.id), "list": "entities", "shared": False}


def test_ones_own_is_for_oneself_and_a_shared_one_for_all(tenant: TenantKit, outsider: TenantKit) -> None:
    owner, reader, stranger = signed_in(tenant, "owner"), signed_in(tenant, "reader"), signed_in(outsider, "owner")
    keep(owner, "Mine")
    keep(owner, "Ours", shared="1")
    page = text_of(reader.get("entities/"))
    assert "Ours" in page and "Mine" not in page
    assert "Ours" not in text_of(stranger.get("entities/"))
    mine, ours = SavedFilter.objects.get(name="Mine"), SavedFilter.objects.get(name="Ours")
    assert reader.post(f"filters/{mine.id}/delete/").status_code == 404
    assert reader.post(f"filters/{ours.id}/delete/").status_code == 403
    assert stranger.post(f"filters/{ours.id}/delete/").status_code == 404
    assert stranger.post(f"/t/{tenant.info.slug}/filters/{ours.id}/delete/").status_code == 404
    assert SavedFilter.objects.count() == 2
    assert signed_in(tenant, "admin").post(f"filters/{ours.id}/delete/").status_code == 302


@pytest.mark.parametrize("role", ["reader", "analyst", "developer", "dpo"])
def test_sharing_needs_permission(tenant: TenantKit, role: str) -> None:
    visitor = signed_in(tenant, role)
    assert keep(visitor, "Ours", shared="1").status_code == 403
    assert not SavedFilter.objects.exists() and "Share it with" not in text_of(visitor.get("entities/?kind=Tool"))


@pytest.mark.parametrize("role", ["billing", "auditor:tenant"])
def test_who_sees_no_entities_keeps_no_filter(tenant: TenantKit, role: str) -> None:
    assert keep(signed_in(tenant, role), "X").status_code == 403
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "a\u202eb"])
def test_a_name_that_cannot_be_is_refused(tenant: TenantKit, name: str) -> None:
    assert keep(signed_in(tenant, "owner"), name).status_code == 400
    assert not SavedFilter.objects.exists()


def test_names_are_unique_whatever_their_case(tenant: TenantKit) -> None:
    one, two = signed_in(tenant, "owner"), signed_in(tenant, "owner")
    assert keep(one, "Tools").status_code == 302 and keep(one, "TOOLS").status_code == 409
    assert keep(two, "Tools").status_code == 302, "another member's own"
    assert keep(one, "Tools", shared="1").status_code == 302
    assert keep(two, "tools", shared="1").status_code == 409
    assert SavedFilter.objects.count() == 3


def test_nothing_is_not_kept_and_unknown_parts_are_left_out(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner")
    assert visitor.post("filters/", {"name": "All"}).status_code == 400
    keep(visitor, "Tools", sort="drop table", evil="<script>", after="cursor")
    assert SavedFilter.objects.get().state == {"kind": "Tool"}


def test_hostile_names_are_text(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner")
    keep(visitor, "<img src=x>&\"'")
    assert "<img src=x>" not in text_of(visitor.get("entities/"))


def test_the_number_is_bounded_also_when_many_save_at_once(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "MOST_OWN", 3)
    ctx = tenant.as_role("owner", actor_id=str(new_id()))

    def save(number: int) -> bool:
        try:
            with no_scope(), tenant_scope(tenant.info.id):
                services.save_filter(ctx, list_="entities", name=f"F{number}", state={"q": "x"}, shared=False)
            return True
        except Conflict:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(save, range(12))) == 3
    assert len(selectors.kept_filters(ctx, "entities")) == 3
