"""The shape of a mapping as REST takes it: JSON Schema 2020-12, published in the OpenAPI document and enforced here.

It is as strict as the product's own check or stricter (no control characters in texts, bounded numbers, quote and
delimiter that cannot be the same), so that a document that fits it is a document that is taken.
"""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from apps.gateway.rest.words import MAX_INTEGER, NAME_PATTERN
from apps.graph.types import DataClass, RedactionPolicy, RetentionTier

_PRINTABLE = "[^\\x00-\\x1f\\x7f-\\x9f\\ufffe\\uffff]"
_PLAIN = "[^{}\\x00-\\x1f\\x7f-\\x9f\\ufffe\\uffff]"
_COLUMN = "\\{ *[^{}\\s\\x00-\\x1f\\x7f-\\x9f\\ufffe\\uffff]+ *\\}"
KIND_PATTERN = "^[A-Za-z][A-Za-z0-9_.:-]{0,63}$"


def _string(limit: int, pattern: str, least: int = 0) -> dict[str, Any]:
    bound = {"minLength": least} if least else {}
    return {"type": "string", "pattern": pattern, "maxLength": limit, **bound}


def _object(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, "properties": properties, **needed, **more}


def _array(items: dict[str, Any], limit: int, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": limit, **more}


def _map(values: dict[str, Any], limit: int) -> dict[str, Any]:
    keys = {"type": "string", "pattern": f"^{_PRINTABLE}*$", "maxLength": 200}
    return {"type": "object", "maxProperties": limit, "propertyNames": keys, "additionalProperties": values}


TEXT = _string(500, f"^{_PRINTABLE}*$")
WORD = _string(200, f"^{_PRINTABLE}+$", 1)
NAME = _string(63, NAME_PATTERN, 1)
KIND = _string(64, KIND_PATTERN, 1)
TEMPLATE = {
    **_string(500, f"^(?:{_PLAIN}|{_COLUMN})+$", 1),
    "description": "Text with columns in braces: `{first} {last}`.",
}
ID_TEMPLATE = {
    **_string(500, f"^{_PLAIN}*{_COLUMN}(?:{_PLAIN}|{_COLUMN})*$", 1),
    "description": "A template that names at least one column, such as `{id}`.",
}
SCALAR: dict[str, Any] = {
    "anyOf": [
        TEXT,
        {"type": "number", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER, "format": "double"},
        {"type": "boolean"},
        {"type": "null"},
    ]
}
WORDS = _array(WORD, 100)
TAGS = {
    "dataClass": {"type": "string", "enum": [item.value for item in DataClass]},
    "retentionTier": {"type": "string", "enum": [item.value for item in RetentionTier]},
    "redactionPolicy": {"type": "string", "enum": [item.value for item in RedactionPolicy]},
    "purposes": _array(NAME, 20),
    "licence": TEXT,
    "source": TEXT,
}
CONDITION = _object(
    {
        "column": WORD,
        "equals": SCALAR,
        "notEquals": SCALAR,
        "in": _array(SCALAR, 100),
        "notIn": _array(SCALAR, 100),
        "present": {"type": "boolean"},
    },
    ("column",),
    minProperties=2,
)
TRANSLATIONS = _map(SCALAR, 500)
_COMMON = {"column": WORD, "default": SCALAR, "values": TRANSLATIONS}
VALUE: dict[str, Any] = {
    "anyOf": [
        TEMPLATE,
        _object(
            {**_COMMON, "type": {"type": "string", "enum": ["string", "int", "float", "bool", "json"]}}, ("column",)
        ),
        _object(
            {
                **_COMMON,
                "type": {"type": "string", "enum": ["date", "datetime"]},
                "format": _string(60, "^(?:epoch|epoch_ms|(?:[A-Za-z0-9 ,./:_-]|%[YmdHMSfzjyBbAaIpT])+)$", 1),
            },
            ("column", "type"),
        ),
        _object(
            {**_COMMON, "type": {"type": "string", "enum": ["list"]}, "separator": _string(10, f"^{_PRINTABLE}+$", 1)},
            ("column", "type"),
        ),
        _object({"value": SCALAR}, ("value",)),
    ]
}
PROPERTIES = {
    "type": "object",
    "maxProperties": 500,
    "propertyNames": {"type": "string", "pattern": "^(?!.*\\bid$)[A-Za-z_][A-Za-z0-9_ .:-]{0,199}$", "maxLength": 200},
    "additionalProperties": VALUE,
}
PASSTHROUGH = {"anyOf": [{"type": "boolean"}, WORDS, _object({"except": WORDS}, ("except",))]}
END = _object({"kind": KIND, "id": ID_TEMPLATE}, ("kind", "id"))
_PART = {"properties": PROPERTIES, "passthrough": PASSTHROUGH, "when": _array(CONDITION, 20), **TAGS}
ENTITY = _object(
    {"kind": KIND, "id": ID_TEMPLATE, "name": TEMPLATE, "subjectKeys": _array(TEMPLATE, 20), **_PART}, ("kind", "id")
)
EDGE = _object(
    {
        "kind": KIND,
        "id": ID_TEMPLATE,
        "from": END,
        "to": END,
        "selfLoops": {"type": "string", "enum": ["keep", "refuse"]},
        "acyclic": {"type": "boolean"},
        **_PART,
    },
    ("kind", "from", "to"),
)
OPTIONS = _object(
    {
        "delimiter": {"type": "string", "enum": [",", ";", "|", ":", " ", "\t"]},
        "quote": {"type": ["string", "null"], "enum": ['"', "'", None]},
        "encoding": _string(
            20,
            "^(?:utf-8|utf-16|utf-16-le|utf-16-be|ascii|latin-1|iso-8859-(?:1|2|5|7|9|15)|cp125[0-7]|koi8-[ru]|shift_jis|euc-jp|euc-kr|gb18030|big5)$",
        ),
        "header": {
            "anyOf": [{"type": "string", "enum": ["plain", "typed"]}, _array(WORD, 200, minItems=1, uniqueItems=True)]
        },
        "nulls": _array(_string(100, f"^{_PRINTABLE}*$"), 20),
    }
)
STIX = _object(
    {
        "kinds": _map(KIND, 200),
        "skipRefs": WORDS,
        "skipTypes": WORDS,
        "acyclic": WORDS,
        "publishers": _map(_object(TAGS), 200),
    }
)
_ALWAYS = {
    "name": {**NAME, "description": "May be left out; otherwise the name in the address."},
    "description": TEXT,
    "defaults": _object(TAGS),
    "onError": {"type": "string", "enum": ["keep", "refuse"]},
}
_TABLE = {
    **_ALWAYS,
    "format": {"type": "string", "enum": ["csv", "jsonl"]},
    "options": OPTIONS,
    "entities": _array(ENTITY, 50),
    "edges": _array(EDGE, 50),
}
MAPPING: dict[str, Any] = {
    "description": "How the rows of a source become entities and edges. See the guide to ingest.",
    "anyOf": [
        _object({**_TABLE, "entities": _array(ENTITY, 50, minItems=1)}, ("format", "entities")),
        _object({**_TABLE, "edges": _array(EDGE, 50, minItems=1)}, ("format", "edges")),
        _object({**_ALWAYS, "format": {"type": "string", "enum": ["stix"]}, "stix": STIX}, ("format",)),
    ],
}


@cache
def validator() -> Draft202012Validator:
    """Return the validator of the published shape."""
    return Draft202012Validator(MAPPING)
