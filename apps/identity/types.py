"""Words of identity: roles, scopes, what authentication finds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


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


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A new key with its secret, which is shown once and never again."""

    info: ApiKeyInfo
    token: str
