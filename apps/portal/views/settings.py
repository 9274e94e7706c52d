"""Settings of a tenant: what it is, where it lives, what holds by default; changed with before and after in view."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apps.core.context import Context
from apps.core.errors import InvalidInput, NotFound, StaleVersion
from apps.core.scope import require_tenant_id
from apps.ledger import selectors as ledger
from apps.portal import actors, door, dossier, figures, wording
from apps.portal.forms import SettingsForm
from apps.portal.types import Crumb, TimelineItem
from apps.tenants import selectors as tenants
from apps.tenants import services as tenancy
from apps.tenants.types import TenantInfo

CHANGED = ("tenants.tenant.settings_changed", "tenants.tenant.status_changed", "tenants.tenant.created")
TOLD = 10
TIERS = {
    "mt": "shared, kept apart by the database",
    "st-ded": "a database of its own",
    "air-gapped": "an installation of its own",
}


def _tenant(ctx: Context) -> TenantInfo:
    """Return the tenant as it stands, not as it is kept for requests. Raises NotFound."""
    found = tenants.by_slug(ctx.tenant_slug)
    if found is None or found.id != require_tenant_id():
        raise NotFound("no such tenant")
    return found


def _told(ctx: Context) -> tuple[TimelineItem, ...]:
    records = [record for type_ in CHANGED for record in ledger.newest(require_tenant_id(), type_=type_, limit=TOLD)]
    records.sort(key=lambda record: record.number, reverse=True)
    names = actors.names_of(ctx, {record.actor for record in records})
    return tuple(
        TimelineItem(
            wording.words_of(record.type),
            record.at,
            names.get(record.actor, record.actor),
            wording.icon_of(record.type),
            proof=dossier.proof_of(ctx, record, linked=True),
        )
        for record in records[:TOLD]
    )


@require_safe
@door.tenant_page("tenants.settings.read", "settings")
def settings(request: HttpRequest, ctx: Context) -> HttpResponse:
    """What the tenant is and what holds by default."""
    tenant = _tenant(ctx)
    return render(
        request,
        "portal/settings.html",
        {
            "tenant": tenant,
            "facts": (
                ("Name", tenant.name),
                ("Slug", tenant.slug),
                ("Plan", tenant.plan.capitalize()),
                ("Status", tenant.status),
                ("Settings version", figures.grouped(tenant.version)),
            ),
            "where": (
                ("Home region", tenant.home_region),
                ("Served from", ", ".join(tenant.allowed_regions)),
                ("Kept apart by", TIERS.get(tenant.isolation_tier, tenant.isolation_tier)),
            ),
            "retention": wording.RETENTION.get(tenant.retention_tier, tenant.retention_tier),
            "manage": door.may(ctx, "tenants.settings.manage"),
            "may_limits": door.may(ctx, "quotas.usage.read"),
            "told": _told(ctx) if door.may(ctx, "ledger.record.read") else (),
            "slug": ctx.tenant_slug,
        },
    )


@require_http_methods(["GET", "POST"])
@door.tenant_page("tenants.settings.manage", "settings")
def edit(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Change name and retention default. A newer version is never overwritten unseen."""
    tenant = _tenant(ctx)
    if request.method != "POST":
        first = {"version": tenant.version, "name": tenant.name, "retention_tier": tenant.retention_tier}
        return _form(request, ctx, SettingsForm(initial=first), tenant)
    form = SettingsForm(request.POST)
    if not form.is_valid():
        return _form(request, ctx, form, tenant)
    given = form.cleaned_data
    try:
        saved = tenancy.change_settings(
            ctx, expected_version=given["version"], name=given["name"], retention_tier=given["retention_tier"]
        )
    except StaleVersion:
        fresh = SettingsForm(initial={**given, "version": tenant.version})
        return _form(request, ctx, fresh, tenant, status=409, stale_from=given["version"])
    except InvalidInput as error:
        form.add_error(error.field if error.field in form.fields else None, f"{error.message.capitalize()}.")
        return _form(request, ctx, form, tenant)
    if saved.version == given["version"]:
        messages.info(request, "Nothing was changed.")
    else:
        messages.success(request, f"Saved as version {saved.version}. The change is in your ledger.")
    return HttpResponseRedirect(reverse("portal:settings", args=[ctx.tenant_slug]))


def _form(
    request: HttpRequest,
    ctx: Context,
    form: SettingsForm,
    tenant: TenantInfo,
    *,
    status: int = 0,
    stale_from: int | None = None,
) -> HttpResponse:
    return render(
        request,
        "portal/settings_edit.html",
        {
            "form": form,
            "tenant": tenant,
            "stale_from": stale_from,
            "stands": wording.RETENTION.get(tenant.retention_tier, tenant.retention_tier),
            "crumbs": (Crumb("Settings", reverse("portal:settings", args=[ctx.tenant_slug])),),
            "slug": ctx.tenant_slug,
        },
        status=status or (422 if form.errors else 200),
    )
