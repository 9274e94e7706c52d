"""The ledger over REST: checkpoints, proofs, export."""

from base64 import b64encode
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from apps.core.clock import iso
from apps.gateway.rest import schemas
from apps.gateway.rest.answers import json_answer
from apps.gateway.rest.door import Door, context_of
from apps.gateway.rest.downloads import download
from apps.gateway.rest.words import MAX_INTEGER
from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.types import CheckpointRow
from apps.tenants.base import require_tenant_id
from apps.vault import selectors as vault
from apps.vault import services as vault_services

router = Router(tags=["Ledger"])
JSONL = "application/jsonl"
GZIP = "application/gzip"
BASE = "/api/v1/ledger/checkpoints"

Number = Annotated[int, Query(ge=1, le=MAX_INTEGER, description="The record's number.")]


def document_of(row: CheckpointRow) -> dict[str, Any]:
    """Return a checkpoint as REST gives it."""
    return {
        "size": row.size,
        "root": row.root.hex(),
        "head": row.head.hex(),
        "at": iso(row.at),
        "key_id": row.key_id,
        "note": row.note,
        "signature": b64encode(row.signature).decode(),
    }


@router.get(
    "/ledger/checkpoints",
    auth=Door("ledger.record.read"),
    response={200: schemas.Checkpoints},
    operation_id="listCheckpoints",
    summary="List signed checkpoints, newest first",
)
def checkpoints(
    request: HttpRequest,
    first: Annotated[int, Query(ge=1, le=200, description="How many.")] = 50,
    after: Annotated[
        int | None, Query(ge=1, le=MAX_INTEGER, description="The cursor `next` of the page before: a size.")
    ] = None,
) -> HttpResponse:
    """A checkpoint is signed every minute in which the ledger grew."""
    rows = selectors.checkpoints_before(require_tenant_id(), after, limit=first + 1)
    more = str(rows[first - 1].size) if len(rows) > first else None
    headers = {"Link": f'<{BASE}?first={first}&after={more}>; rel="next"'} if more else {}
    return json_answer({"items": [document_of(row) for row in rows[:first]], "next": more}, headers=headers)


@router.get(
    "/ledger/proof",
    auth=Door("ledger.record.read"),
    response={200: schemas.Proof},
    operation_id="proveRecord",
    summary="Prove that a record stands in a signed checkpoint",
)
def proof(
    request: HttpRequest,
    number: Number,
    position: Annotated[
        int | None, Query(ge=0, le=MAX_INTEGER, description="An item of the record, counted from 0.")
    ] = None,
    size: Annotated[
        int | None,
        Query(
            ge=1,
            le=MAX_INTEGER,
            description="The checkpoint to prove against; the first that covers the record when left out.",
        ),
    ] = None,
) -> HttpResponse:
    """The document holds everything that is needed to check it offline with `ig-ledger verify`."""
    found = ledger.prove(require_tenant_id(), number, keys=vault.key_documents(), position=position, size=size)
    return json_answer(found)


@router.get(
    "/ledger/export",
    auth=Door("ledger.export", gives=JSONL),
    response={200: schemas.LongText},
    operation_id="exportLedger",
    summary="Download the ledger",
    openapi_extra={"x-gives": JSONL},
)
def export(
    request: HttpRequest,
    after: Annotated[int, Query(ge=0, le=MAX_INTEGER, description="Only records numbered above this.")] = 0,
    packed: Annotated[Literal["0", "1", "false", "true"], Query(description="`1`: as a gzip file.")] = "0",
) -> HttpResponseBase:
    """JSON Lines that `ig-ledger verify` checks offline: keys, records, items, checkpoints."""
    ctx = context_of(request)
    tenant_id = require_tenant_id()
    wanted = packed in {"1", "true"}
    parts = vault_services.export_ledger(ctx, tenant_id=tenant_id, after=after, packed=wanted)
    name = f"ledger-{ctx.tenant_slug}-{ctx.now:%Y%m%dT%H%M%SZ}.jsonl"
    if wanted:
        return download(ctx, parts, content_type=GZIP, filename=f"{name}.gz")
    return download(ctx, parts, content_type=JSONL, filename=name)
