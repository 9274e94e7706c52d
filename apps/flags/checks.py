"""System check: the registry's file can be read and holds flags."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register

from apps.flags import registry
from apps.flags.errors import FlagInvalid


@register()
def registry_file(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report what is wrong with the registry's file."""
    try:
        registry.declared()
    except FlagInvalid as error:
        return [Error(f"the registry of flags: {error.message}", hint=error.mend, id="flags.E001")]
    return []
