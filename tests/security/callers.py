"""Who stands before the doors: every role, key scope and platform role, another tenant's people and keys, nobody."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.test import Client

from apps.core.context import Context, service_context
from apps.core.scope import no_scope, system_scope
from apps.identity import services as identity
from apps.identity.models import ApiKey
from apps.identity.types import KeyScope, PlatformRole, Role
from apps.policy.models import Fence
from apps.quotas import granting
from apps.quotas.types import Limit, Measure
from tests.admin.conftest import World, make_world
from tests.admin.staff import session_of, staff
from tests.conftest import TenantKit, make_tenant

ROLES = tuple(role.value for role in Role)
KEYS = tuple(f"key {scope.value}" for scope in KeyScope)
STAFF = tuple(f"staff {role.value}" for role in PlatformRole)
OTHERS = ("another tenant's owner", "another tenant's key")
NOBODY = "nobody"
EVERYONE = (*ROLES, *KEYS, *STAFF, *OTHERS, NOBODY)
MARK = "Quarzhafen"
"""Stands in the name of everything that is made in the tenant: nobody who is refused may read it."""


@dataclass
class Caller:
    """One who asks: by session, by key, or as nobody. `ref` is how the ledger names them."""

    name: str
    ref: str = ""
    user: Any = None
    token: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self) -> None:
        """Begin a session that has just been confirmed with a second factor."""
        if self.user is not None:
            client = session_of(self.user, second_factor=True)
            self.cookies = {name: morsel.value for name, morsel in client.cookies.items()}

    def client(self) -> Client:
        """Return a browser, or a program, of this caller's."""
        client = Client()
        for name, value in self.cookies.items():
            client.cookies[name] = value
        return client

    def headers(self, tenant: str, origin: str = settings.BASE_URL) -> dict[str, str]:
        """Return what a request to an interface carries besides cookies; `tenant` is the one that is named."""
        found = {"x-ig-tenant": tenant} if tenant else {}
        if self.token:
            return {**found, "authorization": f"Bearer {self.token}"}
        return {**found, "origin": origin} if self.user is not None else found


@dataclass
class Ground:
    """Two tenants and all callers. `world` is the tenant whose doors are tried, `other` is the one beside it."""

    world: World
    other: TenantKit
    callers: dict[str, Caller]

    @property
    def kit(self) -> TenantKit:
        """The tenant whose doors are tried."""
        return self.world.kit

    @property
    def tenants(self) -> tuple[Any, Any]:
        """Ids of both tenants."""
        return self.kit.info.id, self.other.info.id

    def acting_as(self, caller: Caller) -> Context:
        """Return a context in which an owner's services are asked in this caller's name."""
        kind, _, key = caller.ref.partition(":")
        actor = type(self.kit.ctx.actor)(type(self.kit.ctx.actor.kind)(kind), key)
        return self.kit.ctx.but(actor=actor)


def _member(name: str, kit: TenantKit, role: str) -> Caller:
    user = kit.member(role)
    identity.enrol_second_factor(service_context("test"), user=user)
    return Caller(name, f"user:{user.pk}", user)


def _key(name: str, kit: TenantKit, scope: str) -> Caller:
    token = kit.key(scope)
    with system_scope("portal.admin"):
        made = ApiKey.objects.filter(tenant_id=kit.info.id).latest("created_at")
    return Caller(name, f"key:{made.pk}", token=token)


def make_ground() -> Ground:
    """Make both tenants, with limits that the tests do not reach, and all callers, signed in."""
    world, other = make_world(), make_tenant()
    with system_scope("portal.admin"):
        Fence.objects.filter(tenant_id=world.kit.info.id).update(countries=[])  # nobody here comes from anywhere
    for kit in (world.kit, other):
        granting.grant(
            service_context("test"), tenant_id=kit.info.id, measure=Measure.API, limit=Limit(100_000, 1_000_000),
            lasts=timedelta(days=1), reason="the tests ask often",
        )  # fmt: skip
    callers = [
        *(_member(role, world.kit, role) for role in ROLES),
        *(_key(name, world.kit, name.removeprefix("key ")) for name in KEYS),
        _member(OTHERS[0], other, "owner"),
        _key(OTHERS[1], other, "admin"),
        Caller(NOBODY),
    ]
    for name in STAFF:
        user = staff(name.removeprefix("staff "), second_factor=False).user
        callers.append(Caller(name, f"user:{user.pk}", user))
    for caller in callers:
        caller.sign_in()
        if caller.name in STAFF:
            with no_scope():
                caller.client().get("/admin/")  # entering goes on record once; what follows leaves no trace
    return Ground(world, other, {caller.name: caller for caller in callers})
