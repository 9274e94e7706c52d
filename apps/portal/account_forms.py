"""Forms of people: invitations, accounts, passwords."""

from typing import Any

from django import forms


class InviteForm(forms.Form):
    """Whom to invite, as what."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Say who is invited.", "invalid": "Enter an address like name@example.com."},
    )
    roles = forms.MultipleChoiceField(
        label="Roles",
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Choose at least one role.",
            "invalid_choice": "You may not give %(value)s. Ask an owner.",
        },
    )

    use_required_attribute = False

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["roles"]
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = choices


def new_password(label: str) -> forms.CharField:
    """Return the field of a password that somebody chooses."""
    return forms.CharField(
        label=label,
        max_length=1000,
        strip=False,
        help_text="At least 12 characters; a few words are easier to remember than signs.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages={"required": "Choose a password."},
    )


class WelcomeForm(forms.Form):
    """The account that an invitation makes: a name and a password."""

    name = forms.CharField(
        label="Your name",
        max_length=120,
        help_text="As your colleagues know you.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Tell your colleagues who you are."},
    )
    password = new_password("Password")

    use_required_attribute = False


class AddressForm(forms.Form):
    """The address of an account."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "spellcheck": "false"}),
        error_messages={"required": "Enter your e-mail address.", "invalid": "Enter an address like name@example.com."},
    )

    use_required_attribute = False


class NewPasswordForm(forms.Form):
    """A password that is new."""

    password = new_password("New password")

    use_required_attribute = False


class PasswordForm(NewPasswordForm):
    """The password that holds, and a new one."""

    current = forms.CharField(
        label="Present password",
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Enter the password that you have now."},
    )
    field_order = ("current", "password")
