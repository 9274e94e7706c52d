"""What requests are about: things made in the tenant, so that a request that is refused would have done something."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.connectors import services as connectors
from apps.connectors.models import IngestJob
from apps.core.clock import utc_now
from apps.core.context import Actor, ActorKind, SessionFacts, service_context
from apps.core.errors import Forbidden
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.graph import services as graph
from apps.graph.types import EntityInput
from apps.identity import services as identity
from apps.identity.models import Invitation
from apps.policy import services as policy
from apps.policy.models import DecisionEntry, Fence
from apps.portal import services as portal
from apps.portal.release import documents
from apps.tenants.models import Tenant
from tests.conftest import PASSWORD
from tests.security.callers import MARK, Caller, Ground

MAPPING = '{"format": "csv", "entities": [{"kind": "Thing", "id": "{id}", "name": "{name}"}]}'
ROWS = b"id,name\n1,One\n"


@dataclass
class Target:
    """Parts of the address by name, what a form or a body says, and the variables of a GraphQL document."""

    parts: dict[str, str] = field(default_factory=dict)
    data: Any = None
    content_type: str = ""
    query: str = ""
    variables: dict[str, Any] = field(default_factory=dict)


Maker = Callable[[Ground, Caller], Target]


def nothing(ground: Ground, caller: Caller) -> Target:
    """The address says it all."""
    return Target()


def says(**data: Any) -> Maker:
    """A form, or a body in JSON, that says this."""
    return lambda ground, caller: Target(data=data)


def at(**parts: str) -> Maker:
    """An address with these parts."""
    return lambda ground, caller: Target(parts)


def entity_of(ground: Ground, kind: str = "Tool") -> UUID:
    """Make a public entity and return its id."""
    made = EntityInput(kind, new_id().hex, name=MARK, data_class="public")
    with no_scope(), tenant_scope(ground.kit.info.id):
        return graph.upsert_entities(ground.kit.ctx, inputs=[made]).rows[0].id


def entity(ground: Ground, caller: Caller) -> Target:
    """An entity, and its relations."""
    return Target({"entity_id": str(entity_of(ground)), "direction": "out", "kind": "leads"})


def changed_entity(ground: Ground, caller: Caller) -> Target:
    """An entity, and the form that changes it."""
    data = {"version": "1", "name": f"{MARK} II", "properties": "{}", "confirm": "1"}
    return Target({"entity_id": str(entity_of(ground))}, data)


def doomed_entity(ground: Ground, caller: Caller) -> Target:
    """An entity, and the form that deletes it."""
    return Target({"entity_id": str(entity_of(ground))}, {"confirm_name": MARK})


def kept_filter(ground: Ground, caller: Caller) -> Target:
    """A filter that the caller keeps; of those who keep none, one that an owner shares."""
    own = caller.ref.startswith("user:")
    ctx = ground.acting_as(caller) if own else ground.acting_as(ground.callers["owner"])
    with no_scope(), tenant_scope(ground.kit.info.id):
        made = portal.save_filter(
            ctx, list_="entities", name=f"{MARK} {new_id().hex}", state={"kind": "Tool"}, shared=not own
        )
    return Target({"filter_id": str(made)})


def new_filter(ground: Ground, caller: Caller) -> Target:
    """A filter to keep."""
    return Target(data={"name": new_id().hex, "kind": "Tool"})


def job(ground: Ground, caller: Caller) -> Target:
    """An import that waits."""
    with no_scope(), system_scope("portal.admin"):
        made = IngestJob.objects.get(pk=ground.world.job.pk)
        made.pk, made.fingerprint, made._state.adding = new_id(), new_id().hex, True
        made.save(force_insert=True)
    return Target({"job_id": str(made.pk)})


def mapping_of(ground: Ground) -> str:
    """Save a mapping and return its name."""
    with no_scope(), tenant_scope(ground.kit.info.id):
        return connectors.put_mapping(ground.kit.ctx, name="things", text=MAPPING)[0].name


def mapping(ground: Ground, caller: Caller) -> Target:
    """A mapping that stands."""
    return Target({"name": mapping_of(ground)})


def new_mapping(ground: Ground, caller: Caller) -> Target:
    """A mapping to save."""
    return Target({"name": f"m{new_id().hex[-10:]}"}, MAPPING, "application/json")


def upload(ground: Ground, caller: Caller) -> Target:
    """A file to bring in, as the form sends it."""
    file = SimpleUploadedFile("things.csv", ROWS, "text/csv")
    return Target(data={"key": new_id().hex, "file": file, "mapping": mapping_of(ground), "on_error": "keep"})


def ingest(ground: Ground, caller: Caller) -> Target:
    """A file to bring in, as a program sends it."""
    return Target({"source": mapping_of(ground)}, ROWS, "text/csv")


def member(ground: Ground, caller: Caller) -> Target:
    """A member, and other roles for them."""
    user = ground.kit.member("reader")
    return Target({"user_id": str(user.pk)}, {"roles": ["billing"]})


def invitation(ground: Ground, caller: Caller) -> Target:
    """An invitation that waits."""
    with no_scope(), tenant_scope(ground.kit.info.id):
        made = identity.invite(ground.kit.ctx, email=f"i{new_id().hex}@new.example", roles=frozenset({"reader"}))
    with no_scope(), system_scope("portal.admin"):  # one that was sent long enough ago to be sent again
        Invitation.objects.filter(pk=made.id).update(asked_at=made.asked_at - timedelta(minutes=10))
    return Target({"invitation_id": str(made.id)})


def invited(ground: Ground, caller: Caller) -> Target:
    """Somebody to invite."""
    return Target(data={"email": f"i{new_id().hex}@new.example", "roles": ["reader"]})


def acting(ground: Ground, caller: Caller) -> Target:
    """Somebody of the platform's staff who acts in the tenant."""
    now = utc_now()
    with no_scope():
        helper = identity.create_user(
            service_context("test"), email=f"h{new_id().hex}@staff.example", password=PASSWORD,
            platform_roles=("support",),
        )  # fmt: skip
        ctx = service_context("test").but(
            actor=Actor(ActorKind.USER, str(helper.pk)),
            session=SessionFacts(authenticated_at=now, second_factor_at=now),
        )
        made = identity.start_acting(ctx, tenant=ground.kit.info, reason="ticket 4711, as asked", minutes=60)
    return Target({"acting_id": str(made.id)})


def key(ground: Ground, caller: Caller) -> Target:
    """An API key."""
    with no_scope(), tenant_scope(ground.kit.info.id):
        made = identity.create_api_key(ground.kit.ctx, name=MARK, scope="reader")
    return Target({"key_id": str(made.info.id)})


def provider(ground: Ground, caller: Caller) -> Target:
    """An identity provider that is trusted, and one of its tokens."""
    host = f"https://{new_id().hex}.example"
    with no_scope(), tenant_scope(ground.kit.info.id):
        made = identity.trust_issuer(
            ground.kit.ctx, name=MARK, issuer=host, jwks_url=f"{host}/k", role_map={"readers": "reader"}
        )
    return Target({"issuer_id": str(made.id)}, {"jti": new_id().hex})


def new_provider(ground: Ground, caller: Caller) -> Target:
    """An identity provider to trust."""
    host = f"https://{new_id().hex}.example"
    said = {"name": MARK, "issuer": host, "jwks_url": f"{host}/k", "role_claim": "roles", "role_map": "a = reader"}
    return Target(data=said)


def fence(ground: Ground, caller: Caller) -> Target:
    """No fence any more."""
    with no_scope(), system_scope("portal.admin"):
        stands = Fence.objects.filter(tenant_id=ground.kit.info.id).first()
    return Target(data={"countries": "", "reason": "moved", "version": str(stands.version if stands else 0)})


def settings(ground: Ground, caller: Caller) -> Target:
    """Another name for the tenant."""
    with no_scope(), system_scope("portal.admin"):
        stands = Tenant.objects.get(pk=ground.kit.info.id)
    said = {"name": f"Renamed {new_id().hex}", "retention_tier": stands.retention_tier}
    return Target(data={**said, "version": str(stands.version)})


def decision(ground: Ground, caller: Caller) -> Target:
    """A decision about the caller; about an owner for those who have none here."""
    about = caller if caller.ref else ground.callers["owner"]
    with no_scope(), tenant_scope(ground.kit.info.id), pytest.raises(Forbidden):
        policy.require(ground.acting_as(about).but(roles=frozenset({"reader"})), "graph.entity.delete")
    policy.flush_decisions()
    with no_scope(), system_scope("portal.admin"):
        made = DecisionEntry.objects.filter(tenant_id=ground.kit.info.id, actor=about.ref).latest("at")
    return Target({"decision_id": str(made.pk)})


def document(ground: Ground, caller: Caller) -> Target:
    """A persisted document of this release."""
    return Target({"name": documents()[0].file_name})


def about(query: str, **variables: Any) -> Maker:
    """A GraphQL document; `$id`, `$to` and `$tenant` are an entity, another one and the tenant."""

    def make(ground: Ground, caller: Caller) -> Target:
        given = dict(variables)
        if "$id" in query:
            given["id"] = str(entity_of(ground, "Asset"))
        if "$to" in query:
            given["to"] = str(entity_of(ground))
        if "$tenant" in query:
            given["tenant"] = ground.kit.info.slug
        if "$new" in query:
            given["new"] = new_id().hex
        return Target(query=query, variables=given)

    return make
