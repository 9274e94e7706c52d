"""Ingest over REST: send a source, follow the job, take its errors, stop it."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Header, Path, Query, Router

from apps.connectors import selectors, services
from apps.connectors.types import JobView
from apps.core.errors import NotFound
from apps.core.ids import parse_id
from apps.gateway.rest import schemas, uploads
from apps.gateway.rest.answers import json_answer
from apps.gateway.rest.door import Door, context_of
from apps.gateway.rest.downloads import download
from apps.gateway.rest.words import Name, Uuid

router = Router(tags=["Ingest"])
JSONL = "application/jsonl"
BASE = "/api/v1/ingest/jobs"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="Makes the request safe to send again: the same key with the same request returns the first job.",
    ),
]
Source = Annotated[Name, Path(description="The name of a mapping, such as `stix`.")]
JobId = Annotated[Uuid, Path(description="The job's id.")]
Flag = Literal["0", "1", "false", "true"]


def document_of(job: JobView) -> dict[str, Any]:
    """Return a job as REST gives it."""
    return {**job.as_document(), "errors_url": f"{BASE}/{job.id}/errors"}


def _known(job_id: str) -> str:
    if parse_id(job_id) is None:
        raise NotFound("there is no such ingest job", field="job_id")
    return job_id


@router.post(
    "/ingest/{source}",
    auth=Door("connectors.job.create"),
    response={202: schemas.IngestJob},
    operation_id="startIngest",
    summary="Send a source to be brought in",
)
def start(
    request: HttpRequest,
    source: Source,
    idempotency_key: IdempotencyKey = None,
    format: Annotated[
        Literal["csv", "jsonl", "stix"] | None,
        Query(
            description="What the source is written in, where its content type does not say and the mapping's format is not meant."
        ),
    ] = None,
    dry_run: Annotated[
        Flag, Query(description="`1`: write nothing; the job then counts and shows what would be written.")
    ] = "0",
    on_error: Annotated[
        Literal["keep", "refuse"] | None,
        Query(description="`keep`: good rows stay. `refuse`: one wrong row and nothing is written."),
    ] = None,
) -> HttpResponse:
    """The body is the file itself (plain or gzip, streamed, of any size up to 16 GiB) or a form with one file named `file`. The answer
    comes when the file is stored; a worker then brings it in. Follow the job at its `Location`."""
    said = uploads.check(request)
    job = services.start_ingest(
        context_of(request),
        source=source,
        content=uploads.content(request),
        format=format or (said if said in {"csv", "jsonl"} else None),
        dry_run=dry_run in {"1", "true"},
        on_error=on_error,
        idempotency_key=idempotency_key or "",
    )
    return json_answer(document_of(job), 202, {"Location": f"{BASE}/{job.id}"})


@router.get(
    "/ingest/jobs",
    auth=Door("connectors.job.read"),
    response={200: schemas.IngestJobs},
    operation_id="listIngestJobs",
    summary="List ingest jobs, newest first",
)
def jobs(
    request: HttpRequest,
    first: Annotated[int, Query(ge=1, le=200, description="How many.")] = 50,
    after: Annotated[Uuid | None, Query(description="The cursor `next` of the page before.")] = None,
    state: Annotated[
        Literal["queued", "running", "succeeded", "partial", "failed", "cancelled"] | None,
        Query(description="Only jobs in this state."),
    ] = None,
) -> HttpResponse:
    """Pages are linked by `next` and by a Link header."""
    page = selectors.jobs(context_of(request), first=first, after=after, state=state)
    headers = {}
    if page.end:
        more = f"&state={state}" if state else ""
        headers["Link"] = f'<{BASE}?first={first}&after={page.end}{more}>; rel="next"'
    return json_answer({"items": [document_of(job) for job in page.jobs], "next": page.end}, headers=headers)


@router.get(
    "/ingest/jobs/{job_id}",
    auth=Door("connectors.job.read"),
    response={200: schemas.IngestJob},
    operation_id="getIngestJob",
    summary="Follow an ingest job",
)
def job(request: HttpRequest, job_id: JobId) -> HttpResponse:
    """A job that is `queued` or `running` will change; ask again after `Retry-After` seconds."""
    found = selectors.job(context_of(request), _known(job_id))
    return json_answer(document_of(found), headers={} if found.state.final else {"Retry-After": "1"})


@router.get(
    "/ingest/jobs/{job_id}/errors",
    auth=Door("connectors.job.read", gives=JSONL),
    response={200: schemas.LongText},
    operation_id="getIngestErrors",
    summary="Download the rows that were refused",
    openapi_extra={"x-gives": JSONL},
)
def errors(request: HttpRequest, job_id: JobId) -> HttpResponseBase:
    """One JSON object a line: `row`, `code`, `message` and, where known, `mend`, `column`, `part`, `offset`. Empty when no row was refused."""
    ctx = context_of(request)
    return download(
        ctx, selectors.row_errors(ctx, _known(job_id)), content_type=JSONL, filename=f"errors-{job_id}.jsonl"
    )


@router.post(
    "/ingest/jobs/{job_id}/cancel",
    auth=Door("connectors.job.create"),
    response={202: schemas.IngestJob},
    operation_id="cancelIngestJob",
    summary="Stop an ingest job",
)
def cancel(request: HttpRequest, job_id: JobId) -> HttpResponse:
    """What was written stays. A job at work stops after the batch at hand; one that has ended is answered as it is, so sending this again does no harm."""
    found = services.cancel(context_of(request), job_id=parse_id(_known(job_id)))  # type: ignore[arg-type]  # _known refuses others
    return json_answer(document_of(found), 202, {"Location": f"{BASE}/{found.id}"})
