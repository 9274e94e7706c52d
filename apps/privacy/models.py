"""Rows of privacy."""

from typing import ClassVar

from django.db import models

from apps.privacy.types import ErasureScope, ErasureStatus
from apps.tenants.base import TenantModel


class RtbfRequest(TenantModel):
    """A request to be forgotten, in the queue. At most one of a subject and scope is open."""

    subject_id = models.TextField()
    scope = models.TextField(choices=[(s.value, s.value) for s in ErasureScope])
    status = models.TextField(choices=[(s.value, s.value) for s in ErasureStatus], default=ErasureStatus.QUEUED.value)
    requested_by = models.TextField()
    requested_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    audit = models.JSONField(default=dict)

    class Meta:
        db_table = "rtbf_requests"
        verbose_name = "erasure request"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant", "subject_id", "scope"],
                condition=models.Q(status="queued"),
                name="rtbf_requests_open_once",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "status", "requested_at"], name="rtbf_requests_queue"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} ({self.status})"
