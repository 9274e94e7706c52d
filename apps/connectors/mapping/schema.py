"""The shape of a mapping document, as JSON Schema 2020-12. `docs/develop/ingest.md` explains each field."""

from typing import Any

from apps.connectors.types import Format, OnError
from apps.graph.types import DataClass, RedactionPolicy, RetentionTier

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
KIND_PATTERN = r"^[A-Za-z][A-Za-z0-9_.:-]{0,63}$"
VALUE_TYPES = ("string", "int", "float", "bool", "date", "datetime", "list", "json")
ENCODINGS = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "ascii",
    "latin-1",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-5",
    "iso-8859-7",
    "iso-8859-9",
    "iso-8859-15",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1256",
    "cp1257",
    "koi8-r",
    "koi8-u",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "gb18030",
    "big5",
)
MAX_PARTS = 50
MAX_PROPERTIES = 500


def _object(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
        **more,
    }


TEXT: dict[str, Any] = {"type": "string", "maxLength": 2000}
TEMPLATE: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 2000}
NAMES: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 500},
    "maxItems": 1000,
}
SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}

TAGS: dict[str, Any] = {
    "dataClass": {"enum": [item.value for item in DataClass]},
    "retentionTier": {"enum": [item.value for item in RetentionTier]},
    "redactionPolicy": {"enum": [item.value for item in RedactionPolicy]},
    "purposes": {"type": "array", "items": {"type": "string", "pattern": NAME_PATTERN}, "maxItems": 20},
    "licence": TEXT,
    "source": TEXT,
}

CONDITION = _object(
    {
        "column": TEMPLATE,
        "equals": SCALAR,
        "notEquals": SCALAR,
        "in": {"type": "array", "items": SCALAR, "maxItems": 1000},
        "notIn": {"type": "array", "items": SCALAR, "maxItems": 1000},
        "present": {"type": "boolean"},
    },
    ("column",),
    minProperties=2,
)
CONDITIONS: dict[str, Any] = {"type": "array", "items": CONDITION, "maxItems": 20}

COLUMN_VALUE = _object(
    {
        "column": TEMPLATE,
        "type": {"enum": list(VALUE_TYPES)},
        "format": {"type": "string", "maxLength": 60},
        "separator": {"type": "string", "minLength": 1, "maxLength": 10},
        "default": SCALAR,
        "values": {"type": "object", "maxProperties": 1000},
    },
    ("column",),
)
FIXED_VALUE = _object({"value": {}}, ("value",))
VALUE: dict[str, Any] = {"oneOf": [TEMPLATE, COLUMN_VALUE, FIXED_VALUE]}
PROPERTIES: dict[str, Any] = {
    "type": "object",
    "maxProperties": MAX_PROPERTIES,
    "propertyNames": {"minLength": 1, "maxLength": 200},
    "additionalProperties": VALUE,
}
PASSTHROUGH: dict[str, Any] = {"oneOf": [{"type": "boolean"}, NAMES, _object({"except": NAMES}, ("except",))]}
END = _object({"kind": {"type": "string", "pattern": KIND_PATTERN}, "id": TEMPLATE}, ("kind", "id"))

ENTITY = _object(
    {
        "kind": {"type": "string", "pattern": KIND_PATTERN},
        "id": TEMPLATE,
        "name": TEMPLATE,
        "properties": PROPERTIES,
        "passthrough": PASSTHROUGH,
        "when": CONDITIONS,
        "subjectKeys": {"type": "array", "items": TEMPLATE, "maxItems": 20},
        **TAGS,
    },
    ("kind", "id"),
)
EDGE = _object(
    {
        "kind": {"type": "string", "pattern": KIND_PATTERN},
        "id": TEMPLATE,
        "from": END,
        "to": END,
        "properties": PROPERTIES,
        "passthrough": PASSTHROUGH,
        "when": CONDITIONS,
        "selfLoops": {"enum": ["keep", "refuse"]},
        "acyclic": {"type": "boolean"},
        **TAGS,
    },
    ("kind", "from", "to"),
)
STIX = _object(
    {
        "kinds": {
            "type": "object",
            "maxProperties": 200,
            "additionalProperties": {"type": "string", "pattern": KIND_PATTERN},
        },
        "skipRefs": NAMES,
        "skipTypes": NAMES,
        "acyclic": NAMES,
        "publishers": {"type": "object", "maxProperties": 200, "additionalProperties": _object(TAGS)},
    }
)
OPTIONS = _object(
    {
        "delimiter": {"type": "string", "minLength": 1, "maxLength": 1},
        "quote": {"type": ["string", "null"], "minLength": 1, "maxLength": 1},
        "encoding": {"enum": list(ENCODINGS)},
        "header": {"oneOf": [{"enum": ["plain", "typed"]}, {**NAMES, "minItems": 1}]},
        "nulls": {"type": "array", "items": {"type": "string", "maxLength": 100}, "maxItems": 20},
    }
)
MAPPING = _object(
    {
        "name": {"type": "string", "pattern": NAME_PATTERN},
        "description": TEXT,
        "format": {"enum": [item.value for item in Format]},
        "options": OPTIONS,
        "defaults": _object(TAGS),
        "entities": {"type": "array", "items": ENTITY, "maxItems": MAX_PARTS},
        "edges": {"type": "array", "items": EDGE, "maxItems": MAX_PARTS},
        "stix": STIX,
        "onError": {"enum": [item.value for item in OnError]},
    },
    ("name", "format"),
)
