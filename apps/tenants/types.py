"""Words of tenancy."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class IsolationTier(StrEnum):
    """How far a tenant is set apart."""

    SHARED = "mt"
    DEDICATED = "st-ded"
    AIR_GAPPED = "air-gapped"


class TenantStatus(StrEnum):
    """Where a tenant is in its life."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    OFFBOARDING = "offboarding"
    CLOSED = "closed"


class RetentionTier(StrEnum):
    """How long data is kept."""

    SHORT = "short-30d"
    STANDARD = "standard-365d"
    LONG = "long-1825d"
    LEGAL_HOLD = "legal-hold"


PLANS = ("starter", "pro", "enterprise")
"""The plans of the catalogue, smallest first."""
DEFAULT_TIERS = (RetentionTier.SHORT, RetentionTier.STANDARD, RetentionTier.LONG)
"""Tiers that may be a tenant's default; a legal hold is laid on single things, for a reason."""
MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class TenantInfo:
    """A tenant as other apps see it."""

    id: UUID
    slug: str
    name: str
    home_region: str
    allowed_regions: tuple[str, ...]
    isolation_tier: str
    status: str
    plan: str
    retention_tier: str = RetentionTier.STANDARD.value
    version: int = 1

    @property
    def active(self) -> bool:
        """True when people and machines may enter."""
        return self.status == TenantStatus.ACTIVE
