"""Rows of ingest: mappings with their versions, jobs, the batches that a job has written, errors by row.

Batches and errors are tied to their job by composite foreign keys (tenant and id), which the migration adds.
"""

from typing import ClassVar

from django.db import models

from apps.connectors.types import Format, JobState, Phase
from apps.tenants.base import TenantModel


class IngestMapping(TenantModel):
    """One version of a mapping. Versions are never changed; a name's newest one is used."""

    name = models.TextField()
    version = models.IntegerField()
    sha256 = models.TextField()
    document = models.JSONField()
    created_by = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "connectors_mapping"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "name", "version"], name="connectors_mapping_version"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class IngestJob(TenantModel):
    """One source being brought in. Counters and checkpoint change in the transaction of the rows that they count.

    `lease_token` is the worker that may write; it holds until `lease_until`, and every batch renews it. `stuck` counts
    the attempts since the last batch, `sent_at` is when the job was last put into the queue.
    """

    source = models.TextField()
    format = models.TextField(choices=[(item.value, item.value) for item in Format])
    mapping_name = models.TextField()
    mapping_version = models.IntegerField()
    mapping_sha256 = models.TextField()
    mapping_document = models.JSONField()
    object_id = models.UUIDField()
    object_sha256 = models.TextField()
    object_bytes = models.BigIntegerField()
    idempotency_key = models.TextField(default="", blank=True)
    fingerprint = models.TextField()
    dry_run = models.BooleanField(default=False)
    on_error = models.TextField(default="keep")

    state = models.TextField(choices=[(item.value, item.value) for item in JobState], default=JobState.QUEUED)
    phase = models.TextField(choices=[(item.value, item.value) for item in Phase])
    phase_offset = models.BigIntegerField(default=0)
    phase_row = models.BigIntegerField(default=0)
    batch_number = models.IntegerField(default=0)
    progress = models.FloatField(default=0.0)
    cancel_requested = models.BooleanField(default=False)

    rows_read = models.BigIntegerField(default=0)
    rows_created = models.BigIntegerField(default=0)
    rows_updated = models.BigIntegerField(default=0)
    rows_unchanged = models.BigIntegerField(default=0)
    rows_rejected = models.BigIntegerField(default=0)
    rows_skipped = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    references_outside = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    bytes_read = models.BigIntegerField(default=0)
    error_count = models.BigIntegerField(default=0)
    failure = models.JSONField(null=True, blank=True)
    errors_object_id = models.UUIDField(null=True, blank=True)
    examples = models.JSONField(default=list)

    requested_by = models.TextField()
    purpose = models.TextField(default="", blank=True)
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.IntegerField(default=0)
    stuck = models.IntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "connectors_job"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="connectors_job_tenant_id"),
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                condition=~models.Q(idempotency_key=""),
                name="connectors_job_idempotency",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "requested_at", "id"], name="connectors_job_requested"),
            models.Index(fields=["tenant", "object_sha256"], name="connectors_job_object"),
            models.Index(
                fields=["lease_until"], condition=models.Q(state__in=["queued", "running"]), name="connectors_job_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} ({self.state})"


class IngestBatch(TenantModel):
    """One committed batch. Its number is unique in its job, so a batch that is replayed cannot be written twice.

    `errors` holds the batch's row errors (JSON Lines, gzip) until the job ends and they move into one object.
    """

    job = models.ForeignKey(IngestJob, on_delete=models.CASCADE, related_name="batches", db_constraint=False)
    number = models.IntegerField()
    phase = models.TextField()
    from_offset = models.BigIntegerField()
    to_offset = models.BigIntegerField()
    to_row = models.BigIntegerField()
    written = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    record_id = models.BigIntegerField(null=True, blank=True)
    errors = models.BinaryField(null=True, blank=True)
    committed_at = models.DateTimeField()

    class Meta:
        db_table = "connectors_batch"
        verbose_name_plural = "ingest batches"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "job", "number"], name="connectors_batch_once"),
        ]

    def __str__(self) -> str:
        return f"batch {self.number}"


class IngestRowError(TenantModel):
    """One of the first errors of a job, for screens; all of them are in the job's downloadable list."""

    job = models.ForeignKey(IngestJob, on_delete=models.CASCADE, related_name="row_errors", db_constraint=False)
    sequence = models.IntegerField()
    row = models.BigIntegerField()
    code = models.TextField()
    message = models.TextField()
    mend = models.TextField(default="", blank=True)
    column = models.TextField(default="", blank=True)
    part = models.TextField(default="", blank=True)
    offset = models.BigIntegerField(null=True, blank=True)

    class Meta:
        db_table = "connectors_row_error"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "job", "sequence"], name="connectors_row_error_once"),
        ]

    def __str__(self) -> str:
        return f"row {self.row}: {self.code}"
