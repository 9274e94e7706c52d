"""Lists of the admin: pages by key, never by offset; counts are exact while that is cheap, else estimated."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field, quote
from django.core.exceptions import ValidationError
from django.db import connections, models
from django.http import HttpRequest
from django.urls import reverse
from unfold.views import ChangeList

from apps.core.admin import shown

AFTER, BEFORE = "after", "before"
EXACT_UP_TO = 10_000
"""Beyond this many rows the planner's estimate is shown: counting them all costs more than it tells."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are."""

    number: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that a filter can take."""

    value: str
    label: str
    on: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as its form field draws it: a text field without choices, else a selection."""

    name: str
    title: str
    value: str
    hint: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, and the address without it."""

    label: str
    href: str


def count(rows: models.QuerySet[Any], *, filtered: bool) -> Count:
    """Return how many rows the query gives: exact up to `EXACT_UP_TO`, else as the planner sees it.

    One statement for a large table, two for a small one; none reads more than `EXACT_UP_TO` rows.
    """
    if filtered:
        plan = json.loads(rows.order_by().explain(format="json"))
        estimate = int(plan[0]["Plan"]["Plan Rows"])
    else:
        estimate = _table_estimate(rows)
    if estimate > EXACT_UP_TO:
        return Count(estimate, exact=False)
    counted = rows.order_by()[: EXACT_UP_TO + 1].count()
    return Count(counted, exact=True) if counted <= EXACT_UP_TO else Count(max(counted, estimate), exact=False)


def _table_estimate(rows: models.QuerySet[Any]) -> int:
    with connections[rows.db].cursor() as cursor:
        cursor.execute("select reltuples::bigint from pg_class where oid = %s::regclass", [rows.model._meta.db_table])
        found = cursor.fetchone()
    return max(0, int(found[0])) if found else 0


class KeysetChangeList(ChangeList):
    """A change list that pages by the key of its order: the thousandth page costs what the first one does.

    The admin names the key (`keyset`): a unique, indexed field, with `-` in front for newest first.
    """

    after: str = ""
    before: str = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str] | None = None) -> models.QuerySet[Any]:
        """Return the filtered rows in order; takes the page's key out of the parameters, which are for filters."""
        for name in (AFTER, BEFORE):
            if name in self.params:
                setattr(self, name, self.params.pop(name))
                self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> list[str]:
        """The order is the key's."""
        return [self.model_admin.keyset]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, one row more to know whether another follows, and the number of rows."""
        name = self.model_admin.keyset.removeprefix("-")
        falling = self.model_admin.keyset.startswith("-")
        size = self.list_per_page
        rows = self.queryset
        if self.after:
            rows = rows.filter(**{f"{name}__{'lt' if falling else 'gt'}": self._key(name, self.after)})
        elif self.before:
            rows = rows.filter(**{f"{name}__{'gt' if falling else 'lt'}": self._key(name, self.before)}).reverse()
        found = list(rows[: size + 1])
        more = len(found) > size
        found = found[:size]
        if self.before and not self.after:
            found.reverse()
            self.has_previous, self.has_next = more, bool(found)
        else:
            self.has_previous, self.has_next = bool(self.after), more
        whole = not (self.after or self.before or more)
        narrowed = bool(self.query) or bool(self.has_active_filters)
        self.count = Count(len(found), exact=True) if whole else count(self.queryset, filtered=narrowed)
        self.model_admin.prepare(request, found)
        self.result_list = found
        self.result_count = self.count.number
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(found)
        self.can_show_all = False
        self.multi_page = self.has_next or self.has_previous
        self.paginator = self.model_admin.get_paginator(request, self.queryset, size)

    def _key(self, name: str, text: str) -> Any:
        field = self.model._meta.pk if name == "pk" else self.model._meta.get_field(name)
        try:
            return field.to_python(text)
        except ValidationError as error:
            raise IncorrectLookupParameters(error) from error

    def _key_of(self, row: models.Model) -> str:
        name = self.model_admin.keyset.removeprefix("-")
        return str(row.pk if name == "pk" else getattr(row, name))

    @property
    def next_href(self) -> str:
        """Address of the following page, empty on the last."""
        return self.get_query_string({AFTER: self._key_of(self.result_list[-1])}) if self.has_next else ""

    @property
    def previous_href(self) -> str:
        """Address of the page before, empty on the first."""
        return (
            self.get_query_string({BEFORE: self._key_of(self.result_list[0])})
            if self.has_previous and self.result_list
            else ""
        )

    @cached_property
    def columns(self) -> tuple[shown.Column, ...]:
        """The columns, without the tick boxes."""
        matters = self.model_admin.list_matters
        found = []
        for name in self.list_display:
            if name == "action_checkbox":
                continue
            label = str(label_for_field(name, self.model, model_admin=self.model_admin))
            found.append(
                shown.Column(
                    name, label[:1].upper() + label[1:], name in matters, name in self.model_admin.list_numeric
                )
            )
        return tuple(found)

    @cached_property
    def rows(self) -> list[shown.Row]:
        """The page's rows, ready to draw."""
        opts = self.model._meta
        address = f"{self.model_admin.admin_site.name}:{opts.app_label}_{opts.model_name}_change"
        found = []
        for row in self.result_list:
            cells = []
            for column in self.columns:
                _, _, value = lookup_field(column.name, row, self.model_admin)
                cells.append((column, shown.of(value)))
            found.append(
                shown.Row(
                    str(row.pk), reverse(address, args=[quote(row.pk)]), self.model_admin.label_of(row), tuple(cells)
                )
            )
        return found

    @cached_property
    def filters(self) -> list[Filter]:
        """The filters, as one form holds them."""
        found = []
        for spec in self.filter_specs:
            value = spec.value() or ""
            choices = tuple(Choice(str(key), str(label), str(key) == value) for key, label in spec.lookup_choices)
            found.append(Filter(spec.parameter_name, str(spec.title), value, getattr(spec, "hint", ""), choices))
        return found

    @property
    def chips(self) -> list[Chip]:
        """The filters that are on."""
        found = []
        for one in self.filters:
            if one.value:
                label = next((choice.label for choice in one.choices if choice.on), one.value)
                found.append(Chip(f"{one.title}: {label}", self.get_query_string(remove=[one.name])))
        if self.query:
            found.append(Chip(f"search: {self.query}", self.get_query_string(remove=["q"])))
        return found
