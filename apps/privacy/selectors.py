"""Reads of privacy, of the tenant in scope."""

from uuid import UUID

from apps.core.context import Context
from apps.privacy.models import RtbfRequest
from apps.privacy.types import ErasureRequest


def request_info(row: RtbfRequest) -> ErasureRequest:
    """Return a row as other apps see it."""
    return ErasureRequest(row.id, row.subject_id, row.scope, row.status, row.requested_at, row.completed_at)


def erasure_request(ctx: Context, request_id: UUID) -> ErasureRequest | None:
    """Return a request, or None."""
    row = RtbfRequest.objects.filter(id=request_id).first()
    return request_info(row) if row else None


def erasure_requests(ctx: Context, *, status: str | None = None, first: int = 100) -> list[ErasureRequest]:
    """Return requests, oldest first, perhaps of one status."""
    rows = RtbfRequest.objects.order_by("requested_at", "id")
    if status is not None:
        rows = rows.filter(status=status)
    return [request_info(row) for row in rows[:first]]
