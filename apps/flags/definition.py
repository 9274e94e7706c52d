"""Definitions of flags: read, checked, written out. Pure; documents are hostile input."""

import json
import math
from collections.abc import Mapping
from datetime import date
from typing import Any

from jsonschema import Draft202012Validator

from apps.flags import schema
from apps.flags.errors import FlagInvalid
from apps.flags.types import EVERYTHING, Definition, FlagType, Risk, Rule, Scope

MAX_VALUE_BYTES = 8 * 1024
MAX_VALUE_DEPTH = 10
INT_LIMIT = 2**53
BOOLEAN_VARIANTS: Mapping[str, Any] = {"on": True, "off": False}
TENANT, TARGETING_KEY = "tenant", "targetingKey"
NEVER = "never"

_VALIDATOR = Draft202012Validator(schema.FLAG)


def _refuse(at: str, path: str, problem: str, mend: str | None = None) -> FlagInvalid:
    field = f"{at}.{path}" if at and path else at or path
    return FlagInvalid(f"{field}: {problem}", field=field, mend=mend)


def parse(document: Any, at: str = "") -> Definition:
    """Return the definition that a document holds, with the defaults for what it leaves out.

    `at` is where the document stands, for messages. Raises FlagInvalid naming the first field that is wrong.
    """
    error = next(iter(sorted(_VALIDATOR.iter_errors(document), key=lambda one: [str(p) for p in one.path])), None)
    if error is not None:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path).lstrip(".")
        raise _refuse(at, path, error.message[:300])
    kind = FlagType(document.get("type", "boolean"))
    variants = _variants(document, kind, at)
    default = _variant(document, "default", variants, "off" if kind is FlagType.BOOLEAN else "", at)
    off = _variant(document, "off", variants, "off" if kind is FlagType.BOOLEAN and "off" in variants else default, at)
    scope = Scope(document["scope"])
    return Definition(
        key=document["key"],
        owner=document["owner"],
        scope=scope,
        expires=_date(document["expires"], at),
        killswitch=document["killswitch"],
        risk=Risk(document["risk"]),
        type=kind,
        variants=variants,
        default=default,
        off=off,
        about=document.get("about", ""),
        remote=document.get("remote", True),
        rules=tuple(
            _rule(rule, index, scope, variants, document["key"], at)
            for index, rule in enumerate(document.get("rules", ()))
        ),
        document=document,
    )


def _date(text: str, at: str) -> date | None:
    if text == NEVER:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _refuse(at, "expires", f"{text!r} is not a date", "Write YYYY-MM-DD, or never.") from None


def _variants(document: Mapping[str, Any], kind: FlagType, at: str) -> Mapping[str, Any]:
    if "variants" not in document:
        if kind is FlagType.BOOLEAN:
            return BOOLEAN_VARIANTS
        raise _refuse(at, "variants", f"a flag of type {kind} names what it may serve")
    found = {}
    for name, value in document["variants"].items():
        if not fits(kind, value):
            raise _refuse(at, f"variants.{name}", f"{json.dumps(value, default=str)[:60]} is no {kind}")
        found[name] = float(value) if kind is FlagType.FLOAT else value
    return found


def fits(kind: FlagType, value: Any) -> bool:
    """Return whether a value is of a type, small, finite and plain JSON."""
    if kind is FlagType.BOOLEAN:
        return isinstance(value, bool)
    if kind is FlagType.STRING:
        return isinstance(value, str) and len(value) <= MAX_VALUE_BYTES
    if isinstance(value, bool):
        return False
    if kind is FlagType.INTEGER:
        return isinstance(value, int) and -INT_LIMIT < value < INT_LIMIT
    if kind is FlagType.FLOAT:
        return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e300
    return isinstance(value, dict) and _plain(value, 0) and len(json.dumps(value)) <= MAX_VALUE_BYTES


def _plain(value: Any, depth: int) -> bool:
    if depth > MAX_VALUE_DEPTH:
        return False
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(inner, depth + 1) for key, inner in value.items())
    if isinstance(value, list):
        return all(_plain(inner, depth + 1) for inner in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -INT_LIMIT < value < INT_LIMIT
    return value is None or isinstance(value, str)


def _variant(document: Mapping[str, Any], name: str, variants: Mapping[str, Any], usual: str, at: str) -> str:
    chosen: str = document.get(name, usual)
    if not chosen:
        raise _refuse(at, name, "say which variant is served when no rule fits")
    if chosen not in variants:
        raise _refuse(at, name, f"there is no variant {chosen!r}", f"There are: {', '.join(variants)}.")
    return chosen


def _rule(rule: Mapping[str, Any], index: int, scope: Scope, variants: Mapping[str, Any], key: str, at: str) -> Rule:
    path = f"rules[{index}]"
    when = rule.get("when", {})
    by = rule.get("by", TENANT if scope is Scope.TENANT else TARGETING_KEY)
    if scope is Scope.GLOBAL and ("tenants" in when or ("split" in rule and by == TENANT)):
        raise _refuse(at, path, "a global flag is the same for all tenants", "Make its scope tenant.")
    for name in [rule["serve"]] if "serve" in rule else rule["split"]:
        if name not in variants:
            raise _refuse(at, path, f"there is no variant {name!r}", f"There are: {', '.join(variants)}.")
    if "serve" in rule and ("by" in rule or "salt" in rule):
        raise _refuse(at, path, "by and salt belong to a split")
    split = tuple((name, round(share * 100)) for name, share in rule.get("split", {}).items())
    for (name, rounded), share in zip(split, rule.get("split", {}).values(), strict=True):
        if abs(rounded - share * 100) > 1e-6:
            raise _refuse(at, f"{path}.split.{name}", f"{share} is finer than a hundredth of a percent")
    if sum(share for _, share in split) > EVERYTHING:
        raise _refuse(at, f"{path}.split", "the shares are more than 100 percent together")
    return Rule(
        name=rule.get("name", ""),
        tenants=frozenset(when["tenants"]) if "tenants" in when else None,
        regions=frozenset(when["regions"]) if "regions" in when else None,
        attributes=tuple(
            (name, tuple(wanted["in"]) if isinstance(wanted, dict) else (wanted,))
            for name, wanted in when.get("attributes", {}).items()
        ),
        serve=rule.get("serve", ""),
        split=split,
        by=by,
        salt=rule.get("salt", key),
    )


def patched(declared: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition's document with an administrator's changes over it; None takes a field back."""
    document = {**declared, **changes}
    return {name: value for name, value in document.items() if value is not None}


def told(document: Mapping[str, Any]) -> dict[str, str]:
    """Return a document as the ledger keeps it: each field as text, what is nested as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in document.items()
    }
