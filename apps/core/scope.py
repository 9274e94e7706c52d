"""In which tenant this code works: fail closed, and kept in step with the database session by our engine.

- `tenant_scope(id)`: rows of one tenant, on the ordinary connection, where PostgreSQL itself refuses other rows.
- `system_scope(name)`: named work across tenants, on another login role and another connection.
- neither: asking for tenant-owned rows raises in Python, and SQL sees none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from apps.core.errors import NoTenantScope

PLATFORM_TENANT_ID = UUID("00000000-0000-7000-8000-000000000000")
"""The ledger of the platform itself (staff, tenants, keys) is kept under this id; no tenant has it."""

SYSTEM_SCOPES: dict[str, str] = {
    "identity.authenticate": "find the account, key or session before its tenant is known",
    "identity.acting": "end the times in which staff act in tenants",
    "identity.mail": "find invitations that were not sent, forget old ones and links to passwords",
    "tenants.resolve": "find a tenant by slug before entering it",
    "tenants.manage": "create, suspend and close tenants",
    "quotas.manage": "grant and withdraw limits that differ from a plan's",
    "ledger.sequencer": "number and chain the records of every tenant",
    "ledger.verify": "verify the ledgers of every tenant",
    "bus.relay": "deliver recorded events to subscribers",
    "vault.keys": "make, rotate and publish the platform's keys, sign checkpoints",
    "graph.projection": "project every tenant's graph",
    "flags.registry": "read and change the platform's flags, and note their use",
    "connectors.sweep": "find jobs whose worker died",
    "policy.decisions": "write the log of decisions, read fences and signals of the tenant that a caller enters",
    "portal.admin": "platform staff at work in the admin",
    "core.metrics": "measure queues and backlogs",
    "demo.load": "load the demo",
}
"""Every name that `system_scope` accepts, with what it is for."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is in scope: a tenant, or named work across tenants."""

    tenant_id: UUID | None = None
    system: str = ""


_NONE = Scope()
_scope: ContextVar[Scope] = ContextVar("ig_scope", default=_NONE)


def current_scope() -> Scope:
    """Return the scope of this task; both fields are empty when none was opened."""
    return _scope.get()


def current_tenant_id() -> UUID | None:
    """Return the tenant in scope, or None."""
    return _scope.get().tenant_id


def require_tenant_id() -> UUID:
    """Return the tenant in scope. Raises NoTenantScope when there is none."""
    tenant_id = _scope.get().tenant_id
    if tenant_id is None:
        raise NoTenantScope("no tenant in scope")
    return tenant_id


@contextmanager
def tenant_scope(tenant_id: UUID) -> Iterator[None]:
    """Work in one tenant.

    Raises NoTenantScope when another tenant is in scope already: one unit of work serves one tenant.
    """
    present = _scope.get()
    if present.tenant_id is not None and present.tenant_id != tenant_id:
        raise NoTenantScope("another tenant is in scope already")
    token = _scope.set(Scope(tenant_id=tenant_id))
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def system_scope(name: str) -> Iterator[None]:
    """Do the named work across tenants, as the system role. Raises NoTenantScope for an unknown name."""
    if name not in SYSTEM_SCOPES:
        raise NoTenantScope(f"there is no system scope {name!r}")
    token = _scope.set(Scope(system=name))
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def no_scope() -> Iterator[None]:
    """Leave every scope, for code that must not inherit its caller's."""
    token = _scope.set(_NONE)
    try:
        yield
    finally:
        _scope.reset(token)
