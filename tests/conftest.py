"""The suite's ground: real services, a tenant of its own for every test that asks.

Tests commit. They do not disturb each other, because each works in tenants that it made; nothing is cleaned up.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests import embedded_services

# A suite that was started in the background is told to ignore interrupts, and so would be whatever it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

SERVICES = embedded_services.begin()

import django  # noqa: E402  the services' addresses come first

django.setup()
# Workers inherit the environment: with this name in it pytest-django would read the settings before a worker has
# pointed them at its own database.
os.environ.pop("DJANGO_SETTINGS_MODULE", None)
if "PYTEST_XDIST_WORKER" in os.environ or not embedded_services.only_distributes():
    os.environ["DJANGO_SETTINGS_MODULE"] = "intelgraph.settings"

import pytest  # noqa: E402
from django.db import connections  # noqa: E402

from apps.bus import relay  # noqa: E402
from apps.bus.management.commands.relay import system_conninfo  # noqa: E402
from apps.core import sockets  # noqa: E402
from apps.core.context import Actor, ActorKind, Context, service_context  # noqa: E402
from apps.core.ids import new_id  # noqa: E402
from apps.core.scope import no_scope, tenant_scope  # noqa: E402
from apps.flags import snapshot as flags  # noqa: E402
from apps.identity import services as identity  # noqa: E402
from apps.ledger.sequencer import Sequencer  # noqa: E402
from apps.policy import services as policy  # noqa: E402
from apps.tenants import services as tenancy  # noqa: E402
from apps.tenants.types import TenantInfo  # noqa: E402

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True, scope="session")
def _database(django_db_blocker: Any) -> Iterator[None]:
    """Let every test use the databases: it works in tenants of its own."""
    with django_db_blocker.unblock():
        yield
        policy.close_log()
        flags.stop()
    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


@dataclass(frozen=True)
class TenantKit:
    """A tenant made for a test, with contexts and keys to act in it."""

    info: TenantInfo
    ctx: Context

    def as_role(self, *roles: str, actor_id: str = "") -> Context:
        """Return a context of a person with these roles."""
        return self.ctx.but(roles=frozenset(roles), actor=Actor(ActorKind.USER, actor_id or str(new_id())))

    def key(self, scope: str) -> str:
        """Return the token of a new API key."""
        with no_scope(), tenant_scope(self.info.id):
            return identity.create_api_key(self.ctx, name=f"test {scope}", scope=scope).token

    def member(self, *roles: str) -> Any:
        """Return a new account that is a member with these roles (password: `PASSWORD`)."""
        user = identity.create_user(
            self.ctx, email=f"p{new_id().hex}@{self.info.slug}.example", password=PASSWORD, name=roles[0]
        )
        with no_scope(), tenant_scope(self.info.id):
            identity.add_member(self.ctx, user_id=user.id, roles=frozenset(roles))
        return user


def make_tenant(region: str = "eu-west-1") -> TenantKit:
    """Make a tenant and return its kit, with an owner's context."""
    ctx = service_context("test", region=region)
    info = tenancy.create_tenant(ctx, slug=f"t{new_id().hex[-12:]}", name="Test tenant", home_region=region)
    return TenantKit(
        info, ctx.but(tenant_id=info.id, tenant_slug=info.slug, roles=frozenset({"owner"}), purpose="investigation")
    )


@pytest.fixture
def tenant() -> Iterator[TenantKit]:
    """A new tenant, in scope."""
    kit = make_tenant()
    with tenant_scope(kit.info.id):
        yield kit


@pytest.fixture
def outsider() -> TenantKit:
    """Another tenant, not in scope: whoever acts from it must see nothing."""
    return make_tenant()


def sequence() -> int:
    """Number what was committed, once; return how many records were linked."""
    sequencer = Sequencer(system_conninfo())
    while not sequencer.acquire():
        continue
    try:
        return sequencer.tick().linked
    finally:
        sequencer.release()


@pytest.fixture
def settle() -> Callable[[], None]:
    """Number what was committed and bring every subscriber up to date."""

    def run() -> None:
        sequence()
        relay.drain(list(sockets.SUBSCRIBERS))

    return run


@pytest.fixture(scope="session")
def neo4j_url() -> str:
    """Address of the suite's real Neo4j, which starts when the first test asks."""
    return SERVICES.neo4j_url()
