"""How tagged data is shown to a caller: in clear, altered, or not at all. Pure decisions; no Django.

1. Purpose: data that names purposes is withheld from a read for another purpose. A read that states no purpose (only
   machines may) reaches such data when it is neither personal nor sensitive.
2. Data class: what the caller is not cleared for is altered as the data's redaction policy says, masked when it says
   nothing; sensitive data is withheld.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from apps.policy.types import CLEAR, Clearance, DataClass, RedactionPolicy, Tags, Treatment, Visibility

MASKED = "•••"
_PROTECTED = frozenset({DataClass.PERSONAL.value, DataClass.SENSITIVE.value})
_KNOWN_CLASSES = frozenset(c.value for c in DataClass)
_FORMS: Mapping[str, Treatment] = {
    RedactionPolicy.MASK.value: Treatment.MASK,
    RedactionPolicy.HASH.value: Treatment.HASH,
    RedactionPolicy.GENERALISE.value: Treatment.GENERALISE,
    RedactionPolicy.DROP.value: Treatment.DROP,
}
_YEAR = re.compile(r"^(\d{4})-\d{2}(-\d{2})?")


def visibility(tags: Tags, clearance: Clearance) -> Visibility:
    """Return how data with these tags is shown to a caller of this clearance."""
    if (
        tags.purposes
        and clearance.purpose not in tags.purposes
        and (clearance.purpose or tags.data_class in _PROTECTED)
    ):
        return Visibility(Treatment.WITHHOLD, "purpose")
    if tags.data_class in clearance.data_classes:
        return CLEAR
    if tags.data_class == DataClass.SENSITIVE or tags.data_class not in _KNOWN_CLASSES:
        # A class that no rule names is treated as the most protected: fail closed.
        known = tags.data_class in _KNOWN_CLASSES
        return (
            CLEAR
            if not known and DataClass.SENSITIVE in clearance.data_classes
            else Visibility(Treatment.WITHHOLD, "data class")
        )
    return Visibility(_FORMS.get(tags.redaction_policy, Treatment.MASK), "data class")


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
