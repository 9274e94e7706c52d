"""Events of the portal and the admin."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class AdminEntered(Event):
    """Someone of the platform's staff entered the admin, which works across tenants. Once per session."""

    name: ClassVar[str] = "portal.admin.entered"
    user_id: UUID
    platform_roles: tuple[str, ...]
    session: str


@dataclass(frozen=True, slots=True)
class FilterSaved(Event):
    """Somebody kept a list's filter under a name."""

    name: ClassVar[str] = "portal.filter.saved"
    filter_id: UUID
    list: str
    shared: bool


@dataclass(frozen=True, slots=True)
class FilterDeleted(Event):
    """Somebody deleted a kept filter."""

    name: ClassVar[str] = "portal.filter.deleted"
    filter_id: UUID
    list: str
    shared: bool


@dataclass(frozen=True, slots=True)
class ProposalMade(Event):
    """A member of staff proposed an act. `sha256` is of what was answered and what it changes."""

    name: ClassVar[str] = "portal.proposal.made"
    proposal_id: UUID
    model: str
    verb: str
    object_id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ProposalApplied(Event):
    """A second member of staff approved a proposal, and it was applied."""

    name: ClassVar[str] = "portal.proposal.applied"
    proposal_id: UUID
    model: str
    verb: str
    object_id: str
    made_by: UUID


@dataclass(frozen=True, slots=True)
class ProposalRejected(Event):
    """A proposal was closed without being applied."""

    name: ClassVar[str] = "portal.proposal.rejected"
    proposal_id: UUID
    model: str
    verb: str
    object_id: str
    made_by: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ProposalExpired(Event):
    """Nobody decided on a proposal in time."""

    name: ClassVar[str] = "portal.proposal.expired"
    proposal_id: UUID
    model: str
    verb: str
    object_id: str
    made_by: UUID
