"""Words of identity: roles, scopes, what authentication finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

STEP_UP_FRESHNESS = timedelta(minutes=15)
"""How long a second factor counts as given just now."""
SESSION_IP, SESSION_AGENT, SESSION_OPENED = "ig_ip", "ig_agent", "ig_authenticated_at"
"""Names under which a session's data carries where and when it was opened."""
NAME_LENGTH = 64
"""Longest name of a passkey, in characters; the device table keeps no more."""

SEND_INVITATION, SEND_WAITING = "identity.invitation.send", "identity.invitations.sweep"
SEND_RESET, SEND_PASSWORD_NOTICE = "identity.password_reset.send", "identity.password_notice.send"
EXPIRE_ACTING = "identity.acting.expire"
"""Names of background jobs."""


class Role(StrEnum):
    """What a member is in a tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    ANALYST = "analyst"
    READER = "reader"
    DEVELOPER = "developer"
    BILLING = "billing"
    DPO = "dpo"
    AUDITOR_TENANT = "auditor:tenant"
    AUDITOR_ORG = "auditor:org"


BELOW: dict[str, frozenset[str]] = {
    Role.ADMIN: frozenset({Role.ADMIN, Role.ANALYST, Role.READER, Role.DEVELOPER, Role.BILLING, Role.AUDITOR_TENANT}),
    Role.ANALYST: frozenset({Role.ANALYST, Role.READER}),
    Role.DEVELOPER: frozenset({Role.DEVELOPER, Role.ANALYST, Role.READER}),
}
"""The roles that lie within a role; any other holds itself alone. A `dpo` sees what an admin does not."""


class PlatformRole(StrEnum):
    """What platform staff are."""

    OPERATOR = "operator"
    SRE = "sre"
    FINOPS = "finops"
    CHANGE_BOARD = "change-board"
    SECURITY = "security"
    SUPPORT = "support"


class KeyScope(StrEnum):
    """Scope sets of API keys."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


SCOPE_ROLES: dict[str, frozenset[str]] = {
    KeyScope.READER: frozenset({Role.READER}),
    KeyScope.WRITER: frozenset({Role.ANALYST}),
    KeyScope.ADMIN: frozenset({Role.ADMIN}),
}
"""The roles that a key of a scope set acts with."""


class Outcome(StrEnum):
    """What came of an attempt to sign in."""

    SIGNED_IN = "signed in"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    LOCKED = "locked"
    CHANGED = "password changed"


class Method(StrEnum):
    """How somebody proved who they are."""

    PASSWORD = "password"  # noqa: S105  a word, no secret
    APP = "authenticator app"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery code"
    INVITATION = "invitation"
    RESET_LINK = "link by mail"


class ActingEnd(StrEnum):
    """How staff's time in a tenant ended."""

    STOPPED = "stopped"
    EXPIRED = "expired"
    BY_TENANT = "ended by the tenant"
    BY_STAFF = "ended by staff"


ACTING_ROLES: dict[bool, frozenset[str]] = {
    False: frozenset({Role.READER}),
    True: frozenset({Role.ANALYST, Role.READER}),
}
"""The roles that platform staff act with in a tenant: reading, or, where policy let them begin so, an analyst's."""


ACTING_PURPOSE = "platform-operations"
"""Why staff read what tenants hold: data that names other purposes is withheld from them."""


@dataclass(frozen=True, slots=True)
class ActingInfo:
    """The time in which somebody of the platform's staff may act in a tenant."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    staff_name: str
    reason: str
    wide: bool
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    ended_how: str

    @property
    def ref(self) -> str:
        """The id as text, for ids in pages."""
        return str(self.id)


@dataclass(frozen=True, slots=True)
class MembershipInfo:
    """A person's place in a tenant."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    email: str
    name: str
    roles: frozenset[str]
    active: bool


@dataclass(frozen=True, slots=True)
class InvitationInfo:
    """An invitation that was not accepted yet. `invited_by` is a reference to an actor."""

    id: UUID
    email: str
    roles: tuple[str, ...]
    invited_by: str
    asked_at: datetime
    sent_at: datetime | None
    expires_at: datetime

    @property
    def ref(self) -> str:
        """The id as text, for ids in pages."""
        return str(self.id)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an invitation's link offers to whoever holds it. `known`: the address has an account."""

    id: UUID
    tenant_name: str
    tenant_slug: str
    email: str
    roles: tuple[str, ...]
    inviter: str
    known: bool


@dataclass(frozen=True, slots=True)
class ApiKeyInfo:
    """An API key without its secret."""

    id: UUID
    tenant_id: UUID
    name: str
    prefix: str
    scope: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: UUID | None = None

    @property
    def ref(self) -> str:
        """The id as text, for ids in pages."""
        return str(self.id)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A new key with its secret, which is shown once and never again."""

    info: ApiKeyInfo
    token: str


@dataclass(frozen=True, slots=True)
class PasskeyInfo:
    """A passkey without its key. `synced`: the platform keeps copies of it (backup state)."""

    id: int
    name: str
    created_at: datetime | None
    last_used_at: datetime | None
    synced: bool
    persistent_id: str

    @property
    def key(self) -> str:
        """The id as text, for ids in pages."""
        return str(self.id)


@dataclass(frozen=True, slots=True)
class Ways:
    """How an account can confirm that it is its owner."""

    app: bool
    passkey: bool
    codes_left: int = 0

    @property
    def any(self) -> bool:
        """Whether there is a second factor at all."""
        return self.app or self.passkey

    @property
    def by_code(self) -> bool:
        """Whether something that can be typed confirms."""
        return self.app or (self.passkey and self.codes_left > 0)


@dataclass(frozen=True, slots=True)
class AppInfo:
    """An authenticator app without its secret."""

    id: int
    name: str
    created_at: datetime | None
    last_used_at: datetime | None

    @property
    def key(self) -> str:
        """The id as text, for ids in pages."""
        return str(self.id)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An authenticator app that is being added: its secret in base32 and the address that its picture carries."""

    secret: str
    address: str


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A browser's session, as its owner sees it."""

    id: UUID
    signed_in_at: datetime
    seen_at: datetime
    ip: str
    agent: str
    current: bool


@dataclass(frozen=True, slots=True)
class SignInInfo:
    """An attempt to sign in."""

    user_id: UUID
    at: datetime
    outcome: Outcome
    method: str
    reason: str
    ip: str
    agent: str


@dataclass(frozen=True, slots=True)
class IssuerInfo:
    """An identity provider that a tenant trusts."""

    id: UUID
    tenant_id: UUID
    name: str
    issuer: str
    jwks_url: str
    role_claim: str
    role_map: Mapping[str, str]
    active: bool
    created_at: datetime
    revoked: frozenset[bytes] = frozenset()

    @property
    def ref(self) -> str:
        """The id as text, for ids in pages."""
        return str(self.id)
