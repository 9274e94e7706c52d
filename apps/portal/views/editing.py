"""Changing an entity: edit, look at before and after, save; a newer version is never overwritten unseen. Deleting it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from apps.core.context import Context
from apps.core.errors import Forbidden, InvalidInput
from apps.core.scope import require_tenant_id
from apps.graph import selectors as graph
from apps.graph import services as graph_services
from apps.graph.types import EntityInput, EntityRow, InputError
from apps.portal import door, shown
from apps.portal.forms import EntityForm
from apps.portal.types import Crumb
from apps.portal.views.entities import entity_or_404

FIELDS = {"name": "name", "properties": "properties"}


def _document(row: EntityRow) -> dict[str, Any]:
    return {"name": row.name, "properties": row.properties}


def _crumbs(ctx: Context, seen: shown.Shown) -> tuple[Crumb, ...]:
    return (
        Crumb("Entities", reverse("portal:entities", args=[ctx.tenant_slug])),
        Crumb(seen.name, reverse("portal:entity", args=[ctx.tenant_slug, seen.row.id])),
    )


@require_http_methods(["GET", "POST"])
@door.tenant_page("graph.entity.write", "entities")
def edit(request: HttpRequest, ctx: Context, entity_id: UUID) -> HttpResponse:
    """Edit name and properties: form, then before and after, then save."""
    seen = entity_or_404(ctx, entity_id)
    if not seen.clear:
        raise Forbidden("parts of this entity are withheld from you, so you cannot change it", mend=shown.ASK)
    row = seen.row
    if request.method != "POST":
        first = {"version": row.version, "name": row.name, "properties": shown.as_json(row.properties)}
        return _form(request, ctx, seen, EntityForm(initial=first))
    form = EntityForm(request.POST)
    if not form.is_valid() or "back" in request.POST:
        return _form(request, ctx, seen, form)
    wanted = {"name": form.cleaned_data["name"], "properties": form.cleaned_data["properties"]}
    started_from = form.cleaned_data["version"]
    if started_from != row.version:
        return _conflict(request, ctx, seen, started_from, wanted)
    changed = shown.changes(_document(row), wanted, hidden=False)
    if not changed:
        messages.info(request, "Nothing was changed.")
        return HttpResponseRedirect(reverse("portal:entity", args=[ctx.tenant_slug, entity_id]))
    if "confirm" not in request.POST:
        return render(
            request,
            "portal/entity_review.html",
            {
                "seen": seen,
                "row": row,
                "crumbs": _crumbs(ctx, seen),
                "changes": changed,
                "slug": ctx.tenant_slug,
                "name": wanted["name"],
                "properties": shown.as_json(wanted["properties"]),
                "version": started_from,
            },
        )
    result = graph_services.upsert_entities(
        ctx, inputs=[EntityInput(kind=row.kind, external_id=row.external_id, expected_version=started_from, **wanted)]
    )
    if not result.errors:
        messages.success(request, f"Saved as version {result.rows[0].version}. The change is in your ledger.")
        return HttpResponseRedirect(reverse("portal:entity", args=[ctx.tenant_slug, entity_id]))
    if result.errors[0].code == "STALE_VERSION":
        newest = graph.get_entity(ctx, entity_id)
        return _conflict(request, ctx, replace(seen, row=newest or row), started_from, wanted)
    return _form(request, ctx, seen, _with_error(form, result.errors[0]))


def _with_error(form: EntityForm, error: InputError) -> EntityForm:
    form.add_error(FIELDS.get(error.field), f"{error.message[:1].upper()}{error.message[1:]}.")
    return form


def _form(request: HttpRequest, ctx: Context, seen: shown.Shown, form: EntityForm) -> HttpResponse:
    return render(
        request,
        "portal/entity_edit.html",
        {"seen": seen, "row": seen.row, "form": form, "crumbs": _crumbs(ctx, seen), "slug": ctx.tenant_slug},
        status=422 if form.errors else 200,
    )


def _conflict(
    request: HttpRequest, ctx: Context, seen: shown.Shown, started_from: int, wanted: dict[str, Any]
) -> HttpResponse:
    """Show what others changed since, and what the editor wanted; nothing was saved."""
    known = graph.documents(require_tenant_id(), [(seen.row.id, started_from)])
    base = known.get((seen.row.id, started_from))
    return render(
        request,
        "portal/entity_conflict.html",
        {
            "seen": seen,
            "row": seen.row,
            "crumbs": _crumbs(ctx, seen),
            "slug": ctx.tenant_slug,
            "started_from": started_from,
            "theirs": shown.changes({k: base[k] for k in FIELDS} if base else None, _document(seen.row), hidden=False)
            if base
            else (),
            "mine": shown.changes(_document(seen.row), wanted, hidden=False),
            "name": wanted["name"],
            "properties": shown.as_json(wanted["properties"]),
        },
        status=409,
    )


@require_POST
@door.tenant_page("graph.entity.delete", "entities")
def delete(request: HttpRequest, ctx: Context, entity_id: UUID) -> HttpResponse:
    """Delete the entity and its relations. The name must be typed as a second thought."""
    seen = entity_or_404(ctx, entity_id)
    if request.POST.get("confirm_name", "") != seen.name:
        raise InvalidInput(
            "the name that you typed is not the entity's",
            field="confirm_name",
            mend="Go back, and type the name exactly as it is shown.",
        )
    result = graph_services.delete_entities(ctx, ids=[entity_id])
    messages.success(
        request, f"Deleted {seen.name} and {result.edges_deleted:,} of its relations. The deletion is in your ledger."
    )
    return HttpResponseRedirect(reverse("portal:entities", args=[ctx.tenant_slug]))
