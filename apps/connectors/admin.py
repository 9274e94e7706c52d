"""Ingest in the admin: jobs with their first errors, batches and counters, and mappings with their versions."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.connectors import services
from apps.connectors.events import IngestFinished, IngestRequested, IngestStarted
from apps.connectors.models import IngestBatch, IngestJob, IngestMapping, IngestRowError
from apps.connectors.types import Format, JobState
from apps.core.admin import Outcome, PlatformAdmin, Trail, Verb, filters, shown, tenant_of
from apps.core.context import Context
from apps.core.scope import tenant_scope

STATES = {
    JobState.QUEUED: ("neutral", "clock"),
    JobState.RUNNING: ("info", "loader-circle"),
    JobState.SUCCEEDED: ("ok", "circle-check"),
    JobState.PARTIAL: ("warn", "triangle-alert"),
    JobState.FAILED: ("danger", "circle-x"),
    JobState.CANCELLED: ("neutral", "ban"),
}
FIRST = 50
LARGE = ("mapping_document", "examples")
"""Fields that lists do not read."""


def _cancel(ctx: Context, row: IngestJob, answers: dict[str, Any]) -> Outcome:
    with tenant_scope(tenant_of(row)):
        services.cancel(ctx.but(tenant_id=tenant_of(row)), job_id=row.id)
    return Outcome(f"The job on {row.source} ends after the batch at hand.", row.pk)


@admin.register(IngestJob)
class IngestJobAdmin(PlatformAdmin):
    """Sources being brought in."""

    noun, nouns = "import", "imports"
    read_action = "platform.ingest.read"
    about = "Sources that tenants bring in. A job whose worker dies is taken up again where it stood."
    empty = "No job fits."
    tenant_column = "tenant_id"
    search_hint = "id of the job"
    list_display = (
        "source",
        "tenant_label",
        "state_mark",
        "done",
        "rows_read",
        "rows_rejected",
        "attempts",
        "requested_at",
    )
    list_matters = ("source", "state_mark")
    list_numeric = ("done", "rows_read", "rows_rejected", "attempts")
    list_filter = (
        filters.choice("state", "state", [(s.value, s.value) for s in JobState]),
        filters.choice("format", "format", [(f.value, f.value) for f in Format]),
        filters.TenantFilter,
    )
    detail = (
        ("Job", ("source", "tenant_label", "state_mark", "phase", "done", "format", "dry_run", "on_error", "purpose")),
        (
            "Rows",
            (
                "rows_read",
                "rows_created",
                "rows_updated",
                "rows_unchanged",
                "rows_rejected",
                "rows_skipped",
                "duplicates",
                "references_outside",
                "bytes",
            ),
        ),
        ("Who works on it", ("requester", "requested_at", "started_at", "finished_at", "attempts", "lease_until")),
        ("From", ("mapping_name", "mapping_version", "mapping_sha256", "object_id", "object_sha256")),
        ("Why it failed", ("failure",)),
    )
    verbs = (
        Verb(
            "cancel",
            "Cancel",
            "platform.ingest.cancel",
            run=_cancel,
            icon="ban",
            danger=True,
            bulk=True,
            unfit=lambda row: "it has ended" if JobState(row.state).final else "",
            consequences=lambda rows: (
                "The batch at hand is finished; the rows after it are not brought in.",
                "What was written stays, and is in the tenant's ledger. The same source can be brought in again.",
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[IngestJob]:
        """Jobs without their large documents."""
        return cast("QuerySet[IngestJob]", super().get_queryset(request)).defer(*LARGE)

    def prepare(self, request: HttpRequest, rows: Sequence[IngestJob]) -> None:
        """Read who asked for them."""
        super().prepare(request, rows)
        names = self.roof.actor_labels({row.requested_by for row in rows})
        for row in rows:
            row.__dict__["ig_requester"] = names.get(row.requested_by, row.requested_by)

    @admin.display(description="state")
    def state_mark(self, obj: IngestJob) -> shown.Mark:
        """The state with its tone."""
        return shown.Mark(obj.state, *STATES[JobState(obj.state)])

    @admin.display(description="source read")
    def done(self, obj: IngestJob) -> shown.Amount:
        """How much of the source was read."""
        return shown.Amount(round(100 * obj.progress), "%")

    @admin.display(description="read")
    def bytes(self, obj: IngestJob) -> shown.Amount:
        """Bytes of the source that were read."""
        return shown.Amount(obj.bytes_read, size=True)

    @admin.display(description="asked for by")
    def requester(self, obj: IngestJob) -> str:
        """Who asked for it."""
        return str(obj.__dict__["ig_requester"])

    def panels(self, request: HttpRequest, obj: IngestJob) -> Sequence[shown.Panel]:
        """The first row errors and the newest batches."""
        errors = [
            (one.row, one.column, shown.Text(one.code, code=True), one.message, one.mend)
            for one in IngestRowError.objects.filter(job_id=obj.pk, tenant_id=obj.tenant_id).order_by("sequence")[
                :FIRST
            ]
        ]
        batches = [
            (
                one.number,
                one.phase,
                one.to_row,
                one.written,
                one.rejected,
                shown.Link(str(one.record_id), self.address_of("ledger.record", one.record_id))
                if one.record_id
                else None,
                one.committed_at,
            )
            for one in IngestBatch.objects.filter(job_id=obj.pk, tenant_id=obj.tenant_id)
            .defer("errors")
            .order_by("-number")[:FIRST]
        ]
        return (
            shown.Panel(
                "Row errors",
                ("Row", "Column", "Code", "What is wrong", "How to mend it"),
                errors,
                "No row was refused.",
                f"first {FIRST} of {obj.error_count:,}" if obj.error_count > FIRST else "",
            ),
            shown.Panel(
                "Batches",
                ("Number", "Phase", "Up to row", "Written", "Refused", "Record", "Committed"),
                batches,
                "No batch is written so far.",
                f"newest {FIRST}",
            ),
        )

    def trail(self, obj: IngestJob) -> Trail:
        """The tenant's ledger tells of its jobs."""
        return Trail(
            tenant_of(obj), (IngestRequested.name, IngestStarted.name, IngestFinished.name), "job_id", str(obj.pk)
        )


@admin.register(IngestMapping)
class IngestMappingAdmin(PlatformAdmin):
    """How rows become entities and edges."""

    noun, nouns = "mapping", "mappings"
    read_action = "platform.ingest.read"
    about = "How rows of a source become entities and relations. Versions never change; the newest of a name is used."
    empty = "No tenant has saved a mapping of its own."
    tenant_column = "tenant_id"
    search_hint = "id of the mapping"
    list_display = ("name", "version", "tenant_label", "fingerprint", "created_at")
    list_matters = ("name", "version")
    list_numeric = ("version",)
    list_filter = (filters.TenantFilter, filters.exact("name", "name", "its name", within_tenant=True))
    detail = (
        ("Mapping", ("name", "version", "tenant_label", "created_at", "created_by", "sha256_copy")),
        ("Document", ("document",)),
    )

    @admin.display(description="SHA-256")
    def fingerprint(self, obj: IngestMapping) -> shown.Hash:
        """The beginning of its hash."""
        return shown.Hash(obj.sha256, "SHA-256")

    @admin.display(description="SHA-256")
    def sha256_copy(self, obj: IngestMapping) -> shown.Copyable:
        """Its hash in full."""
        return shown.Copyable(obj.sha256, "SHA-256")
