"""Starting jobs, stopping them, finding those whose worker died."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.bus import services as bus
from apps.connectors import selectors
from apps.connectors.errors import IdempotencyMismatch
from apps.connectors.events import IngestRequested
from apps.connectors.mapping import document as documents
from apps.connectors.models import IngestJob
from apps.connectors.services import finishing
from apps.connectors.types import RUN_JOB, Format, JobState, JobView, MappingView, OnError, Phase
from apps.core.context import Actor, ActorKind, Context
from apps.core.errors import InvalidInput, NotFound, PayloadTooLarge, Unavailable
from apps.core.ids import new_id
from apps.core.jobs import enqueue_named
from apps.core.routers import write_alias
from apps.core.scope import system_scope
from apps.flags import selectors as flags
from apps.tenants import selectors as tenants
from apps.vault import services as vault
from apps.vault.types import StoredObject

MAX_SOURCE_BYTES = 16 << 30
PAUSE_FLAG = "connectors.ingest"
RESEND_AFTER = timedelta(seconds=60)


def start_ingest(
    ctx: Context,
    *,
    source: str,
    content: Iterable[bytes],
    mapping: str | None = None,
    format: str | None = None,
    dry_run: bool = False,
    on_error: str | None = None,
    idempotency_key: str = "",
    enqueue: bool = True,
) -> JobView:
    """Store a source and make the job that brings it in; with `enqueue` a worker takes it from here.

    `source` names the mapping unless `mapping` does. `content` is the file in parts, plain or gzipped. `format` (csv,
    jsonl) replaces the one of the mapping. `on_error` is `keep` (good rows stay, the default unless the mapping says
    otherwise) or `refuse` (the source is checked as a whole first; one wrong row and nothing is written). The same
    idempotency key with the same request returns the first job.

    Raises NotFound for an unknown mapping, InvalidInput for an empty source or an option that does not fit,
    PayloadTooLarge, IdempotencyMismatch when the key was used for another request, Unavailable while the flag
    `connectors.ingest` is off for the tenant, and what the object store raises.
    """
    if not flags.is_on(ctx, PAUSE_FLAG, True):
        raise Unavailable("new imports are paused", mend="Send it again later; what runs goes on.")
    view = selectors.mapping(ctx, mapping or source)
    document = _adjusted(view, format, on_error)
    if len(idempotency_key) > 255:
        raise InvalidInput("the idempotency key is longer than 255 characters", field="idempotency_key")
    stored = vault.put_object(
        ctx, content=_bounded(content), content_type="application/octet-stream", retention_tier=finishing.RETENTION
    )
    if not stored.size_bytes:
        vault.delete_object(ctx, object_id=stored.id)
        raise InvalidInput("the source is empty", field="body", mend="Send the file as the body of the request.")
    fingerprint = _fingerprint(source, view, document, stored, dry_run)
    found = _made_before(idempotency_key, fingerprint) if idempotency_key else None
    if found is None:
        try:
            return _make(ctx, source, view, document, stored, dry_run, idempotency_key, fingerprint, enqueue)
        except IntegrityError:  # another request with the key was a moment faster
            found = _made_before(idempotency_key, fingerprint)
            if found is None:
                raise
    vault.delete_object(ctx, object_id=stored.id)
    return found


def cancel(ctx: Context, *, job_id: UUID) -> JobView:
    """Stop a job: at once when nobody works on it, else after the batch at hand. What was written stays.

    An ended job is returned as it is. Raises NotFound.
    """
    with transaction.atomic(using=write_alias()):
        row = IngestJob.objects.select_for_update().filter(id=job_id).first()
        if row is None:
            raise NotFound("there is no such ingest job", field="id")
        if not JobState(row.state).final:
            idle = IngestJob.objects.filter(id=job_id).filter(Q(lease_until=None) | Q(lease_until__lt=Now())).exists()
            if idle:
                finishing.finish(ctx, row, JobState.CANCELLED)
            elif not row.cancel_requested:
                row.cancel_requested = True
                row.save(update_fields=["cancel_requested"])
    return selectors.job_view(row)


def sweep(ctx: Context) -> int:
    """Put every tenant's jobs that nobody works on into the queue again; return how many.

    A job whose lease has ended is sent at once, and again after a minute; one that nobody took yet, after a minute.
    """
    lost = Q(state__in=selectors.OPEN_STATES) & (Q(lease_until=None) | Q(lease_until__lt=Now()))
    unsent = Q(sent_at=None) | Q(sent_at__lt=F("lease_until")) | Q(sent_at__lt=Now() - RESEND_AFTER)
    with system_scope("connectors.sweep"), transaction.atomic(using=write_alias()):
        rows = list(IngestJob.objects.select_for_update(skip_locked=True).filter(lost & unsent).order_by("id")[:1_000])
        homes = {tenant.id: tenant for tenant in tenants.by_ids([row.tenant_id for row in rows])}
        for row in rows:
            home = homes[row.tenant_id]
            enqueue_named(
                ctx.but(
                    actor=_actor(row.requested_by),
                    tenant_id=home.id,
                    tenant_slug=home.slug,
                    region=home.home_region,
                    purpose=row.purpose or None,
                ),
                RUN_JOB,
                job_id=str(row.id),
            )
        IngestJob.objects.filter(id__in=[row.id for row in rows]).update(sent_at=Now())
    return len(rows)


def _adjusted(view: MappingView, format: str | None, on_error: str | None) -> dict[str, Any]:
    """Return the mapping's document with the options of the request. Raises InvalidInput, MappingInvalid."""
    document = dict(view.document)
    if on_error is not None:
        if on_error not in set(OnError):
            raise InvalidInput(f"{on_error!r} is not one of keep, refuse", field="on_error")
        document["onError"] = on_error
    if format is not None and format != document["format"]:
        if format not in set(Format):
            raise InvalidInput(f"{format!r} is no format", field="format", mend=f"Use one of {', '.join(Format)}.")
        if Format.STIX in (format, document["format"]):
            raise InvalidInput(f"the mapping {view.name!r} is for {document['format']}, not {format}", field="format")
        document["format"] = format
        if format == Format.JSONL:
            document.pop("options", None)
        documents.check(document)
    return document


def _bounded(content: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in content:
        size += len(part)
        if size > MAX_SOURCE_BYTES:
            raise PayloadTooLarge(f"the source is larger than {MAX_SOURCE_BYTES} bytes", mend="Send it in parts.")
        yield part


def _fingerprint(source: str, view: MappingView, document: dict[str, Any], stored: StoredObject, dry_run: bool) -> str:
    parts = [source, view.name, documents.digest(document), stored.sha256, dry_run]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def _made_before(idempotency_key: str, fingerprint: str) -> JobView | None:
    row = IngestJob.objects.filter(idempotency_key=idempotency_key).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise IdempotencyMismatch(
            "the idempotency key was used for another request",
            field="idempotency_key",
            mend="Use a new key for a new request.",
        )
    return selectors.job_view(row)


def _make(
    ctx: Context,
    source: str,
    view: MappingView,
    document: dict[str, Any],
    stored: StoredObject,
    dry_run: bool,
    idempotency_key: str,
    fingerprint: str,
    enqueue: bool,
) -> JobView:
    checked_first = dry_run or document.get("onError") == OnError.REFUSE
    with transaction.atomic(using=write_alias()):
        row = IngestJob(
            id=new_id(),
            source=source[:500],
            format=document["format"],
            mapping_name=view.name,
            mapping_version=view.version,
            mapping_sha256=documents.digest(document),
            mapping_document=document,
            object_id=stored.id,
            object_sha256=stored.sha256,
            object_bytes=stored.size_bytes,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            dry_run=dry_run,
            on_error=document.get("onError", OnError.KEEP.value),
            phase=(Phase.CHECK if checked_first else Phase.ENTITIES).value,
            requested_by=ctx.actor.ref,
            purpose=ctx.purpose or "",
            requested_at=ctx.now,
            sent_at=ctx.now,
        )
        row.save(force_insert=True)
        bus.record(
            ctx,
            IngestRequested(
                row.id,
                row.source,
                view.name,
                view.version,
                row.mapping_sha256,
                stored.sha256,
                stored.size_bytes,
                dry_run,
            ),
        )
        if enqueue:
            enqueue_named(ctx, RUN_JOB, job_id=str(row.id))
    return selectors.job_view(row)


def _actor(ref: str) -> Actor:
    kind, _, name = ref.partition(":")
    return Actor(ActorKind(kind), name)
