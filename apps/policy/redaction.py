"""The forms in which tagged data is shown: in clear, altered, or not at all. Pure; which form is policy's to say."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from apps.policy.types import Treatment

MASKED = "•••"
_YEAR = re.compile(r"^(\d{4})-\d{2}(-\d{2})?")


def _altered(value: Any, treatment: Treatment, salt: bytes) -> Any:
    """Return a value in the form that the treatment gives it."""
    if value is None:
        return None
    if treatment is Treatment.HASH:
        return "#" + blake2b(repr(value).encode("utf-8", "surrogatepass"), key=salt[:64], digest_size=8).hexdigest()
    if treatment is Treatment.GENERALISE:
        if isinstance(value, bool):
            return MASKED
        if isinstance(value, int | float):
            return 0 if value == 0 else f"about 1e{len(str(abs(int(value)))) - 1}"
        if isinstance(value, str) and value:
            year = _YEAR.match(value)
            return year[1] if year else f"{value[0]}{MASKED}"
    return MASKED


def shown_text(value: str, treatment: Treatment, salt: bytes) -> str:
    """Return a text as it is shown; empty texts stay empty. `salt` keeps hashes of one tenant apart from another's."""
    if treatment is Treatment.CLEAR or not value:
        return value
    return "" if treatment is Treatment.DROP else str(_altered(value, treatment, salt))


def shown_properties(value: Mapping[str, Any], treatment: Treatment, salt: bytes) -> dict[str, Any]:
    """Return properties as they are shown: names stay (unless dropped), values are altered."""
    if treatment is Treatment.CLEAR:
        return dict(value)
    if treatment is Treatment.DROP:
        return {}
    return {key: _altered(inner, treatment, salt) for key, inner in value.items()}
