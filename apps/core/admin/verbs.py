"""What staff may do in the admin: each act is a `Verb` that names its consequences, asks, and calls one service.

There is no other way to change anything: no form saves a row, since that would pass the ledger by.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest

from apps.core.context import Context

Change = tuple[str, str, str]
"""What is changed, from what, to what, in words; empty where nothing stood or nothing will."""

MOST_AT_ONCE = 100
"""Most things that one act may touch; each is its own transaction and its own record."""


class VerbForm(forms.Form):
    """Base of the forms that verbs ask with. `objects` are what the verb is about (empty when it creates)."""

    def __init__(
        self, *args: Any, objects: Sequence[Any] = (), request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.objects = objects
        self.request = request
        for bound in self.fields.values():
            if not isinstance(bound.widget, forms.CheckboxInput | forms.CheckboxSelectMultiple | forms.RadioSelect):
                bound.widget.attrs.setdefault("class", "input")


class ReasonForm(VerbForm):
    """Asks why."""

    reason = forms.CharField(
        label="Reason",
        max_length=500,
        help_text="It stands in the ledger for good. Name the ticket or the person who asked; no personal data.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act did: a sentence for the screen, and the key of what it made or changed (None: the list is shown)."""

    message: str
    pk: Any = None


def _no_consequences(objects: Sequence[Any]) -> Sequence[str]:
    return ()


def _always(obj: Any) -> str:
    return ""


def _no_changes(obj: Any, answers: Mapping[str, Any]) -> Sequence[Change]:
    return ()


def _no_tenant(obj: Any, answers: Mapping[str, Any]) -> UUID | None:
    return None


def _nothing_yet(obj: Any) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Verb:
    """An act of the admin.

    `action` is what policy is asked. `run(ctx, obj, answers)` calls the service for one object (None when it creates)
    and raises that service's errors. `consequences(objects)` says what will be, before anyone agrees. `unfit(obj)`
    says why an object cannot be acted on, empty when it can. `type_name(obj)` is what must be typed where it cannot
    be undone.

    A `checked` verb is not run by whoever asks: it becomes a proposal, with what it changes (`compare(obj, answers)`, in
    words, raising that service's errors) for the tenant `tenant_of(obj, answers)`, and runs when a second person approves.
    """

    name: str
    label: str
    action: str
    run: Callable[[Context, Any, dict[str, Any]], Outcome]
    icon: str = "play"
    form: type[VerbForm] = VerbForm
    lead: str = ""
    consequences: Callable[[Sequence[Any]], Sequence[str]] = field(default=_no_consequences)
    unfit: Callable[[Any], str] = field(default=_always)
    initial: Callable[[Any], Mapping[str, Any]] = field(default=_nothing_yet)
    type_name: Callable[[Any], str] | None = None
    creates: bool = False
    bulk: bool = False
    danger: bool = False
    checked: bool = False
    compare: Callable[[Any, dict[str, Any]], Sequence[Change]] = field(default=_no_changes)
    tenant_of: Callable[[Any, dict[str, Any]], UUID | None] = field(default=_no_tenant)
