"""Ledgers in the admin: heads and checkpoints, records with their links, the sequencer. Read-only without exception."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import PlatformAdmin, filters, shown
from apps.core.scope import PLATFORM_TENANT_ID
from apps.ledger import merkle, selectors
from apps.ledger.chain import link_hash
from apps.ledger.models import Checkpoint, Head, Record, Sequencer

NEWEST = 20
ITEMS = 50


@admin.register(Record)
class RecordAdmin(PlatformAdmin):
    """Records of all tenants, newest first, with their place in the chain."""

    read_action = "platform.ledger.read"
    about = "Every consequential act, as it was recorded. Nothing here can be changed or deleted, by anyone."
    empty = "Nothing was recorded that fits."
    tenant_column = "tenant_id"
    search_hint = "record id, or #number within a tenant"
    list_display = ("record", "type", "tenant_label", "number", "chain_hash", "actor_label", "at")
    list_matters = ("type", "number")
    list_numeric = ("number",)
    list_filter = (
        filters.TenantFilter,
        filters.exact("type", "type", "such as tenants.tenant.created", within_tenant=True),
    )
    detail = (
        ("Record", ("record", "type", "tenant_label", "actor_label", "at", "item_count", "event_id")),
        ("In the chain", ("number", "position", "holds", "chain_hash_full", "hash_before", "leaf_hash")),
        ("Body", ("body_shown",)),
    )

    def prepare(self, request: HttpRequest, rows: Sequence[Record]) -> None:
        """Read tenants, links and actors of the page at once."""
        super().prepare(request, rows)
        links = selectors.links_of([row.pk for row in rows])
        names = self.roof.actor_labels({row.actor for row in rows})
        for row in rows:
            row.__dict__["ig_link"] = links.get(row.pk)
            row.__dict__["ig_actor"] = names.get(row.actor, row.actor)

    def label_of(self, obj: Record) -> str:
        """What happened, and which record it is."""
        return f"{obj.type}, record {obj.pk}"

    def found(self, request: HttpRequest, rows: QuerySet[Record], term: str) -> QuerySet[Record]:
        """By record id, or by number within the tenant that is filtered for (`#17`)."""
        tenant_id = self.roof.tenant_id_of(request.GET.get("tenant", "").strip()) if request.GET.get("tenant") else None
        if term.startswith("#") and term[1:].isascii() and term[1:].isdigit() and tenant_id is not None:
            known = selectors.record(tenant_id, min(int(term[1:]), 2**62))
            return rows.filter(pk=known.record_id) if known else rows.none()
        if term.isascii() and term.isdigit() and len(term) < 19:
            return rows.filter(pk=int(term))
        return rows.none()

    @admin.display(description="record")
    def record(self, obj: Record) -> shown.Text:
        """The key of the row; ids have gaps, numbers have none."""
        return shown.Text(str(obj.pk), code=True)

    @admin.display(description="number")
    def number(self, obj: Record) -> Any:
        """The number in the tenant's ledger."""
        link = obj.__dict__["ig_link"]
        return link[0] if link else shown.Mark("waiting", "neutral", "circle-dashed")

    @admin.display(description="position among all tenants")
    def position(self, obj: Record) -> Any:
        """The position that subscribers follow."""
        link = obj.__dict__["ig_link"]
        return link[1] if link else None

    @admin.display(description="hash")
    def chain_hash(self, obj: Record) -> Any:
        """The hash in the chain, short."""
        link = obj.__dict__["ig_link"]
        return shown.Hash(link[3].hex()) if link else None

    @admin.display(description="hash in the chain")
    def chain_hash_full(self, obj: Record) -> Any:
        """The hash in the chain, in full."""
        link = obj.__dict__["ig_link"]
        return shown.Copyable(link[3].hex(), "hash") if link else None

    @admin.display(description="hash before it")
    def hash_before(self, obj: Record) -> Any:
        """The hash that it continues."""
        link = obj.__dict__["ig_link"]
        return shown.Copyable(link[2].hex(), "hash before") if link else None

    @admin.display(description="hash of the body")
    def leaf_hash(self, obj: Record) -> shown.Copyable:
        """The leaf of the tenant's Merkle tree."""
        return shown.Copyable(bytes(obj.leaf).hex(), "leaf hash")

    @admin.display(description="checked just now")
    def holds(self, obj: Record) -> shown.Mark:
        """Whether body, leaf and link give each other."""
        link = obj.__dict__["ig_link"]
        sound = merkle.leaf_hash(bytes(obj.body)) == bytes(obj.leaf)
        if sound and link:
            sound = link_hash(obj.tenant_id, link[0], link[2], bytes(obj.leaf)) == link[3]
        if not sound:
            return shown.Mark("does not verify: its bytes no longer give its hash", "danger", "shield-x")
        return shown.Mark("holds" if link else "body holds; not numbered yet", "sealed", "shield-check")

    @admin.display(description="by")
    def actor_label(self, obj: Record) -> str:
        """Who acted, in words."""
        return str(obj.__dict__["ig_actor"])

    @admin.display(description="canonical JSON, indented")
    def body_shown(self, obj: Record) -> shown.Document:
        """What is hashed."""
        return shown.Document.of_json(obj.body)

    def panels(self, request: HttpRequest, obj: Record) -> Sequence[shown.Panel]:
        """The first items of a batch."""
        if not obj.item_count:
            return ()
        rows = [
            (
                position,
                item.op,
                item.ref_kind,
                item.kind,
                item.version,
                item.ref_id,
                shown.Hash.of(item.commitment, "commitment"),
            )
            for position, item in selectors.items_of(obj.tenant_id, obj.pk, limit=ITEMS)
        ]
        note = f"first {ITEMS} of {obj.item_count:,}" if obj.item_count > ITEMS else ""
        heads = ("Position", "What happened", "To", "Kind", "Version", "Id", "Commitment")
        return (shown.Panel("Items", heads, rows, "It has no items.", note),)


@admin.register(Head)
class HeadAdmin(PlatformAdmin):
    """One line for each tenant's ledger."""

    noun, nouns = "ledger", "ledgers"
    read_action = "platform.ledger.read"
    about = "Where each tenant's ledger stands, and the checkpoints that are signed over it."
    empty = "No ledger has a numbered record so far."
    keyset = "tenant_id"
    tenant_column = "tenant_id"
    search_hint = "tenant's slug or id"
    list_display = ("ledger", "number", "head_hash", "checkpoint_size", "checkpoint_at", "updated_at")
    list_matters = ("ledger", "number")
    list_numeric = ("number", "checkpoint_size")
    detail = (("Ledger", ("tenant_label", "number", "head_copy", "updated_at", "unnumbered")),)

    def prepare(self, request: HttpRequest, rows: Sequence[Head]) -> None:
        """Read each ledger's newest checkpoint at once."""
        super().prepare(request, rows)
        newest = (
            Checkpoint.objects.filter(tenant_id__in=[row.tenant_id for row in rows])
            .order_by("tenant_id", "-size")
            .distinct("tenant_id")
        )
        known = {checkpoint.tenant_id: checkpoint for checkpoint in newest}
        for row in rows:
            row.__dict__["ig_checkpoint"] = known.get(row.tenant_id)

    def label_of(self, obj: Head) -> str:
        """Whose ledger it is."""
        return f"Ledger of {getattr(obj, 'ig_tenant_label', '') or obj.tenant_id}"

    def found(self, request: HttpRequest, rows: QuerySet[Head], term: str) -> QuerySet[Head]:
        """By the tenant's slug or id."""
        tenant_id = self.roof.tenant_id_of(term)
        return rows.filter(pk=tenant_id) if tenant_id else rows.none()

    @admin.display(description="ledger")
    def ledger(self, obj: Head) -> shown.Text:
        """Whose ledger it is."""
        label = getattr(obj, "ig_tenant_label", "")
        return shown.Text(label or str(obj.tenant_id), code=not label)

    def tenant_label(self, obj: Head) -> shown.Shown:
        """The tenant; the platform's own ledger has none."""
        return shown.Text("the platform itself") if obj.tenant_id == PLATFORM_TENANT_ID else super().tenant_label(obj)

    tenant_label.short_description = "tenant"  # type: ignore[attr-defined]

    @admin.display(description="hash of the newest record")
    def head_hash(self, obj: Head) -> shown.Hash | None:
        """The head of the chain, short."""
        return shown.Hash.of(obj.hash)

    @admin.display(description="hash of the newest record")
    def head_copy(self, obj: Head) -> shown.Copyable:
        """The head of the chain, in full."""
        return shown.Copyable(bytes(obj.hash).hex(), "hash")

    @admin.display(description="records under a checkpoint")
    def checkpoint_size(self, obj: Head) -> Any:
        """How many records the newest checkpoint covers."""
        checkpoint = obj.__dict__["ig_checkpoint"]
        return checkpoint.size if checkpoint else None

    @admin.display(description="newest checkpoint")
    def checkpoint_at(self, obj: Head) -> Any:
        """When it was signed."""
        checkpoint = obj.__dict__["ig_checkpoint"]
        return checkpoint.at if checkpoint else None

    @admin.display(description="records that wait for a number")
    def unnumbered(self, obj: Head) -> int:
        """How many committed records have no number yet."""
        return selectors.unnumbered(obj.tenant_id)

    def panels(self, request: HttpRequest, obj: Head) -> Sequence[shown.Panel]:
        """The newest records and checkpoints."""
        records = [
            (
                shown.Link(str(one.number), self.address_of("ledger.record", one.record_id)),
                one.type,
                shown.Hash(one.hash.hex()),
                one.item_count,
                one.at,
            )
            for one in selectors.newest(obj.tenant_id, limit=NEWEST)
        ]
        checkpoints = [
            (row.size, shown.Hash(bytes(row.root).hex(), "Merkle root"), shown.Text(row.key_id, code=True), row.at)
            for row in Checkpoint.objects.filter(tenant_id=obj.tenant_id).order_by("-size")[:NEWEST]
        ]
        note = f"newest {NEWEST}"
        return (
            shown.Panel(
                "Records", ("Number", "Type", "Hash", "Items", "When"), records, "No record is numbered so far.", note
            ),
            shown.Panel(
                "Checkpoints",
                ("Records covered", "Merkle root", "Signing key", "Signed"),
                checkpoints,
                "No checkpoint is signed so far; the scheduler signs one every minute when there is something new.",
                note,
            ),
        )


@admin.register(Sequencer)
class SequencerAdmin(PlatformAdmin):
    """The one that numbers and chains records."""

    noun, nouns = "sequencer", "sequencer"
    read_action = "platform.health.read"
    about = "Numbers committed records and chains them. One leads, by an advisory lock; a second relay stands by."
    empty = "No sequencer has run on this database so far."
    list_display = ("name", "leader", "position", "waiting", "updated_at")
    list_matters = ("name", "leader")
    list_numeric = ("position", "waiting")
    detail = (
        ("Sequencer", ("leader", "position", "updated_at", "waiting", "oldest")),
        ("How it reads", ("cluster", "snapshot")),
    )

    def prepare(self, request: HttpRequest, rows: Sequence[Sequencer]) -> None:
        """Ask who holds the lock, and what waits."""
        state, waiting = selectors.sequencer_state(), selectors.backlog()
        for row in rows:
            row.__dict__["ig_state"], row.__dict__["ig_waiting"] = state, waiting

    def label_of(self, obj: Sequencer) -> str:
        """There is one."""
        return "Sequencer"

    @admin.display(description="sequencer")
    def name(self, obj: Sequencer) -> str:
        """There is one."""
        return "of this database"

    @admin.display(description="leads")
    def leader(self, obj: Sequencer) -> shown.Mark:
        """The session that holds the lock."""
        state = obj.__dict__["ig_state"]
        if state.leader_pid is None:
            return shown.Mark("nobody: start a relay", "danger", "shield-alert")
        since = f" since {state.leading_since:%Y-%m-%d %H:%M} UTC" if state.leading_since else ""
        return shown.Mark(f"session {state.leader_pid}{since}", "ok", "shield-check")

    @admin.display(description="records that wait")
    def waiting(self, obj: Sequencer) -> shown.Amount:
        """Committed records without a number."""
        return shown.Amount(obj.__dict__["ig_waiting"].count, "records")

    @admin.display(description="the oldest has waited")
    def oldest(self, obj: Sequencer) -> shown.Amount:
        """Its age."""
        return shown.Amount(round(obj.__dict__["ig_waiting"].oldest_s, 1), "s")
