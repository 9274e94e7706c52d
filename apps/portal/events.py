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
