"""A small world in which every page of the admin has something to show."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry

from apps.bus.models import Cursor, Parked
from apps.connectors.models import IngestBatch, IngestJob, IngestMapping, IngestRowError
from apps.core.admin import Draft
from apps.core.clock import utc_now
from apps.core.context import Actor, ActorKind, SessionFacts, service_context
from apps.core.errors import Forbidden
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.flags import services as flags
from apps.graph import services as graph
from apps.graph.types import EdgeInput, EntityInput
from apps.identity import services as identity
from apps.policy import services as policy
from apps.policy.models import Fence, SignalEntry
from apps.policy.types import SignalKind
from apps.portal import services as portal
from apps.quotas import granting
from apps.quotas.types import Limit, Measure
from apps.vault import services as vault
from apps.vault.models import ObjectManifest
from tests.admin.staff import Staff, staff
from tests.conftest import PASSWORD, TenantKit, make_tenant, sequence
from tests.flags.documents import document


@dataclass
class World:
    """A tenant with one of everything; `secrets` must never be shown."""

    kit: TenantKit
    parked: Parked
    job: IngestJob
    key_id: Any
    member: Any
    secrets: tuple[str, ...]

    def park(self, subscriber: str = "test.nobody", position: int | None = None) -> Parked:
        """Park one more event of this tenant's."""
        with system_scope("bus.relay"):
            return Parked.objects.create(
                subscriber=subscriber, position=position or new_id().int % 2**60, event_tenant_id=self.kit.info.id, number=1,
                type="tenants.tenant.created", error="ValueError: cannot take 1", tries=5,
            )  # fmt: skip


def _ingest(by: str) -> IngestJob:
    now = utc_now()
    mapping = IngestMapping.objects.create(
        name="people", version=1, sha256="ab" * 32, document={"version": 1}, created_by="service:test", created_at=now
    )
    job = IngestJob.objects.create(
        source="people.csv", format="csv", mapping_name=mapping.name, mapping_version=1, mapping_sha256=mapping.sha256,
        mapping_document={"version": 1}, object_id=new_id(), object_sha256="cd" * 32, object_bytes=10, fingerprint="f",
        state="queued", phase="entities", requested_by=by, requested_at=now, error_count=1,
    )  # fmt: skip
    IngestRowError.objects.create(job=job, sequence=0, row=3, code="EMPTY_KEY", message="the key is empty", column="id")
    IngestBatch.objects.create(
        job=job, number=1, phase="entities", from_offset=0, to_offset=9, to_row=2, written=2, committed_at=now
    )
    return job


def make_world() -> World:
    """Make a tenant with one of everything."""
    kit = make_tenant()
    now = utc_now()
    with no_scope():
        helper = identity.create_user(
            service_context("test"),
            email=f"s{kit.info.slug}@staff.example",
            password=PASSWORD,
            platform_roles=("support",),
        )
        ctx = service_context("test").but(
            actor=Actor(ActorKind.USER, str(helper.pk)),
            session=SessionFacts(authenticated_at=now, second_factor_at=now),
        )
        identity.start_acting(ctx, tenant=kit.info, reason="ticket 4711, as asked", minutes=60)
    with tenant_scope(kit.info.id):
        rows = graph.upsert_entities(
            kit.ctx,
            inputs=[
                EntityInput("Organisation", "o-1", name="Nordlicht", data_class="public", properties={"founded": 1901}),
                EntityInput("Person", "p-1", name="Ada Quist", data_class="personal", properties={"born": "1815"}),
            ],
        ).rows  # fmt: skip
        graph.upsert_edges(kit.ctx, inputs=[EdgeInput("leads", source_id=rows[1].id, target_id=rows[0].id)])
        graph.upsert_entities(
            kit.ctx, inputs=[EntityInput("Organisation", "o-1", name="Nordlicht AG", data_class="public")]
        )
        member = kit.member("analyst")
        key = identity.create_api_key(kit.as_role("owner", actor_id=str(member.pk)), name="pipeline", scope="reader")
        job = _ingest(f"user:{member.pk}")
        now = utc_now()
        ObjectManifest.objects.create(
            key=f"eu-west-1/{kit.info.id}/ef", sha256="ef" * 32, size_bytes=52_200, content_type="text/csv",
            region="eu-west-1", retention_tier="standard-365d", created_at=now,
        )  # fmt: skip
        with pytest.raises(Forbidden):
            policy.require(kit.as_role("reader"), "graph.entity.delete")
        Fence.objects.create(countries=["DE"], changed_by="service:test", changed_at=now)
        SignalEntry.objects.create(
            subject=f"user:{member.pk}", kind=SignalKind.DEVICE, value="trusted", at=now, received_at=now,
            issuer="https://idp.example", jti=new_id().hex,
        )  # fmt: skip
    policy.flush_decisions()
    granting.grant(
        service_context("test"), tenant_id=kit.info.id, measure=Measure.API, limit=Limit(7, 70),
        lasts=timedelta(days=30), reason="pilot",
    )  # fmt: skip
    vault.ensure_signing_key(service_context("test"))
    flags.create_flag(service_context("test"), document=document(), reason="a test")
    sequence()
    vault.write_checkpoints(service_context("test"))
    with system_scope("bus.relay"):
        Cursor.objects.get_or_create(subscriber="test.follower")
    maker = identity.create_user(
        service_context("test"), email=f"m{new_id().hex}@staff.example", password=PASSWORD, name="Maker",
        platform_roles=("operator",),
    )  # fmt: skip
    proposed = Draft(
        "tenants.tenant", "plan", "Change the plan", "platform.tenant.change", str(kit.info.id), kit.info.slug,
        kit.info.id, {"plan": ["pro"], "reason": ["asked"]}, [("plan", "starter", "pro")],
    )  # fmt: skip
    actor = service_context("test").but(
        actor=Actor(ActorKind.USER, str(maker.pk)), platform_roles=frozenset({"operator"})
    )
    fresh = replace(actor.session, authenticated_at=utc_now(), second_factor_at=utc_now())
    portal.propose(actor.but(session=fresh), draft=proposed)
    world = World(kit, None, job, key.info.id, member, (key.token, "digest", member.password, "Ada Quist", "1815"))  # type: ignore[arg-type]
    world.parked = world.park()
    with system_scope("portal.admin"):
        LogEntry.objects.log_actions(
            member.pk, [world.parked], CHANGE, change_message="Looked at it.", single_object=True
        )
    return world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One of everything, for the tests of a module."""
    with no_scope():
        yield make_world()


@pytest.fixture
def operator() -> Staff:
    """An operator who has just given a second factor."""
    return staff("operator")
