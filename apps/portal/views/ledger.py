"""The ledger: its records, one of them, how to verify it without us."""

from urllib.parse import urlsplit
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_safe

from apps.core.context import Context
from apps.core.errors import InvalidInput, NotFound
from apps.core.scope import require_tenant_id
from apps.graph import selectors as graph
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.types import Item, LinkedRecord
from apps.policy import services as policy
from apps.portal import actors, door, kinds, shown, wording
from apps.portal.context import density_of
from apps.portal.tables import ListQuery, Table
from apps.portal.types import Cell, Code, Column, Command, Crumb, Empty, Filter, Option, Proof, ProofState, Row
from apps.vault import selectors as vault
from apps.vault import services as vault_services

PAGE = 50
ITEMS = 20
COMMON_TYPES = (
    "graph.entities.upserted",
    "graph.edges.upserted",
    "graph.entities.deleted",
    "identity.member.added",
    "identity.apikey.created",
)


def proof_of(ctx: Context, record: LinkedRecord, *, whole: bool = False) -> Proof:
    """Return the proof chip of a record: its link is checked now, not merely believed."""
    state = ProofState.SEALED if ledger.holds(record) else ProofState.BROKEN
    href = reverse("portal:record", args=[ctx.tenant_slug, record.number])
    download = reverse("portal:proof", args=[ctx.tenant_slug, record.number])
    commands = _proof_commands(record.number) if whole else ()
    return Proof(state, record.hash.hex(), record.number, href, download if whole else "", commands)


def _proof_commands(number: int) -> tuple[Command, ...]:
    return (
        Command(
            "Fetch our public keys once, from a place you trust", f"curl -sO {_base()}/.well-known/intelgraph/keys.json"
        ),
        Command("Check the downloaded proof, offline", f"ig-ledger verify record-{number}.proof.json --keys keys.json"),
    )


def _base() -> str:
    parts = urlsplit(settings.BASE_URL)
    return f"{parts.scheme}://{parts.netloc}"


@require_safe
@door.tenant_page("ledger.record.read", "ledger")
def ledger_page(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The records, newest first, and where verification stands."""
    since, tenant_id = door.newest_event(), require_tenant_id()
    query = ListQuery.parse(request.path, request.GET.dict(), filters=("type",), sorts=())
    chosen = query.filters.get("type", "")
    before = None
    if query.after:
        if not (query.after.isascii() and query.after.isdigit() and len(query.after) < 19):
            raise InvalidInput("this cursor was not made for this list", field="after")
        before = int(query.after)
    records = ledger.newest(tenant_id, before=before, type_=chosen or None, limit=PAGE + 1)
    names = actors.names_of(ctx, {record.actor for record in records})
    head = ledger.head(tenant_id)
    types = dict.fromkeys((*COMMON_TYPES, *(record.type for record in records), *([chosen] if chosen else [])))
    table = Table(
        id="records",
        caption="Ledger records",
        query=query,
        columns=(
            Column("number", "Number", numeric=False, matters=True, optional=False, tight=True),
            Column("type", "What happened", matters=True),
            Column("actor", "Who"),
            Column("items", "Things changed", numeric=True),
            Column("at", "When", tight=True),
            Column("proof", "Proof", tight=True),
        ),
        rows=tuple(_record_row(ctx, record, names) for record in records[:PAGE]),
        empty=Empty(
            "No record of this type",
            "Nothing like this has happened in your tenant.",
            "scroll-text",
            "Show all records",
            query.path,
        )
        if chosen
        else Empty("No record yet", "Every change of your tenant will be here, numbered and chained.", "scroll-text"),
        filters=(Filter("type", "What happened", tuple(Option(one, wording.words_of(one)) for one in types), chosen),),
        next_cursor=str(records[PAGE - 1].number) if len(records) > PAGE else "",
        total=None if chosen else (head.number if head else 0),
        noun="record",
        density=density_of(request),
    )
    checkpoint = ledger.newest_checkpoint(tenant_id)
    return render(
        request,
        "portal/ledger.html",
        {
            "table": table,
            "since": since,
            "slug": ctx.tenant_slug,
            "head": head,
            "checkpoint": checkpoint,
            "uncovered": max(0, (head.number if head else 0) - (checkpoint.size if checkpoint else 0)),
            "waiting": ledger.unnumbered(tenant_id),
            "may_export": door.may(ctx, "ledger.export"),
            "verify": (
                Code("Command line", export_commands(ctx.tenant_slug)),
                Code("Without installing anything", script_commands(ctx.tenant_slug)),
            ),
        },
    )


def export_commands(slug: str) -> str:
    """Return the commands that verify a downloaded ledger."""
    return (
        f"curl -sO {_base()}/.well-known/intelgraph/keys.json\nig-ledger verify {slug}.ledger.jsonl.gz --keys keys.json"
    )


def script_commands(slug: str) -> str:
    """Return the commands that verify it with one file of ours and nothing else."""
    return (
        "ig-ledger script > verifier.py        # one file, no network, needs only the cryptography package\n"
        f"python verifier.py {slug}.ledger.jsonl.gz --keys keys.json"
    )


def _record_row(ctx: Context, record: LinkedRecord, names: dict[str, str]) -> Row:
    return Row(
        str(record.number),
        {
            "number": Cell(f"{record.number:,}", href=reverse("portal:record", args=[ctx.tenant_slug, record.number])),
            "type": Cell(wording.words_of(record.type), note="" if record.type not in wording.EVENTS else record.type),
            "actor": Cell(names.get(record.actor, record.actor)),
            "items": Cell(f"{record.item_count:,}" if record.item_count else ""),
            "at": Cell(at=record.at),
            "proof": Cell(proof=proof_of(ctx, record)),
        },
    )


def _record_or_404(number: int) -> LinkedRecord:
    record = ledger.record(require_tenant_id(), number) if number < 2**62 else None
    if record is None:
        raise NotFound("no such record")
    return record


@require_safe
@door.tenant_page("ledger.record.read", "ledger")
def record_page(request: HttpRequest, ctx: Context, number: int) -> HttpResponse:
    """One record: what it says, its place in the chain, its proof, the things that it changed."""
    tenant_id = require_tenant_id()
    record = _record_or_404(number)
    body = orjson.loads(record.body)
    after = request.GET.get("after", "")
    start = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else -1
    items = ledger.items_of(tenant_id, record.record_id, after=start, limit=ITEMS + 1) if record.item_count else []
    checkpoint = ledger.checkpoint_over(tenant_id, number)
    names = actors.names_of(ctx, {record.actor})
    head = ledger.head(tenant_id)
    return render(
        request,
        "portal/record.html",
        {
            "record": record,
            "proof": proof_of(ctx, record, whole=True),
            "commands": _proof_commands(number),
            "actor": names.get(record.actor, record.actor),
            "body": shown.as_json(body),
            "facts": _facts(body),
            "checkpoint": checkpoint,
            "previous": number - 1 if number > 1 else None,
            "following": number + 1 if head and number < head.number else None,
            "crumbs": (Crumb("Ledger", reverse("portal:ledger", args=[ctx.tenant_slug])),),
            "slug": ctx.tenant_slug,
            "table": _items_table(ctx, request, record, items) if record.item_count else None,
        },
    )


def _facts(body: dict[str, object]) -> tuple[tuple[str, str], ...]:
    data = body.get("data")
    return (
        tuple((str(key), shown.plain(value)) for key, value in sorted(data.items())) if isinstance(data, dict) else ()
    )


def _items_table(ctx: Context, request: HttpRequest, record: LinkedRecord, items: list[tuple[int, Item]]) -> Table:
    return Table(
        id="items",
        caption="Things changed by this record",
        query=ListQuery.parse(request.path, request.GET.dict(), filters=(), sorts=()),
        columns=(
            Column("thing", "Thing", matters=True, optional=False),
            Column("op", "What", matters=True, tight=True),
            Column("kind", "Kind", tight=True),
            Column("version", "Version", numeric=True),
            Column("commitment", "Commitment", clip=True),
        ),
        rows=_item_rows(ctx, items[:ITEMS]),
        empty=Empty("Nothing more", "These were all things that this record changed.", "layers"),
        next_cursor=str(items[ITEMS - 1][0]) if len(items) > ITEMS else "",
        total=record.item_count,
        noun="thing",
        density=density_of(request),
    )


def _item_rows(ctx: Context, items: list[tuple[int, Item]]) -> tuple[Row, ...]:
    """Return the items, by name where the viewer may read the entity and it still stands."""
    named: dict[UUID, shown.Shown] = {}
    if door.may(ctx, "graph.entity.read"):
        rows = graph.entities_by_ids(ctx, [item.ref_id for _, item in items if item.ref_kind == "entity"])
        clearance, salt = policy.clearance(ctx), require_tenant_id().bytes
        named = {one: shown.entity(row, clearance, salt) for one, row in rows.items()}
    return tuple(_item_row(ctx, position, item, named.get(item.ref_id)) for position, item in items)


def _item_row(ctx: Context, position: int, item: Item, seen: shown.Shown | None) -> Row:
    if seen is None or seen.withheld:
        thing = Cell(str(item.ref_id), code=True)
    else:
        href = reverse("portal:entity", args=[ctx.tenant_slug, item.ref_id])
        thing = Cell(seen.name, href=href, icon=kinds.icon_of(item.kind))
    return Row(
        str(position),
        {
            "thing": thing,
            "op": Cell(f"{item.ref_kind} {item.op}"),
            "kind": Cell(item.kind),
            "version": Cell(str(item.version)),
            "commitment": Cell(item.commitment.hex(), code=True) if item.commitment else Cell(),
        },
    )


@require_GET
@door.tenant_page("ledger.record.read", "ledger")
def proof_file(request: HttpRequest, ctx: Context, number: int) -> HttpResponse:
    """The proof that a record stands in a signed checkpoint, as a file that `ig-ledger verify` reads."""
    _record_or_404(number)
    document = ledger_services.prove(require_tenant_id(), number, keys=vault.key_documents())
    response = HttpResponse(orjson.dumps(document), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="record-{number}.proof.json"'
    return response


@require_GET
@door.tenant_page("ledger.export", "ledger")
def export_file(request: HttpRequest, ctx: Context) -> StreamingHttpResponse:
    """The whole ledger as a gzip file of JSON Lines, streamed."""
    parts = door.streamed(ctx, vault_services.export_ledger(ctx, tenant_id=require_tenant_id(), packed=True))
    response = StreamingHttpResponse(parts, content_type="application/gzip")
    response["Content-Disposition"] = f'attachment; filename="{ctx.tenant_slug}.ledger.jsonl.gz"'
    return response
