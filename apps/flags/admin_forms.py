"""What the admin asks before it changes a flag. Each form carries the version that was looked at."""

from typing import Any

from django import forms

from apps.core.admin import ReasonForm, VerbForm
from apps.flags import registry, schema
from apps.flags.errors import FlagInvalid
from apps.flags.types import FlagType, Risk, Scope

_LINES = {"rows": 10, "class": "input code", "spellcheck": "false", "autocomplete": "off"}


class _Yaml(forms.CharField):
    """A value written in YAML or JSON."""

    def __init__(self, *, rows: int, **more: Any) -> None:
        super().__init__(
            required=False,
            max_length=50_000,
            strip=False,
            widget=forms.Textarea(attrs={**_LINES, "rows": rows}),
            **more,
        )

    def clean(self, value: Any) -> Any:
        """Return the value, None for none."""
        text = super().clean(value)
        try:
            return registry.read_yaml(text, "") if text.strip() else None
        except FlagInvalid as error:
            raise forms.ValidationError(error.message) from None


class VersionForm(ReasonForm):
    """Asks why, and remembers which version was looked at."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class _Registered(forms.Form):
    """The fields of the registry that may change."""

    owner = forms.RegexField(schema.FLAG["properties"]["owner"]["pattern"], help_text="A team, no person.")
    expires = forms.RegexField(
        schema.FLAG["properties"]["expires"]["pattern"], help_text="YYYY-MM-DD, or never for one that is meant to stay."
    )
    risk = forms.ChoiceField(choices=[(one.value, one.value) for one in Risk])
    about = forms.CharField(max_length=500, required=False, label="What it does")


class NewFlagForm(_Registered, ReasonForm):
    """What a flag begins with."""

    key = forms.RegexField(schema.KEY, help_text="Such as area.whatItDoes. It never changes.")
    scope = forms.ChoiceField(
        choices=[
            (Scope.TENANT.value, "tenant: may differ between tenants"),
            (Scope.GLOBAL.value, "global: the same for all"),
        ]
    )
    type = forms.ChoiceField(choices=[(one.value, one.value) for one in FlagType])
    variants = _Yaml(rows=4, help_text="Name to value, in YAML. A boolean flag needs none: it has on and off.")
    default = forms.CharField(max_length=63, initial="off", help_text="The variant for everyone whom no rule fits.")
    off = forms.CharField(
        label="When killed", max_length=63, initial="off", help_text="The variant while the kill switch is thrown."
    )
    rules = _Yaml(rows=8, help_text="In YAML, first fit wins; see docs/develop/flags.md.")
    killswitch = forms.BooleanField(required=False, initial=True, label="It has a kill switch")
    remote = forms.BooleanField(required=False, initial=True, label="Clients may see it (OFREP)")
    field_order = (
        "key", "about", "owner", "expires", "risk", "scope", "type", "variants", "default", "off", "rules", "killswitch",
        "remote", "reason",
    )  # fmt: skip


class ChangeForm(_Registered, VersionForm):
    """What may be changed of a flag."""

    default = forms.ChoiceField(help_text="The variant for everyone whom no rule fits.")
    off = forms.ChoiceField(label="When killed", help_text="The variant while the kill switch is thrown.")
    rules = _Yaml(rows=12, help_text="In YAML, first fit wins; see docs/develop/flags.md.")
    remote = forms.BooleanField(required=False, label="Clients may see it (OFREP)")
    field_order = ("about", "owner", "expires", "risk", "default", "off", "rules", "remote", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = self.initial.get("variants", ())
        for field in ("default", "off"):
            self.fields[field].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


class TargetForm(VersionForm):
    """Which tenant gets which variant."""

    tenant = forms.CharField(max_length=63, help_text="Its slug.")
    variant = forms.ChoiceField(help_text="It goes before all rules, until it is taken back.")
    field_order = ("tenant", "variant", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(name, name) for name in self.initial.get("variants", ())]
        self.fields["variant"].choices = [*names, ("", "as the rules decide")]  # type: ignore[attr-defined]
        self.fields["variant"].required = False


class TryForm(VerbForm):
    """For whom a flag is tried."""

    tenant = forms.CharField(max_length=63, required=False, help_text="Slug of a tenant; empty for none.")
    region = forms.CharField(max_length=63, required=False, help_text="Empty: the tenant's home region.")
    targeting_key = forms.CharField(max_length=500, required=False, label="Targeting key")
    attributes = _Yaml(rows=4, help_text="Name to value, in YAML, as a client would send them.")

    def clean_attributes(self) -> dict[str, Any]:
        """Return the attributes."""
        value = self.cleaned_data["attributes"]
        if value is not None and not (isinstance(value, dict) and all(isinstance(name, str) for name in value)):
            raise forms.ValidationError("Write names and values, one per line, such as plan: pro.")
        return value or {}
