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
