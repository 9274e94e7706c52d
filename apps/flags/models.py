"""Rows of flags: the platform's registry as administrators changed it, and who uses what.

Neither belongs to a tenant; the application role sees nothing of the registry, and of use only its own tenant's.
"""

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id
from apps.flags.fields import DocumentField
from apps.flags.types import FlagType, Risk, Scope, State


class Registry(models.Model):
    """One row. Every change locks it first, so changes are one after the other, and counts `revision` up."""

    app_rights: ClassVar[str] = ""

    id = models.SmallIntegerField(primary_key=True, default=1)
    revision = models.BigIntegerField(default=0)

    class Meta:
        db_table = "flags_registry"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(id=1), name="flags_registry_one_row"),
        ]

    def __str__(self) -> str:
        return f"revision {self.revision}"


class Flag(models.Model):
    """A flag.

    `declared` is what the file said when it was last taken in (None: made by an administrator); `own` is what
    administrators set: the whole definition, or the fields that differ from the file. The columns below repeat what lists
    are filtered by.
    """

    app_rights: ClassVar[str] = ""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.TextField(unique=True)
    declared = DocumentField(null=True, blank=True)
    own = DocumentField(default=dict, blank=True)
    tenants = models.JSONField(default=dict, blank=True, help_text="tenant's id to the variant it was given")
    state = models.TextField(choices=[(s.value, s.value) for s in State], default=State.LIVE.value)
    absent = models.BooleanField(default=False, help_text="it was in the file, and is no more")
    state_reason = models.TextField(default="", blank=True)
    version = models.IntegerField(default=1)
    told = models.TextField(default="", blank=True, help_text="the finding that was told last")
    owner = models.TextField()
    scope = models.TextField(choices=[(s.value, s.value) for s in Scope])
    type = models.TextField(choices=[(t.value, t.value) for t in FlagType])
    risk = models.TextField(choices=[(r.value, r.value) for r in Risk])
    expires = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    updated_by = models.TextField()

    class Meta:
        db_table = "flags_flag"
        verbose_name = "flag"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(version__gte=1), name="flags_flag_version"),
        ]

    def __str__(self) -> str:
        return self.key


class Usage(models.Model):
    """How often and when a tenant last evaluated a flag; work in no tenant counts for the platform's own id."""

    tenant_column: ClassVar[str] = "scope_id"
    app_rights: ClassVar[str] = "select"

    pk = models.CompositePrimaryKey("scope_id", "key")
    scope_id = models.UUIDField()
    key = models.TextField()
    evaluations = models.BigIntegerField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        db_table = "flags_usage"
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["key", "-last_seen"], name="flags_usage_key")]

    def __str__(self) -> str:
        return f"{self.key}: {self.evaluations}"
