"""Forms of the portal's pages: what may be entered, and what is said when it is wrong."""

from django import forms


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
        help_text="The six digits that your authenticator app shows now.",
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
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
