"""Who acts, for whom, why and when: one frozen value that every verb takes first."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from apps.core.clock import Clock, utc_now
from apps.core.ids import new_id
from apps.core.values import altered


class ActorKind(StrEnum):
    """What kind of thing acts."""

    USER = "user"
    API_KEY = "key"
    SERVICE = "service"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Actor:
    """The one who acts. `id` is an opaque id (never an address or a name); `name` is for screens only."""

    kind: ActorKind
    id: str = ""
    name: str = ""

    @property
    def ref(self) -> str:
        """The form that records carry, such as `user:0192…`."""
        return f"{self.kind.value}:{self.id}" if self.id else self.kind.value


ANONYMOUS = Actor(ActorKind.ANONYMOUS)


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is known of the session: when it was authenticated, by which factors, and what zero trust sees.

    `country` is an ISO 3166-1 alpha-2 code, empty when nobody who is believed said one. `ends_at` is when what the
    caller showed (a key, a token, a session) ends by itself, `admitted_until` when the tenant admits them no longer;
    None where time alone ends nothing.
    """

    id: str = ""
    authenticated_at: datetime | None = None
    second_factor_at: datetime | None = None
    ip: str = ""
    device_trusted: bool | None = None
    risk: str = "low"
    country: str = ""
    ends_at: datetime | None = None
    admitted_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a verb may know about its caller.

    `tenant_id` is None outside a tenant. `roles` are the actor's roles in that tenant, `platform_roles` those of
    platform staff, `scopes` what a key or token was limited to (None: no limit beyond the roles).
    """

    actor: Actor = ANONYMOUS
    tenant_id: UUID | None = None
    tenant_slug: str = ""
    region: str = ""
    roles: frozenset[str] = frozenset()
    platform_roles: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    purpose: str | None = None
    request_id: str = ""
    trace_id: str = ""
    session: SessionFacts = field(default_factory=SessionFacts)
    clock: Clock = utc_now

    @property
    def now(self) -> datetime:
        """The current time, aware, UTC."""
        return self.clock()

    def but(self, **changes: Any) -> "Context":
        """Return a copy with `changes`."""
        return altered(self, **changes)

    def to_headers(self) -> dict[str, str]:
        """Return the part that travels with a task: plain strings, no secrets, no names."""
        headers = {
            "ig_actor_kind": self.actor.kind.value,
            "ig_actor_id": self.actor.id,
            "ig_tenant_id": str(self.tenant_id) if self.tenant_id else "",
            "ig_tenant_slug": self.tenant_slug,
            "ig_region": self.region,
            "ig_roles": ",".join(sorted(self.roles)),
            "ig_platform_roles": ",".join(sorted(self.platform_roles)),
            "ig_purpose": self.purpose or "",
            "ig_request_id": self.request_id,
        }
        if self.scopes is not None:
            headers["ig_scopes"] = ",".join(sorted(self.scopes))
        return headers

    @classmethod
    def from_headers(cls, headers: dict[str, Any]) -> "Context":
        """Return the context that `to_headers` described.

        Raises ValueError when the headers are not of that form.
        """

        def names(key: str) -> frozenset[str]:
            return frozenset(part for part in str(headers.get(key) or "").split(",") if part)

        tenant = str(headers.get("ig_tenant_id") or "")
        return cls(
            actor=Actor(ActorKind(headers["ig_actor_kind"]), str(headers.get("ig_actor_id") or "")),
            tenant_id=UUID(tenant) if tenant else None,
            tenant_slug=str(headers.get("ig_tenant_slug") or ""),
            region=str(headers.get("ig_region") or ""),
            roles=names("ig_roles"),
            platform_roles=names("ig_platform_roles"),
            scopes=names("ig_scopes") if "ig_scopes" in headers else None,
            purpose=str(headers.get("ig_purpose") or "") or None,
            request_id=str(headers.get("ig_request_id") or "") or str(new_id()),
        )


def service_context(name: str, **more: Any) -> Context:
    """Return the context of one of our own processes, such as `relay` or `scheduler`."""
    return Context(actor=Actor(ActorKind.SERVICE, name, name), request_id=str(new_id()), **more)


_current: ContextVar[Context | None] = ContextVar("ig_context", default=None)


def current_context() -> Context | None:
    """Return the context that logs and spans of this task describe, or None outside any request or job."""
    return _current.get()


@contextmanager
def described_by(ctx: Context) -> Iterator[None]:
    """Let logs and spans inside the block carry `ctx`. Verbs never read it: they are handed theirs."""
    token = _current.set(ctx)
    try:
        yield
    finally:
        _current.reset(token)
