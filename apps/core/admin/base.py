"""The base of every model in the admin: read-only pages, and verbs that call services.

@admin.register(Thing)
class ThingAdmin(PlatformAdmin):
    read_action = "platform.thing.read"
    list_display = ("name", "tenant_label", "created_at")
    detail = (("Thing", ("name", "tenant_label", "created_at")),)
    verbs = (Verb("retire", "Retire", "platform.thing.retire", run=_retire, form=ReasonForm),)
"""

from collections.abc import Sequence
from typing import Any, ClassVar, cast
from uuid import UUID

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.admin.utils import label_for_field, lookup_field, quote, unquote
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin

from apps.core.admin import acting, shown
from apps.core.admin.lists import KeysetChangeList
from apps.core.admin.roof import Roof, Trail
from apps.core.admin.verbs import Verb
from apps.core.ids import parse_id
from apps.core.scope import PLATFORM_TENANT_ID

LOG_LINES = 50


class PlatformAdmin(ModelAdmin):
    """A model as platform staff see it. Nothing is added, changed or deleted except by a verb."""

    read_action: ClassVar[str] = "platform.health.read"
    keyset: ClassVar[str] = "-pk"
    tenant_column: ClassVar[str] = ""
    list_matters: ClassVar[tuple[str, ...]] = ()
    list_numeric: ClassVar[tuple[str, ...]] = ()
    detail: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()
    verbs: ClassVar[tuple[Verb, ...]] = ()
    noun: ClassVar[str] = ""
    nouns: ClassVar[str] = ""
    about: ClassVar[str] = ""
    empty: ClassVar[str] = "Nothing is here so far."
    search_hint: ClassVar[str] = ""

    list_per_page = 50
    sortable_by: ClassVar[tuple[str, ...]] = ()
    show_full_result_count = False
    actions: ClassVar[tuple[Any, ...]] = ()

    @property
    def roof(self) -> Roof:
        """The site, as what it hands in."""
        return cast(Roof, self.admin_site)

    @property
    def called(self) -> tuple[str, str]:
        """What one row and several rows are called on screens: the product's words, not the table's."""
        opts = self.model._meta
        return self.noun or str(opts.verbose_name), self.nouns or str(opts.verbose_name_plural)

    # -- permission: asked of policy, by the name of an action ---------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the caller may see these rows."""
        return self.roof.may(request, self.read_action)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the navigation shows it."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No row is added but by a verb."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No row is changed but by a verb."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No row is deleted."""
        return False

    def offered(self, request: HttpRequest, verbs: Sequence[Verb]) -> list[Verb]:
        """Return those of the verbs that the caller may use."""
        return [verb for verb in verbs if self.roof.may(request, verb.action)]

    # -- rows ----------------------------------------------------------------------------------------------------

    def prepare(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Read what the columns need besides the rows themselves, for all rows at once. Extend with super()."""
        if self.tenant_column:
            labels = self.roof.tenant_labels({getattr(row, self.tenant_column) for row in rows})
            opens = self.roof.opens(request, "tenants.tenant")
            for row in rows:
                key = getattr(row, self.tenant_column)
                row.ig_tenant_label = labels.get(key, "")
                row.ig_tenant_opens = opens and key != PLATFORM_TENANT_ID

    def tenant_label(self, obj: Any) -> shown.Shown:
        """The tenant that the row belongs to."""
        label = getattr(obj, "ig_tenant_label", "")
        key = getattr(obj, self.tenant_column)
        if getattr(obj, "ig_tenant_opens", False) and label:
            return shown.Link(label, self.address_of("tenants.tenant", key))
        return shown.Text(label) if label else shown.Text(str(key), code=True)

    tenant_label.short_description = "tenant"  # type: ignore[attr-defined]

    def label_of(self, obj: Any) -> str:
        """Return what a prepared row is called in titles, links and the log."""
        return str(obj)

    def address_of(self, model: str, key: Any) -> str:
        """Return the address of another model's detail page, by `app.model`."""
        return reverse(f"{self.roof.name}:{model.replace('.', '_')}_change", args=[quote(key)])

    def found(self, request: HttpRequest, rows: models.QuerySet[Any], term: str) -> models.QuerySet[Any]:
        """Return the rows that a search finds; by id unless a subclass knows more. Must be answered by an index."""
        key = parse_id(term)
        return rows.filter(pk=key) if key and isinstance(self.model._meta.pk, models.UUIDField) else rows.none()

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        """A search box is there when there is a hint for it; `found` does the work."""
        return ("pk",) if self.search_hint else ()

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Return what a search finds."""
        term = search_term.replace("\x00", "").strip()
        return (self.found(request, queryset, term), False) if term else (queryset, False)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        """Lists page by key."""
        return KeysetChangeList

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the verbs that act on several rows at once, as the change list knows actions."""
        return {
            verb.name: (acting.begin(verb), verb.name, verb.label)
            for verb in self.offered(request, self.verbs)
            if verb.bulk
        }

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list."""
        return super().changelist_view(
            request,
            {
                "title": capfirst(self.called[1]),
                "about": self.about,
                "creating": self.links(request, [verb for verb in self.verbs if verb.creates]),
                "bulk": self.offered(request, [verb for verb in self.verbs if verb.bulk]),
                **(extra_context or {}),
            },
        )

    # -- one row -------------------------------------------------------------------------------------------------

    def facts(self, request: HttpRequest, obj: Any, names: Sequence[str]) -> tuple[shown.Fact, ...]:
        """Return fields and methods by name, as facts."""
        found = []
        for name in names:
            label = str(label_for_field(name, self.model, model_admin=self))
            _, _, value = lookup_field(name, obj, self)
            found.append(shown.Fact(label[:1].upper() + label[1:], shown.of(value)))
        return tuple(found)

    def panels(self, request: HttpRequest, obj: Any) -> Sequence[shown.Panel]:
        """Return small tables of what belongs to the row."""
        return ()

    def links(self, request: HttpRequest, verbs: Sequence[Verb], obj: Any = None) -> list[dict[str, Any]]:
        """Return where the verbs are that the caller may use, on this row where one is given."""
        opts = self.model._meta
        found = []
        for verb in self.offered(request, verbs):
            if obj is not None and verb.unfit(obj):
                continue
            href = reverse(f"{self.roof.name}:{opts.app_label}_{opts.model_name}_do", args=[verb.name])
            found.append({"verb": verb, "href": f"{href}?id={quote(obj.pk)}" if obj is not None else href})
        return found

    def row(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row of that key as it stands in an address. Raises PermissionDenied, Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        self.prepare(request, [obj])
        return obj

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The detail page."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        obj = self.row(request, object_id)
        context = {
            **self.page_context(request, obj),
            "title": self.label_of(obj),
            "sections": [shown.Section(title, self.facts(request, obj, names)) for title, names in self.detail],
            "panels": self.panels(request, obj),
            "acts": self.links(request, [verb for verb in self.verbs if not verb.creates], obj),
            "history_href": reverse(self._name("history"), args=[quote(obj.pk)]) if self.remembers else "",
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/change_form.html", context)

    def _name(self, view: str) -> str:
        opts = self.model._meta
        return f"{self.roof.name}:{opts.app_label}_{opts.model_name}_{view}"

    def page_context(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Return what every page of this model has."""
        crumbs = [(capfirst(self.called[1]), reverse(self._name("changelist")))]
        if obj is not None:
            crumbs.append((self.label_of(obj), reverse(self._name("change"), args=[quote(obj.pk)])))
        return {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": obj,
            "about": self.about,
            "nouns": self.called[1],
            "crumbs": crumbs,
        }

    # -- history -------------------------------------------------------------------------------------------------

    @property
    def remembers(self) -> bool:
        """Whether the ledger tells of these rows. Rows that are the record itself have no history."""
        mine = type(self)
        return mine.trail is not PlatformAdmin.trail or mine.told is not PlatformAdmin.told

    def trail(self, obj: Any) -> Trail | None:
        """Return where the ledger tells of this row; None when it does not."""
        return None

    def told(self, request: HttpRequest, obj: Any) -> Sequence[Any]:
        """Return what the ledger tells of this row, newest first, as items of the timeline component."""
        trail = self.trail(obj)
        return self.roof.told_by(request, trail) if trail else ()

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the ledger tells of a row, with before and after, and what staff did to it here."""
        obj = self.row(request, object_id)
        log = (
            LogEntry.objects.filter(
                object_id=str(obj.pk),
                content_type__app_label=self.model._meta.app_label,
                content_type__model=self.model._meta.model_name,
            )
            .select_related("user")
            .order_by("-action_time")[:LOG_LINES]
        )
        context = {
            **self.page_context(request, obj),
            "title": "History",
            "told": self.told(request, obj),
            "told_where": "the ledger",
            "log": log,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/object_history.html", context)

    # -- verbs ---------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The list, the detail page, its history, and one address for each verb."""
        name = f"{self.model._meta.app_label}_{self.model._meta.model_name}_do"
        return [path("do/<slug:verb>/", self.admin_site.admin_view(self.do_view), name=name), *super().get_urls()]

    def do_view(self, request: HttpRequest, verb: str) -> HttpResponse:
        """Name the consequences of a verb and ask; on agreement do it. Raises Http404 for no such verb."""
        known = next((one for one in self.verbs if one.name == verb), None)
        if known is None:
            raise Http404
        return acting.answer(self, request, known)

    def log_done(self, request: HttpRequest, obj: Any, message: str, *, created: bool) -> None:
        """Write the admin's own log beside the ledger: who did what here."""
        LogEntry.objects.create(
            user_id=cast(UUID, request.user.pk),
            content_type=ContentType.objects.get_for_model(self.model),
            object_id=str(obj.pk),
            object_repr=self.label_of(obj)[:200],
            action_flag=ADDITION if created else CHANGE,
            change_message=message,
        )
