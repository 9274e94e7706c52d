"""Rows of the ledger.

Writers insert a `Record` (and `Item`s) in their own transaction. The sequencer alone numbers records per tenant and
chains them by inserting `Link`s. Records, items, links and checkpoints can be neither updated nor deleted.
"""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class Record(models.Model):
    """One event and one ledger entry in one row. `body` is the canonical JSON that is hashed.

    The table has a further column, `xid xid8 default pg_current_xact_id()`, which only the sequencer reads.
    """

    append_only: ClassVar[bool] = True

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField()
    event_id = models.UUIDField()
    type = models.TextField()
    actor = models.TextField()
    at = models.DateTimeField()
    body = models.BinaryField()
    leaf = models.BinaryField()
    item_count = models.IntegerField(default=0)
    trace = models.TextField(
        null=True, blank=True, help_text="W3C traceparent of the writer; not part of what is hashed"
    )

    class Meta:
        db_table = "ledger_record"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "type", "-id"], name="ledger_record_type"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class Item(models.Model):
    """One changed thing of a record; the record's body holds the Merkle root over all its items."""

    append_only: ClassVar[bool] = True

    pk = models.CompositePrimaryKey("tenant_id", "record_id", "position")
    tenant_id = models.UUIDField()
    record_id = models.BigIntegerField()
    position = models.IntegerField()
    ref_kind = models.TextField()
    ref_id = models.UUIDField()
    op = models.TextField()
    version = models.IntegerField()
    kind = models.TextField()
    commitment = models.BinaryField()

    class Meta:
        db_table = "ledger_item"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "ref_id", "version"], name="ledger_item_ref"),
        ]

    def __str__(self) -> str:
        return f"{self.op} {self.ref_kind} {self.ref_id} v{self.version}"


class Link(models.Model):
    """The number of a record in its tenant's ledger, and its hash in the chain.

    `position` numbers the links of all tenants without a gap: the cursor of every subscriber.
    """

    append_only: ClassVar[bool] = True
    app_rights: ClassVar[str] = "select"

    pk = models.CompositePrimaryKey("tenant_id", "number")
    tenant_id = models.UUIDField()
    number = models.BigIntegerField()
    position = models.BigIntegerField(unique=True)
    record_id = models.BigIntegerField(unique=True)
    prev = models.BinaryField()
    hash = models.BinaryField()
    linked_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ledger_link"

    def __str__(self) -> str:
        return f"#{self.number}"


class Head(models.Model):
    """Number and hash of the newest link of a tenant, kept by the sequencer."""

    app_rights: ClassVar[str] = "select"

    tenant_id = models.UUIDField(primary_key=True)
    number = models.BigIntegerField()
    hash = models.BinaryField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_head"

    def __str__(self) -> str:
        return f"head #{self.number}"


class Sequencer(models.Model):
    """Where the sequencer stands: one row."""

    app_rights: ClassVar[str] = "select"

    id = models.SmallIntegerField(primary_key=True, default=1)
    cluster = models.TextField(default="")
    snapshot = models.TextField(default="")
    position = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "ledger_sequencer"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(id=1), name="ledger_sequencer_one_row"),
        ]

    def __str__(self) -> str:
        return f"at {self.position}"


class Checkpoint(models.Model):
    """A signed statement of a tenant's ledger at one size: Merkle root (RFC 9162) and chain head."""

    append_only: ClassVar[bool] = True
    app_rights: ClassVar[str] = "select"

    pk = models.CompositePrimaryKey("tenant_id", "size")
    tenant_id = models.UUIDField()
    size = models.BigIntegerField()
    root = models.BinaryField()
    head = models.BinaryField()
    at = models.DateTimeField()
    key_id = models.TextField()
    note = models.TextField()
    signature = models.BinaryField()
    frontier = models.BinaryField()

    class Meta:
        db_table = "ledger_checkpoint"

    def __str__(self) -> str:
        return f"checkpoint at {self.size}"


class Sealed(models.Model):
    """A personal value behind a salted commitment of a record: erasing this row leaves every proof valid."""

    pk = models.CompositePrimaryKey("tenant_id", "record_id", "name")
    tenant_id = models.UUIDField()
    record_id = models.BigIntegerField()
    name = models.TextField()
    salt = models.BinaryField()
    value = models.BinaryField()

    class Meta:
        db_table = "ledger_sealed"

    def __str__(self) -> str:
        return f"sealed {self.name} of record {self.record_id}"
