"""What the roof hands in to the admin of every app: permission, names, history. Low floors import nothing of it.

The site (in `apps.portal`) is a `Roof`. It puts the caller's `Context` on each request before a view runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

from django.http import HttpRequest

from apps.core.context import Context


@dataclass(frozen=True, slots=True)
class Trail:
    """Where the ledger tells of one thing: records of `types` in the tenant's ledger whose data holds `value` at `key`.

    An empty `key` means every record of these types.
    """

    tenant_id: UUID
    types: tuple[str, ...]
    key: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One change of a thing whose documents are kept: where its record is, what stood before and after.

    A document is None where there was nothing, or where it was erased. `hidden` values are withheld from staff: only the
    names of changed fields are told.
    """

    record_id: int
    number: int
    hash: bytes
    op: str
    version: int
    actor: str
    at: datetime
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    hidden: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody proposes: a verb of a model on one row (`key` is empty when it creates), what it would change.

    `answers` are the form's values as they were sent, so that the form judges them again before they are applied.
    """

    model: str
    verb: str
    label: str
    action: str
    key: str
    about: str
    tenant_id: UUID | None
    answers: Mapping[str, list[str]]
    changes: Sequence[tuple[str, str, str]]


class Roof(Protocol):
    """The site as apps' admin sees it."""

    name: str

    def may(self, request: HttpRequest, action: str) -> bool:
        """Return whether the caller may do `action`, perhaps after giving a second factor again."""

    def require(self, request: HttpRequest, action: str) -> None:
        """Check that the caller may do `action` now. Raises Forbidden, StepUpRequired."""

    def opens(self, request: HttpRequest, model: str) -> bool:
        """Return whether the caller may open the pages of a model, by `app.model`; what they may not open is no link."""

    def tenant_labels(self, ids: Iterable[UUID]) -> Mapping[UUID, str]:
        """Return the slug of each of these tenants, and a word for the platform's own ledger."""

    def tenant_id_of(self, text: str) -> UUID | None:
        """Return the tenant of that slug or id (`platform` for the platform's own ledger), or None."""

    def told_by(self, request: HttpRequest, trail: Trail) -> Sequence[Any]:
        """Return what the ledger tells, newest first, as items of the timeline component."""

    def versions_told(self, request: HttpRequest, versions: Sequence[Version]) -> Sequence[Any]:
        """Return the versions of a thing as items of the timeline component."""

    def propose(self, request: HttpRequest, draft: Draft) -> str:
        """Keep a proposal for a second person and return the address of its page. Raises Forbidden, Conflict."""

    def actor_labels(self, refs: Iterable[str]) -> Mapping[str, str]:
        """Return who is behind references such as `user:0192…`, in words."""


def context_of(request: HttpRequest) -> Context:
    """Return the context that the site put on the request."""
    return cast(Context, request.ig_ctx)  # type: ignore[attr-defined]


def tenant_of(row: Any) -> UUID:
    """Return the tenant that a tenant-owned row belongs to; the column is never null."""
    return cast(UUID, row.tenant_id)
