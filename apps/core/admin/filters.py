"""Filters of admin lists. Each is answered by an index; what no index answers is not offered."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest


class TextFilter(SimpleListFilter):
    """A filter that is typed. Subclasses say how it narrows the list."""

    hint: ClassVar[str] = ""

    def has_output(self) -> bool:
        """It is always offered."""
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """There is nothing to choose from."""
        return ()

    def value(self) -> str | None:
        """What was typed, without spaces around it."""
        typed = super().value()
        return typed.strip() if typed else None


class TenantFilter(TextFilter):
    """Rows of one tenant, by slug or id. An unknown one gives an empty list and says so."""

    title = "tenant"
    parameter_name = "tenant"
    hint = "slug or id"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self._column = model_admin.tenant_column
        self._site = model_admin.admin_site

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tenant's rows."""
        typed = self.value()
        if not typed:
            return queryset
        tenant_id = self._site.tenant_id_of(typed)
        if tenant_id is None:
            messages.warning(request, f"There is no tenant “{typed}”. Filter by a tenant's slug or id.")
            return queryset.none()
        return queryset.filter(**{self._column: tenant_id})


def choice(title: str, field: str, choices: Iterable[tuple[str, str]]) -> type[SimpleListFilter]:
    """Return a filter on a field with few values."""
    offered = tuple(choices)

    class Chosen(SimpleListFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
            return offered

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            picked = self.value()
            return queryset.filter(**{field: picked}) if picked else queryset

    Chosen.title = title
    Chosen.__name__ = f"By_{field}"
    return Chosen


def exact(title: str, field: str, hint: str, *, within_tenant: bool = False) -> type[TextFilter]:
    """Return a filter on the exact value of an indexed field.

    `within_tenant` is for indexes that begin with the tenant: the filter then asks for a tenant first.
    """

    class Exact(TextFilter):
        parameter_name = field

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            typed = self.value()
            if not typed:
                return queryset
            if within_tenant and not request.GET.get(TenantFilter.parameter_name, "").strip():
                messages.warning(request, f"Choose a tenant before you filter by {title}.")
                return queryset.none()
            return queryset.filter(**{field: typed})

    Exact.title = title
    Exact.hint = hint
    Exact.__name__ = f"Exact_{field}"
    return Exact
