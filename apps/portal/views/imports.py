"""Imports: data brought in, what became of each row, and the form that starts one."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from apps.connectors import selectors as connectors
from apps.connectors import services as connectors_services
from apps.connectors.types import JobState, JobView
from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput, NotFound, PayloadTooLarge
from apps.portal import actors, door, figures, shown
from apps.portal.context import density_of
from apps.portal.forms import ImportForm
from apps.portal.tables import ListQuery, Table
from apps.portal.types import Badge, Cell, Column, Crumb, Empty, Filter, Option, Row, Step, Tone, Work

PAGE = 50
FIRST_ERRORS = 50
STATES: dict[JobState, Badge] = {
    JobState.QUEUED: Badge(JobState.QUEUED.words, Tone.NEUTRAL, "circle-dashed"),
    JobState.RUNNING: Badge(JobState.RUNNING.words, Tone.ACCENT, "loader-circle"),
    JobState.SUCCEEDED: Badge(JobState.SUCCEEDED.words, Tone.OK, "circle-check"),
    JobState.PARTIAL: Badge(JobState.PARTIAL.words, Tone.WARN, "triangle-alert"),
    JobState.FAILED: Badge(JobState.FAILED.words, Tone.DANGER, "circle-x"),
    JobState.CANCELLED: Badge(JobState.CANCELLED.words, Tone.NEUTRAL, "circle-slash"),
}
PHASES = (("check", "Checked as a whole"), ("entities", "Entities"), ("edges", "Relations"))


def _row(ctx: Context, job: JobView, names: dict[str, str]) -> Row:
    progress = f"{100 * job.progress:.0f} %" if job.state is JobState.RUNNING else ""
    return Row(
        str(job.id),
        {
            "source": Cell(
                job.source,
                href=reverse("portal:import", args=[ctx.tenant_slug, job.id]),
                icon="file-search" if job.dry_run else "import",
                note="dry run" if job.dry_run else "",
            ),
            "state": Cell(badge=STATES[job.state], note=progress),
            "read": Cell(figures.grouped(job.rows.read)),
            "written": Cell(figures.grouped(job.rows.created + job.rows.updated)),
            "rejected": Cell(figures.grouped(job.rows.rejected)),
            "size": Cell(figures.size(job.size_bytes)),
            "who": Cell(names.get(job.requested_by, job.requested_by)),
            "at": Cell(at=job.requested_at),
        },
    )


@require_safe
@door.tenant_page("connectors.job.read", "imports")
def imports(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The imports, newest first."""
    query = ListQuery.parse(request.path, request.GET.dict(), filters=("state",), sorts=())
    chosen = query.filters.get("state", "")
    page = connectors.jobs(ctx, first=PAGE, after=query.after or None, state=chosen or None)
    names = actors.names_of(ctx, {job.requested_by for job in page.jobs})
    may_create = door.may(ctx, "connectors.job.create")
    new_href = reverse("portal:import-new", args=[ctx.tenant_slug])
    empty = (
        Empty(
            "No import in this state", "Imports of every state are in the whole list.", "import", "Show all", query.path
        )
        if chosen
        else Empty(
            "Nothing brought in yet",
            "Files that you bring in will be listed here, with what became of every row.",
            "import",
            "Bring in data" if may_create else "",
            new_href,
        )
    )
    table = Table(
        id="imports",
        caption="Imports",
        query=query,
        columns=(
            Column("source", "Source", matters=True, optional=False),
            Column("state", "State", matters=True, tight=True),
            Column("read", "Rows read", numeric=True),
            Column("written", "Written", numeric=True),
            Column("rejected", "Rejected", numeric=True),
            Column("size", "Size", numeric=True, tight=True),
            Column("who", "Who"),
            Column("at", "When", tight=True),
        ),
        rows=tuple(_row(ctx, job, names) for job in page.jobs),
        empty=empty,
        filters=(Filter("state", "State", tuple(Option(s.value, STATES[s].label) for s in JobState), chosen),)
        if page.jobs or chosen
        else (),
        next_cursor=page.end or "",
        noun="import",
        density=density_of(request),
    )
    working = any(not job.state.final for job in page.jobs)
    return render(
        request,
        "portal/imports.html",
        {
            "table": table,
            "may_create": may_create,
            "new_href": new_href,
            "working": working,
            "slug": ctx.tenant_slug,
        },
    )


def _work(ctx: Context, job: JobView) -> Work:
    """Return the steps of a job: those done, the one at hand, those to come."""
    checked = job.dry_run or job.on_error == "refuse"
    names = [name for name, _ in PHASES]
    at = len(names) if job.phase == "done" or job.state is JobState.SUCCEEDED else names.index(job.phase)
    steps = [Step("Received", "done", figures.size(job.size_bytes))]
    for index, (name, label) in enumerate(PHASES):
        if (name == "check" and not checked) or (name != "check" and job.dry_run):
            continue
        if index < at:
            state = "done"
        elif index > at or job.state is JobState.QUEUED:
            state = "todo"
        elif job.state.final:
            state = "failed"
        else:
            state = "current"
        steps.append(Step(label, state, _counts(job, name)))
    cancel = "" if job.state.final else reverse("portal:import-cancel", args=[ctx.tenant_slug, job.id])
    return Work(
        f"Bringing in {job.source}",
        tuple(steps),
        None if job.state.final else 100 * job.progress,
        cancel_href=cancel if door.may(ctx, "connectors.job.create") else "",
        cancel_loses="What is in stays; the rest is not read.",
    )


def _counts(job: JobView, phase: str) -> str:
    if phase == "check":
        return figures.plural(job.rows.read, "row")
    counts = job.entities if phase == "entities" else job.edges
    said = [
        f"{figures.grouped(counts[key])} {key}"
        for key in ("created", "updated", "unchanged", "rejected")
        if counts[key]
    ]
    return ", ".join(said)


@require_safe
@door.tenant_page("connectors.job.read", "imports")
def import_page(request: HttpRequest, ctx: Context, job_id: UUID) -> HttpResponse:
    """One import: how far it is, what became of its rows, what was wrong."""
    job = connectors.job(ctx, job_id)
    errors = connectors.first_errors(ctx, job_id, first=FIRST_ERRORS)
    names = actors.names_of(ctx, {job.requested_by})
    return render(
        request,
        "portal/import.html",
        {
            "job": job,
            "badge": STATES[job.state],
            "work": _work(ctx, job),
            "who": names.get(job.requested_by, job.requested_by),
            "facts": (
                ("Rows read", figures.grouped(job.rows.read)),
                ("Created", figures.grouped(job.rows.created)),
                ("Updated", figures.grouped(job.rows.updated)),
                ("Unchanged", figures.grouped(job.rows.unchanged)),
                ("Skipped by the mapping", figures.grouped(job.rows.skipped)),
                ("Rejected", figures.grouped(job.rows.rejected)),
            ),
            "examples": tuple(shown.as_json(example) for example in job.examples),
            "errors": errors,
            "crumbs": (Crumb("Imports", reverse("portal:imports", args=[ctx.tenant_slug])),),
            "slug": ctx.tenant_slug,
        },
    )


@require_http_methods(["GET", "POST"])
@door.tenant_page("connectors.job.create", "imports")
def import_new(request: HttpRequest, ctx: Context) -> HttpResponseBase:
    """Bring in a file: which one, by which mapping, and what becomes of good rows when others are bad."""
    mappings = [(one.name, one.name) for one in connectors.mappings(ctx)]
    form = ImportForm(request.POST or None, request.FILES or None, mappings=mappings)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            job = connectors_services.start_ingest(
                ctx,
                source=given["mapping"],
                content=given["file"].chunks(),
                on_error=given["on_error"],
                dry_run=given["dry_run"],
                idempotency_key=f"form {given['key']}",
            )
        except (InvalidInput, NotFound, Conflict, PayloadTooLarge) as error:
            form.add_error(
                "mapping" if error.field in {"mapping", "format"} else "file", _sentence(error.message, error.mend)
            )
        else:
            return HttpResponseRedirect(reverse("portal:import", args=[ctx.tenant_slug, job.id]))
    return render(
        request,
        "portal/import_new.html",
        {
            "form": form,
            "slug": ctx.tenant_slug,
            "crumbs": (Crumb("Imports", reverse("portal:imports", args=[ctx.tenant_slug])),),
        },
        status=422 if form.errors else 200,
    )


def _sentence(message: str, mend: str | None) -> str:
    return f"{message[:1].upper()}{message[1:]}." + (f" {mend}" if mend else "")


@require_POST
@door.tenant_page("connectors.job.create", "imports")
def import_cancel(request: HttpRequest, ctx: Context, job_id: UUID) -> HttpResponse:
    """Stop an import. What is in stays."""
    connectors_services.cancel(ctx, job_id=job_id)
    return HttpResponseRedirect(reverse("portal:import", args=[ctx.tenant_slug, job_id]))


@require_GET
@door.tenant_page("connectors.job.read", "imports")
def import_errors(request: HttpRequest, ctx: Context, job_id: UUID) -> StreamingHttpResponse:
    """All row errors of an import as JSON Lines."""
    lines = door.streamed(ctx, connectors.row_errors(ctx, job_id))
    response = StreamingHttpResponse(lines, content_type="application/jsonl")
    response["Content-Disposition"] = f'attachment; filename="import-{job_id}.errors.jsonl"'
    return response
