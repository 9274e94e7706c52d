"""The admin site: who may enter, in which scope its pages work, and what it hands in to every app's admin.

Its pages work across tenants, so each runs as the system role inside `system_scope("portal.admin")`, which opens after
the caller was found to be staff with a second factor, and closes after the page is drawn. The login of Django's own
admin is not used: people sign in at one place.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, reverse
from django_otp.middleware import is_verified
from unfold.sites import UnfoldAdminSite

from apps.core.admin import PlatformAdmin, context_of
from apps.core.admin.roof import Draft, Trail, Version
from apps.core.clock import iso
from apps.core.context import described_by
from apps.core.errors import IgError, StepUpRequired
from apps.core.ids import parse_id
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.identity.types import ACTING_PURPOSE
from apps.policy import services as policy
from apps.portal import asking, door, errors, live_load, services, standing, trails
from apps.portal.types import TimelineItem
from apps.tenants import selectors as tenants

ENTERED_AT = "ig_admin_entered_at"
PLATFORM = "platform"
MOST_FOUND = 10
View = Callable[..., HttpResponse]
_LEFT_OUT = frozenset(
    {"login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n", "view_on_site"}
)
"""Views of Django's admin that the portal has in a better form, or that nothing here needs."""


class PlatformSite(UnfoldAdminSite):
    """The admin of platform staff."""

    site_url = "/"
    index_title = "Platform"
    enable_nav_sidebar = True

    # -- entering ------------------------------------------------------------------------------------------------

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap a view: find who asks, let staff with a second factor in, open the scope, draw the page inside it."""
        guarded = super().admin_view(view, cacheable)

        @wraps(view)
        def entered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            refused = self._refusal(request)
            if refused is not None:
                return refused
            ctx = door.context_of(request).but(purpose=ACTING_PURPOSE)
            request.ig_ctx = ctx  # type: ignore[attr-defined]
            facts = getattr(request, "scope", {}).get("ig")
            if isinstance(facts, dict):
                facts["actor"] = ctx.actor.ref  # for the access log
            try:
                policy.assess_session(ctx)
                with system_scope("portal.admin"), described_by(ctx):
                    self._note_entry(request)
                    response = guarded(request, *args, **kwargs)
                    if isinstance(response, TemplateResponse) and not response.is_rendered:
                        response.render()
            except StepUpRequired as error:
                return self._confirm_first(request, error)
            except IgError as error:
                return errors.refusal(request, error)
            return response

        return entered

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer for whoever may not enter: strangers sign in, members are not told that it exists."""
        user = request.user
        if not user.is_authenticated:
            return HttpResponseRedirect(f"{reverse('portal:login')}?{urlencode({'next': request.get_full_path()})}")
        if not self.has_permission(request):
            return errors.not_found(request)
        if not is_verified(user):
            return self._confirm_first(request)
        return None

    def _confirm_first(self, request: HttpRequest, error: StepUpRequired | None = None) -> HttpResponse:
        """Send the caller to give a second factor and back. Every address here can be asked for with GET."""
        again = {} if request.method in {"GET", "HEAD"} else {"again": "1"}
        said = {"next": request.get_full_path(), **again, **asking.names_of(error)}
        return HttpResponseRedirect(f"{reverse('portal:code')}?{urlencode(said)}")

    def _note_entry(self, request: HttpRequest) -> None:
        """Put the entry on record, once per session and second factor."""
        ctx = context_of(request)
        factor_at = str(request.session.get(door.SECOND_FACTOR_AT) or "")
        known = request.session.get(ENTERED_AT)
        if isinstance(known, dict) and known.get("factor_at") == factor_at:
            return
        services.note_admin_entry(ctx, user_id=UUID(ctx.actor.id))
        request.session[ENTERED_AT] = {"at": iso(ctx.now), "factor_at": factor_at}

    # -- what may be registered and reached ----------------------------------------------------------------------

    def register(self, model_or_iterable: Any, admin_class: type[ModelAdmin] | None = None, **options: Any) -> None:
        """Take models whose pages are a `PlatformAdmin`; leave others out.

        Libraries register forms that save rows; what is saved so would be on no record.
        """
        if admin_class is not None and issubclass(admin_class, PlatformAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The site's addresses, without those of Django's admin that the portal serves better."""
        return [one for one in super().get_urls() if getattr(one, "name", None) not in _LEFT_OUT]

    # -- what every page has -------------------------------------------------------------------------------------

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the frame of every page needs."""
        context = super().each_context(request)
        ctx = context_of(request)
        return {**context, "platform_roles": sorted(ctx.platform_roles), "region": settings.IG.region}

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the navigation's groups with the pages that the caller may see."""
        groups = [
            {**group, "items": [item for item in group["items"] if item["has_permission"]]}
            for group in super().get_sidebar_list(request)
        ]
        return [group for group in groups if group["items"]]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The front page: how the platform stands."""
        may_see = self.may(request, "platform.health.read")
        stands = standing.now(lambda model: self._seen_address(request, model)) if may_see else None
        live = live_load.now() if may_see else None
        return super().index(
            request, {"standing": stands, "live": live, "recent": self._recent(request), **(extra_context or {})}
        )

    def address_of(self, model: str) -> str:
        """Return the address of a model's list, by `app.model`."""
        return reverse(f"{self.name}:{model.replace('.', '_')}_changelist")

    def opens(self, request: HttpRequest, model: str) -> bool:
        """Return whether the caller may open the pages of a model, by `app.model`."""
        page = next(page for one, page in self._registry.items() if one._meta.label_lower == model)
        return bool(page.has_view_permission(request))

    def _seen_address(self, request: HttpRequest, model: str) -> str:
        """Return the address of a model's list, empty when the caller may not see it."""
        return self.address_of(model) if self.opens(request, model) else ""

    def _recent(self, request: HttpRequest) -> Sequence[Any]:
        if not self.may(request, "platform.log.read"):
            return ()
        return list(LogEntry.objects.select_related("user", "content_type").order_by("-action_time")[:8])

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Find things by what names them exactly: ids, slugs, addresses, numbers. One hit is opened at once."""
        term = request.GET.get("q", "").replace("\x00", "").strip()
        hits = []
        if term:
            for model, admin in self._registry.items():
                if (
                    not isinstance(admin, PlatformAdmin)
                    or not admin.search_hint
                    or not admin.has_view_permission(request)
                ):
                    continue
                rows = list(admin.found(request, admin.get_queryset(request), term)[:MOST_FOUND])
                admin.prepare(request, rows)
                for row in rows:
                    opts = model._meta
                    href = reverse(f"{self.name}:{opts.app_label}_{opts.model_name}_change", args=[quote(row.pk)])
                    hits.append((admin.called[0], admin.label_of(row), href))
        if len(hits) == 1:
            return HttpResponseRedirect(hits[0][2])
        context = {**self.each_context(request), "title": "Find", "term": term, "hits": hits}
        return TemplateResponse(request, "admin/find.html", context)

    # -- what is handed in to the apps ---------------------------------------------------------------------------

    def may(self, request: HttpRequest, action: str) -> bool:
        """Return whether the caller may do `action`, perhaps after giving a second factor again."""
        decision = policy.decide(context_of(request), action)
        return decision.allow or decision.step_up

    def require(self, request: HttpRequest, action: str) -> None:
        """Check that the caller may do `action` now. Raises Forbidden, StepUpRequired."""
        policy.require(context_of(request), action)

    def tenant_labels(self, ids: Iterable[UUID]) -> Mapping[UUID, str]:
        """Return the slug of each of these tenants, and a word for the platform's own ledger."""
        wanted = set(ids)
        found = {one.id: one.slug for one in tenants.by_ids(sorted(wanted - {PLATFORM_TENANT_ID}))} if wanted else {}
        if PLATFORM_TENANT_ID in wanted:
            found[PLATFORM_TENANT_ID] = PLATFORM
        return found

    def tenant_id_of(self, text: str) -> UUID | None:
        """Return the tenant of that slug or id (`platform` for the platform's own ledger), or None."""
        if text == PLATFORM:
            return PLATFORM_TENANT_ID
        known = parse_id(text)
        tenant = tenants.by_id(known) if known else tenants.by_slug(text)
        return tenant.id if tenant else None

    def told_by(self, request: HttpRequest, trail: Trail) -> Sequence[TimelineItem]:
        """Return what the ledger tells, newest first, as items of the timeline component."""
        return trails.timeline(trail, self._record_addresses(request))

    def versions_told(self, request: HttpRequest, versions: Sequence[Version]) -> Sequence[TimelineItem]:
        """Return the versions of a thing as items of the timeline component."""
        return trails.versions(versions, self._record_addresses(request))

    def _record_addresses(self, request: HttpRequest) -> Callable[[int], str]:
        """Return where a record's page is, by its id; an empty text for callers who may not open it."""
        opens = self.opens(request, "ledger.record")
        return lambda record_id: reverse(f"{self.name}:ledger_record_change", args=[record_id]) if opens else ""

    def propose(self, request: HttpRequest, draft: Draft) -> str:
        """Keep a proposal for a second person and return the address of its page. Raises Forbidden, Conflict."""
        made = services.propose(context_of(request), draft=draft)
        return reverse(f"{self.name}:portal_proposal_change", args=[quote(made)])

    def actor_labels(self, refs: Iterable[str]) -> Mapping[str, str]:
        """Return who is behind references such as `user:0192…`, in words."""
        return trails.labels(refs)
