"""Entities: the list, one of them, its relations."""

from dataclasses import replace
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.core.context import Context
from apps.core.errors import Forbidden, InvalidInput, NotFound
from apps.core.scope import require_tenant_id
from apps.graph import selectors as graph
from apps.graph.types import EdgeRow, EntityRow
from apps.policy import services as policy
from apps.portal import door, dossier, kinds, licences, prose, shown, wording
from apps.portal.context import density_of
from apps.portal.tables import ListQuery, Table
from apps.portal.types import Badge, Cell, Column, Crumb, Empty, Filter, Option, Row, Withheld
from apps.portal.views import filters

PAGE = 50
CHIPS = 10
ORDERS = {"name": "name", "changed": "updatedAt"}
COLUMNS = (
    Column("name", "Name", sortable=True, matters=True, optional=False),
    Column("kind", "Kind", matters=True, tight=True),
    Column("external", "External id", clip=True),
    Column("source", "Source", clip=True),
    Column("class", "Data class"),
    Column("changed", "Changed", sortable=True, tight=True),
)


def _row(ctx: Context, seen: shown.Shown, snippet: str = "") -> Row:
    row = seen.row
    name = Cell(
        seen.name,
        href=reverse("portal:entity", args=[ctx.tenant_slug, row.id]),
        icon=kinds.icon_of(row.kind),
        snippet=prose.snippet(snippet, row.name) if seen.clear else (),
    )
    return Row(
        str(row.id),
        {
            "name": name,
            "kind": Cell(row.kind),
            "external": Cell(seen.external_id, code=True),
            "source": Cell(row.source),
            "class": Cell(badge=Badge(row.data_class)),
            "changed": Cell(at=row.updated_at),
        },
    )


def _rows(ctx: Context, found: list[tuple[EntityRow, str]]) -> tuple[tuple[Row, ...], Withheld | None]:
    clearance, salt = policy.clearance(ctx), require_tenant_id().bytes
    seen = [(shown.entity(row, clearance, salt), snippet) for row, snippet in found]
    reasons = [one.visibility.reason for one, _ in seen if one.withheld]
    mark = Withheld(len(reasons), " and ".join(sorted(set(reasons))), ask=shown.ASK) if reasons else None
    return tuple(_row(ctx, one, snippet) for one, snippet in seen if not one.withheld), mark


def _kind_filter(ctx: Context, chosen: str, *, counted: bool) -> Filter:
    known = graph.graph_summary(ctx).kinds
    shown_first = known[:CHIPS]
    if chosen and chosen not in {kind for kind, _ in shown_first}:
        shown_first = [(chosen, dict(known).get(chosen, 0)), *shown_first]
    options = [Option(kind, kind, count if counted else None) for kind, count in shown_first]
    return Filter("kind", "Kind", tuple(options), chosen)


@require_safe
@door.tenant_page("graph.entity.read", "entities")
def entities(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The list of entities: by name, or by words when something is searched for."""
    since = door.newest_event()
    query = ListQuery.parse(request.path, request.GET.dict(), filters=("kind",), sorts=tuple(ORDERS))
    kind, problem, about = query.filters.get("kind") or None, "", ""
    found: list[tuple[EntityRow, str]] = []
    total: int | None = None
    cursor = ""
    if query.q:
        try:
            hits = graph.search(
                ctx, q=query.q, filters_={"kind": kind} if kind else None, first=PAGE, after=query.after or None
            )
        except InvalidInput as error:
            if error.field != "q":
                raise
            problem = error.message
        else:
            found = [(hit.entity, hit.snippet) for hit in hits.hits]
            total, about = hits.total, "More than" if hits.capped else ""
            cursor = hits.cursors[-1] if hits.has_next else ""
    else:
        sort = query.sort or "name"
        page = graph.list_entities(
            ctx,
            kind=kind,
            first=PAGE,
            after=query.after or None,
            order=ORDERS[sort.lstrip("-")],
            descending=sort.startswith("-"),
        )
        found = [(row, "") for row in page.rows]
        total, about = page.total, "About" if page.total_is_estimate else ""
        cursor = page.cursors[-1] if page.has_next else ""
    rows, mark = _rows(ctx, found)
    table = Table(
        id="entities",
        caption="Entities",
        query=query,
        columns=tuple(replace(column, sortable=False) for column in COLUMNS) if query.q else COLUMNS,
        rows=rows,
        empty=_empty(ctx, query, problem),
        filters=(_kind_filter(ctx, query.filters.get("kind", ""), counted=not query.q),),
        search_label="Search entities",
        search_hint="Name, alias, key or word",
        next_cursor=cursor,
        total=total,
        about=about,
        noun="entity",
        nouns="entities",
        withheld=mark,
        density=density_of(request),
        kept=filters.kept_of(ctx, query),
    )
    return render(
        request,
        "portal/entities.html",
        {
            "table": table,
            "notices": licences.notices_of({row.licence for row, _ in found}),
            "slug": ctx.tenant_slug,
            "since": since,
        },
    )


def _empty(ctx: Context, query: ListQuery, problem: str) -> Empty:
    if problem:
        return Empty(
            "This cannot be searched for",
            f"{problem[:1].upper()}{problem[1:]}. Type a name or a word.",
            "file-search",
            "Clear the search",
            query.path,
        )
    if query.narrowed:
        return Empty(
            "Nothing matches",
            "No entity holds all of these words in its name, keys, aliases or description, in this kind.",
            "file-search",
            "Clear search and filters",
            query.path,
        )
    return Empty(
        "No entities yet",
        "People, organisations, assets and whatever else you track will be listed here.",
        "waypoints",
        "Bring in data" if door.may(ctx, "connectors.job.read") else "",
        reverse("portal:imports", args=[ctx.tenant_slug]),
    )


def entity_or_404(ctx: Context, entity_id: UUID) -> shown.Shown:
    """Return the entity as the viewer sees it. Raises NotFound, Forbidden with the reason when it is withheld."""
    row = graph.get_entity(ctx, entity_id)
    if row is None:
        raise NotFound("no such entity")
    seen = shown.entity(row, policy.clearance(ctx), require_tenant_id().bytes)
    if seen.withheld:
        raise Forbidden(f"this entity is withheld from you: {seen.visibility.reason}", mend=shown.ASK)
    return seen


@require_safe
@door.tenant_page("graph.entity.read", "entities")
def entity(request: HttpRequest, ctx: Context, entity_id: UUID) -> HttpResponse:
    """One entity: what it is, where from, what may be done, what happened."""
    since = door.newest_event()
    seen = entity_or_404(ctx, entity_id)
    clearance = policy.clearance(ctx)
    may_open_ledger = door.may(ctx, "ledger.record.read")
    items = (
        dossier.history(ctx, seen.row, clearance, may_open_ledger=may_open_ledger)
        if door.may(ctx, "graph.history.read")
        else ()
    )
    groups = dossier.relations(ctx, entity_id, clearance) if door.may(ctx, "graph.edge.read") else ()
    return render(
        request,
        "portal/entity.html",
        {
            "seen": seen,
            "row": seen.row,
            "icon_name": kinds.icon_of(seen.row.kind),
            "since": since,
            "slug": ctx.tenant_slug,
            "crumbs": (
                Crumb("Entities", reverse("portal:entities", args=[ctx.tenant_slug])),
                Crumb(seen.row.kind, f"{reverse('portal:entities', args=[ctx.tenant_slug])}?kind={seen.row.kind}"),
            ),
            "groups": groups,
            "edge_count": sum(group.count for group in groups),
            "items": items,
            "origin": dossier.provenance(seen.row, items),
            "notice": licences.notice_of(seen.row.licence),
            "kept": wording.RETENTION.get(seen.row.retention_tier, ""),
            "redacted": wording.REDACTION.get(seen.row.redaction_policy, ""),
            "may_write": seen.clear and door.may(ctx, "graph.entity.write"),
            "may_delete": door.may(ctx, "graph.entity.delete"),
        },
    )


def _edge_row(ctx: Context, edge: EdgeRow, far: shown.Shown) -> Row:
    return Row(
        str(edge.id),
        {
            "name": Cell(
                far.name,
                href=reverse("portal:entity", args=[ctx.tenant_slug, far.row.id]),
                icon=kinds.icon_of(far.row.kind),
            ),
            "kind": Cell(far.row.kind),
            "source": Cell(edge.source),
            "class": Cell(badge=Badge(edge.data_class)),
            "version": Cell(str(edge.version)),
            "changed": Cell(at=edge.updated_at),
        },
    )


@require_safe
@door.tenant_page("graph.edge.read", "entities")
def relations(request: HttpRequest, ctx: Context, entity_id: UUID, direction: str, kind: str) -> HttpResponse:
    """All relations of one kind in one direction."""
    if direction not in {"in", "out"}:
        raise NotFound("no such direction")
    seen = entity_or_404(ctx, entity_id)
    query = ListQuery.parse(request.path, request.GET.dict(), filters=(), sorts=())
    page = graph.edges_of(
        ctx, entity_id=entity_id, direction=direction, kind=kind, first=PAGE, after=query.after or None
    )
    ends, mark = dossier.far_ends(ctx, page.rows, direction, policy.clearance(ctx))
    table = Table(
        id="relations",
        caption=f"{kind} {'to' if direction == 'out' else 'from'}",
        query=query,
        columns=(
            Column("name", "To" if direction == "out" else "From", matters=True, optional=False),
            Column("kind", "Kind", matters=True),
            Column("source", "Source"),
            Column("class", "Data class"),
            Column("version", "Version", numeric=True),
            Column("changed", "Changed", tight=True),
        ),
        rows=tuple(_edge_row(ctx, edge, far) for edge, far in ends),
        empty=Empty("No such relation", f"{seen.name} has no relation of this kind in this direction.", "waypoints"),
        next_cursor=page.cursors[-1] if page.has_next else "",
        total=page.total,
        about="More than" if page.total_is_estimate else "",
        noun="relation",
        withheld=mark,
        density=density_of(request),
    )
    home = reverse("portal:entities", args=[ctx.tenant_slug])
    return render(
        request,
        "portal/relations.html",
        {
            "seen": seen,
            "kind": kind,
            "direction": direction,
            "table": table,
            "crumbs": (
                Crumb("Entities", home),
                Crumb(seen.name, reverse("portal:entity", args=[ctx.tenant_slug, entity_id])),
            ),
            "notices": licences.notices_of({edge.licence for edge in page.rows}),
            "slug": ctx.tenant_slug,
        },
    )
