"""The shape of a flag's definition, as JSON Schema (draft 2020-12). What a shape cannot say is checked in `definition`."""

from typing import Any

MAX_VARIANTS = 20
MAX_RULES = 50
MAX_LISTED = 1_000
NAME = "^[A-Za-z][A-Za-z0-9_.-]{0,62}$"
KEY = "^[A-Za-z][A-Za-z0-9_.-]{0,99}$"
TEXT = "^[^\\u0000-\\u001f\\u007f]*$"

_SCALAR: dict[str, Any] = {
    "anyOf": [{"type": "string", "maxLength": 500, "pattern": TEXT}, {"type": "number"}, {"type": "boolean"}]
}
_LISTED: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_LISTED,
    "uniqueItems": True,
    "items": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": TEXT},
}
_WHEN: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "tenants": _LISTED,
        "regions": _LISTED,
        "attributes": {
            "type": "object",
            "maxProperties": 20,
            "propertyNames": {"pattern": NAME},
            "additionalProperties": {
                "anyOf": [
                    *_SCALAR["anyOf"],
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["in"],
                        "properties": {
                            "in": {"type": "array", "minItems": 1, "maxItems": MAX_LISTED, "items": _SCALAR}
                        },
                    },
                ]
            },
        },
    },
}
_RULE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "oneOf": [{"required": ["serve"]}, {"required": ["split"]}],
    "properties": {
        "name": {"type": "string", "maxLength": 100, "pattern": TEXT},
        "when": _WHEN,
        "serve": {"type": "string", "pattern": NAME},
        "split": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_VARIANTS,
            "propertyNames": {"pattern": NAME},
            "additionalProperties": {"type": "number", "minimum": 0, "maximum": 100},
        },
        "by": {"type": "string", "pattern": NAME},
        "salt": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": TEXT},
    },
}
FLAG: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["key", "owner", "scope", "expires", "killswitch", "risk"],
    "properties": {
        "key": {"type": "string", "pattern": KEY},
        "owner": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,99}$"},
        "scope": {"enum": ["tenant", "global"]},
        "expires": {"type": "string", "pattern": "^(never|[0-9]{4}-[0-9]{2}-[0-9]{2})$"},
        "killswitch": {"type": "boolean"},
        "risk": {"enum": ["low", "medium", "high"]},
        "about": {"type": "string", "maxLength": 500, "pattern": TEXT},
        "type": {"enum": ["boolean", "string", "integer", "float", "object"]},
        "variants": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_VARIANTS,
            "propertyNames": {"pattern": NAME},
        },
        "default": {"type": "string", "pattern": NAME},
        "off": {"type": "string", "pattern": NAME},
        "remote": {"type": "boolean"},
        "rules": {"type": "array", "maxItems": MAX_RULES, "items": _RULE},
    },
}
"""One flag. The first six fields are the registry's; the others say what it serves, and default to an off switch."""

CHANGEABLE = frozenset({"owner", "expires", "risk", "about", "default", "off", "remote", "rules"})
"""What an administrator may set over a flag of the file. The others are a matter of the code that asks for it."""
