"""Forms of the portal's pages: what may be entered, and what is said when it is wrong."""

import json
from typing import Any

from django import forms

from apps.core.ids import new_id
from apps.portal import wording
from apps.tenants.types import DEFAULT_TIERS, MAX_NAME


class SignInForm(forms.Form):
    """E-mail address and password."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "spellcheck": "false"}),
        error_messages={"required": "Enter your e-mail address.", "invalid": "Enter an address like name@example.com."},
    )
    password = forms.CharField(
        label="Password",
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Enter your password."},
    )

    use_required_attribute = False


class CodeForm(forms.Form):
    """A one-time code."""

    code = forms.CharField(
        label="Code",
        max_length=32,
        help_text="The six digits that your authenticator app shows now, or one of your recovery codes.",
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "autofocus": True,
                "class": "code-input",
                "spellcheck": "false",
            }
        ),
        error_messages={"required": "Enter the code that your app shows now."},
    )

    use_required_attribute = False

    def clean_code(self) -> str:
        """Return the code without the spaces that apps show inside it."""
        return "".join(str(self.cleaned_data["code"]).split())


class AppCodeForm(CodeForm):
    """The first code of an authenticator app."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].help_text = "The six digits that the app shows now."


class EntityForm(forms.Form):
    """Name and properties of an entity, and the version that the editor started from."""

    version = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)
    name = forms.CharField(
        label="Name",
        max_length=1000,
        required=False,
        help_text="As people in your tenant know it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    properties = forms.CharField(
        label="Properties",
        required=False,
        max_length=512 * 1024,
        help_text="A JSON object. What is not in it is removed from the entity.",
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "autocomplete": "off"}),
    )

    use_required_attribute = False

    def clean_properties(self) -> dict[str, Any]:
        """Return the properties. Says where the text stops being JSON, and which name stands twice."""
        text = str(self.cleaned_data["properties"]).strip() or "{}"
        try:
            value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            raise forms.ValidationError(
                f"This is not JSON: {error.msg.lower()}, at line {error.lineno}, column {error.colno}."
            ) from None
        except _NotTaken as error:
            raise forms.ValidationError(str(error)) from None
        except RecursionError:
            raise forms.ValidationError("This is nested too deeply.") from None
        if not isinstance(value, dict):
            raise forms.ValidationError("Properties are an object: start with { and end with }.")
        return value


class _NotTaken(ValueError):
    """JSON that Python reads and we do not take."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _NotTaken(f"The name “{key[:60]}” stands twice in one object. Remove one of them.")
        found[key] = value
    return found


def _no_constant(word: str) -> Any:
    raise _NotTaken(f"{word} is not JSON. Write a number, or text in quotes.")


class ImportForm(forms.Form):
    """A file to bring in, and how."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=64)
    file = forms.FileField(
        label="File",
        help_text="STIX bundle, CSV or JSON Lines, plain or gzipped.",
        error_messages={"required": "Choose a file.", "empty": "The file is empty. Choose another one."},
    )
    mapping = forms.ChoiceField(
        label="Mapping",
        help_text="Says what becomes of each row: which entities, which relations, which tags.",
        error_messages={"invalid_choice": "There is no such mapping. Choose one of the list."},
    )
    on_error = forms.ChoiceField(
        label="When a row is wrong",
        choices=[("keep", "Keep the good rows, list the others"), ("refuse", "Check everything first, refuse all")],
        initial="keep",
    )
    dry_run = forms.BooleanField(label="Only show what would be written", required=False)

    use_required_attribute = False

    def __init__(self, *args: Any, mappings: list[tuple[str, str]], **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"key": str(new_id()), "mapping": "stix"})
        super().__init__(*args, **kwargs)
        field = self.fields["mapping"]
        if isinstance(field, forms.ChoiceField):
            field.choices = mappings


class KeyForm(forms.Form):
    """A new API key: what for, what it may do, how long it lives."""

    name = forms.CharField(
        label="Name",
        max_length=120,
        help_text="The machine or job that will hold it.",
        error_messages={"required": "Say what the key is for."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(label="What it may do")
    days = forms.TypedChoiceField(
        label="Ends after",
        coerce=int,
        initial=90,
        choices=[(30, "30 days"), (90, "90 days"), (180, "180 days"), (365, "a year")],
    )

    use_required_attribute = False

    def __init__(self, *args: Any, scopes: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scope"]
        if isinstance(field, forms.ChoiceField):
            field.choices = scopes


class SettingsForm(forms.Form):
    """What a tenant changes of itself, and the version that the editor started from."""

    version = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)
    name = forms.CharField(
        label="Name",
        max_length=MAX_NAME,
        help_text="As it stands on every page, in reports and on invoices.",
        error_messages={"required": "Enter a name."},
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    retention_tier = forms.ChoiceField(
        label="Kept by default",
        choices=[(tier.value, wording.RETENTION[tier]) for tier in DEFAULT_TIERS],
        help_text="For what is written from now on without a tier of its own.",
    )

    use_required_attribute = False


class RolesForm(forms.Form):
    """The roles of a member. Only what the viewer may give or take can be chosen; the rest stays."""

    roles = forms.MultipleChoiceField(label="Roles", required=False, widget=forms.CheckboxSelectMultiple)

    use_required_attribute = False

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["roles"]
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = choices


class IssuerForm(forms.Form):
    """An identity provider to trust."""

    name = forms.CharField(label="Name", max_length=120)
    issuer = forms.CharField(label="Issuer", max_length=500, help_text="The iss of its tokens, letter for letter.")
    jwks_url = forms.CharField(label="Address of its key set", max_length=500, help_text="Starts with https://.")
    role_claim = forms.CharField(label="Claim with roles", max_length=120, initial="roles")
    role_map = forms.CharField(
        label="Roles",
        max_length=10_000,
        help_text="A line for each value of the claim, such as: graph-readers = reader",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )

    use_required_attribute = False

    def clean_role_map(self) -> dict[str, str]:
        """Return the map. Says which line cannot be read."""
        found: dict[str, str] = {}
        for line in str(self.cleaned_data["role_map"]).splitlines():
            value, equals, role = [part.strip() for part in line.rpartition("=")]
            if line.strip() and not (value and equals and role):
                raise forms.ValidationError(f"“{line[:60]}” is not of the form: value = role")
            if line.strip():
                found[value] = role
        return found


class FenceForm(forms.Form):
    """The countries from which sessions are admitted."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    countries = forms.CharField(
        label="Countries",
        max_length=1_000,
        required=False,
        help_text="Two-letter codes with spaces between, such as: DE AT CH. Empty: every country.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "characters", "autocomplete": "off"}),
    )
    reason = forms.CharField(label="Why", max_length=500, help_text="For your ledger.")

    use_required_attribute = False

    def clean_countries(self) -> list[str]:
        """Return the codes as they were written."""
        return str(self.cleaned_data["countries"]).replace(",", " ").split()
