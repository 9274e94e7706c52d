"""Settings of a tenant and its limits: who may open and change them, what is recorded, what is told."""

from datetime import timedelta
from unittest.mock import patch

import orjson
import pytest
import redis

from apps.core.clock import utc_now
from apps.core.errors import InvalidInput, StaleVersion
from apps.core.scope import no_scope, tenant_scope
from apps.graph import services as graph
from apps.graph.types import EdgeInput, EntityInput
from apps.quotas import selectors as quotas
from apps.quotas import services as quota_services
from apps.quotas import store
from apps.quotas.models import Override
from apps.quotas.types import Measure
from apps.tenants import selectors as tenants
from apps.tenants import services as tenancy
from tests.admin.staff import told
from tests.conftest import TenantKit
from tests.portal.visitors import signed_in, text_of

CHANGED = "tenants.tenant.settings_changed"


def test_an_owner_changes_the_settings_once_confirmed(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner", second_factor=True)
    page = text_of(visitor.get("settings/"))
    assert "Change settings" in page and "365 days after its last change" in page
    form = {"version": "1", "name": "  North   Desk ", "retention_tier": "short-30d"}
    assert visitor.post("settings/edit/", form).status_code == 302
    saved = tenants.by_slug(tenant.info.slug)
    assert saved and (saved.name, saved.retention_tier, saved.version) == ("North Desk", "short-30d", 2)
    (event,) = told(tenant.info.id, CHANGED)
    data = orjson.loads(event.body)["data"]
    assert data["fields"] == ["name", "retention_tier"] and data["settings_version"] == 2
    assert "North" not in event.body.decode(), "ids and words of ours only"
    assert "Saved as version 2" in text_of(visitor.get("settings/"))


def test_a_version_that_is_not_the_newest_is_not_saved_over(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner", second_factor=True)
    tenancy.change_settings(tenant.ctx, expected_version=1, name="Theirs", retention_tier="long-1825d")
    late = visitor.post("settings/edit/", {"version": "1", "name": "Mine", "retention_tier": "short-30d"})
    assert late.status_code == 409
    page = text_of(late)
    assert "Theirs" in page and 'value="Mine"' in page and 'name="version" value="2"' in page
    stands = tenants.by_slug(tenant.info.slug)
    assert stands and (stands.name, stands.version) == ("Theirs", 2)
    with pytest.raises(StaleVersion):
        tenancy.change_settings(tenant.ctx, expected_version=1, name="Again", retention_tier="short-30d")


def test_what_changes_nothing_is_not_recorded(tenant: TenantKit) -> None:
    same = tenancy.change_settings(
        tenant.ctx, expected_version=1, name=tenant.info.name, retention_tier="standard-365d"
    )
    assert same.version == 1 and not told(tenant.info.id, CHANGED)


@pytest.mark.parametrize(
    ("name", "tier"),
    [("", "short-30d"), (" ", "short-30d"), ("n" * 121, "short-30d"), ("a\x00b", "short-30d"), ("Fine", "legal-hold"),
     ("Fine", "never")],
)  # fmt: skip
def test_what_cannot_be_is_said_at_its_field(tenant: TenantKit, name: str, tier: str) -> None:
    with pytest.raises(InvalidInput):
        tenancy.change_settings(tenant.ctx, expected_version=1, name=name, retention_tier=tier)
    visitor = signed_in(tenant, "owner", second_factor=True)
    answer = visitor.post("settings/edit/", {"version": "1", "name": name, "retention_tier": tier})
    if "\x00" in name:  # no page takes that
        assert answer.status_code == 400
    else:
        assert answer.status_code == 422 and "This cannot be saved yet" in text_of(answer)
    assert not told(tenant.info.id, CHANGED)


def test_without_a_fresh_second_factor_one_confirms_first(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner")
    assert visitor.get("settings/").status_code == 200
    for answer in (
        visitor.get("settings/edit/"),
        visitor.post("settings/edit/", {"version": "1", "name": "X", "retention_tier": "short-30d"}),
    ):
        assert answer.status_code == 302 and answer["Location"].startswith("/login/code/")
    assert not told(tenant.info.id, CHANGED)


@pytest.mark.parametrize("role", ["analyst", "reader", "developer", "billing", "dpo", "auditor:tenant"])
def test_others_neither_open_nor_change_settings(tenant: TenantKit, role: str) -> None:
    visitor = signed_in(tenant, role, second_factor=True)
    assert visitor.get("settings/").status_code == 403
    form = {"version": "1", "name": "X", "retention_tier": "short-30d"}
    assert visitor.post("settings/edit/", form).status_code == 403
    assert not told(tenant.info.id, CHANGED)


def test_the_tenants_retention_holds_for_what_names_none(tenant: TenantKit) -> None:
    first = graph.upsert_entities(tenant.ctx, inputs=[EntityInput("Asset", "before")]).rows[0]
    tenancy.change_settings(tenant.ctx, expected_version=1, name="T", retention_tier="short-30d")
    rows = graph.upsert_entities(
        tenant.ctx,
        inputs=[
            EntityInput("Asset", "before", name="touched"),
            EntityInput("Asset", "after"),
            EntityInput("Asset", "own", retention_tier="long-1825d"),
        ],
    ).rows
    assert [row.retention_tier for row in rows if row] == ["standard-365d", "short-30d", "long-1825d"]
    assert first is not None and rows[1] is not None
    edge = graph.upsert_edges(tenant.ctx, inputs=[EdgeInput("on", source_id=first.id, target_id=rows[1].id)]).rows[0]
    assert edge is not None and edge.retention_tier == "short-30d"


def test_limits_tell_what_is_used_and_take_nothing(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "reader")
    with no_scope():
        verdict = quota_services.consume(tenant.ctx, Measure.INGEST, 12_000)
    assert verdict.allowed
    before = quotas.standing(tenant.ctx)
    page = text_of(visitor.get("limits/"))
    for measure in before:
        assert measure.left is not None and not measure.overridden
    (ingest,) = [one for one in before if one.measure is Measure.INGEST]
    assert ingest.used == pytest.approx(12_000, rel=0.2) and ingest.full_in_s > 5
    again = {one.measure: one for one in quotas.standing(tenant.ctx)}
    assert again[Measure.INGEST].used <= ingest.used, "looking takes nothing"
    assert "Rows brought in" in page and "1,000 rows a second" in page and "RateLimit-Policy:" in page


def test_an_override_is_told_with_its_reason_until_it_ends(tenant: TenantKit) -> None:
    row = Override.objects.create(
        measure="api", rate_per_s=7.5, burst=450, reason="migration week", created_by="user:1",
        until=utc_now() + timedelta(days=1),
    )  # fmt: skip
    page = text_of(signed_in(tenant, "owner").get("limits/"))
    assert "7.5 calls a second" in page and "migration week" in page and "differs from the plan" in page
    Override.objects.filter(pk=row.pk).update(until=utc_now() - timedelta(seconds=1))
    assert not any(one.overridden for one in quotas.standing(tenant.ctx))


def test_without_redis_the_limits_stand_and_use_is_not_known(tenant: TenantKit) -> None:
    with patch.object(store, "_client", side_effect=redis.ConnectionError("away")):
        page = text_of(signed_in(tenant, "owner").get("limits/"))
    assert "What is used is not known now" in page and "50 calls a second" in page


def test_an_auditor_of_the_organisation_sees_no_limits(tenant: TenantKit, outsider: TenantKit) -> None:
    assert signed_in(tenant, "auditor:org").get("limits/").status_code == 403
    assert signed_in(outsider, "owner").get(f"/t/{tenant.info.slug}/limits/").status_code == 404
    with no_scope(), tenant_scope(outsider.info.id):
        assert quotas.overrides(outsider.ctx) == []
