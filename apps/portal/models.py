"""Rows of the portal: filters of lists that people keep, proposals of staff."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower

from apps.core.ids import new_id
from apps.portal.types import ProposalState
from apps.tenants.base import TenantModel


class SavedFilter(TenantModel):
    """A list's search, filters and order under a name: of one member, and seen by all members when it is shared."""

    list = models.TextField()
    name = models.TextField()
    state = models.JSONField()
    shared = models.BooleanField()
    owner_id = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_saved_filter"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                "tenant", "list", Lower("name"), name="portal_filter_shared_once", condition=models.Q(shared=True)
            ),
            models.UniqueConstraint(
                "tenant",
                "list",
                "owner_id",
                Lower("name"),
                name="portal_filter_own_once",
                condition=models.Q(shared=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Proposal(models.Model):
    """An act of staff that waits for a second person. Only the system role sees those without a tenant."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(null=True)
    model = models.TextField()
    verb = models.TextField()
    label = models.TextField()
    action = models.TextField()
    object_id = models.TextField()
    about = models.TextField()
    answers = models.JSONField()
    changes = models.JSONField()
    verdict = models.JSONField()
    state = models.TextField(
        choices=[(state.value, state.value) for state in ProposalState], default=ProposalState.OPEN.value
    )
    made_by = models.UUIDField()
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_by = models.UUIDField(null=True)
    decided_at = models.DateTimeField(null=True)
    outcome = models.TextField(default="")

    class Meta:
        db_table = "portal_proposal"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["expires_at"], name="portal_proposal_open", condition=models.Q(state="open"))
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(decided_by=None)
                | ~models.Q(decided_by=models.F("made_by"))
                | models.Q(state="rejected"),
                name="portal_proposal_two_people",
            )
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.about}" if self.about else self.label
