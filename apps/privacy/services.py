"""Verbs of privacy: ask for a subject to be erased."""

import hashlib
import hmac

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.ids import new_id
from apps.core.scope import require_tenant_id
from apps.privacy.events import ErasureRequested
from apps.privacy.models import RtbfRequest
from apps.privacy.selectors import request_info
from apps.privacy.types import MAX_SUBJECT, ErasureRequest, ErasureScope, ErasureStatus


def subject_hash(ctx: Context, subject_id: str) -> str:
    """Return a keyed hash of a subject: equal for equal subjects of one tenant, and computable by nobody else."""
    key = hashlib.sha256(b"ig-subject\n" + require_tenant_id().bytes + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, subject_id.encode(), hashlib.sha256).hexdigest()[:32]


def request_erasure(ctx: Context, *, subject_id: str, scope: str) -> ErasureRequest:
    """Put a request to erase a subject into the tenant's queue and the ledger; an open one of the same kind is returned.

    Raises InvalidInput for an empty, overlong or unreadable subject and for an unknown scope.
    """
    subject = subject_id.strip()
    if not subject or len(subject) > MAX_SUBJECT or "\x00" in subject:
        raise InvalidInput(f"subjectId must be 1 to {MAX_SUBJECT} characters without U+0000", field="subjectId")
    if scope not in set(ErasureScope):
        raise InvalidInput(f"scope must be one of {', '.join(ErasureScope)}", field="scope")
    open_ones = RtbfRequest.objects.filter(subject_id=subject, scope=scope, status=ErasureStatus.QUEUED)
    try:
        with transaction.atomic():
            standing = open_ones.first()
            if standing is not None:
                return request_info(standing)
            row = RtbfRequest.objects.create(
                id=new_id(), subject_id=subject, scope=scope, requested_by=ctx.actor.ref, requested_at=ctx.now
            )
            bus.record(ctx, ErasureRequested(row.id, subject_hash(ctx, subject), scope))
    except IntegrityError:
        # Another request for the same subject was committed in between: that one stands.
        return request_info(open_ones.get())
    return request_info(row)
