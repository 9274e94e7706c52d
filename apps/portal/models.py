"""Rows of the portal: filters of lists that people keep."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower

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
