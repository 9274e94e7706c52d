"""Reading a mapping document, which is hostile input: bounded before it is parsed, then checked field by field."""

import difflib
import hashlib
import re
from typing import Any

import orjson
import yaml
from jsonschema import Draft202012Validator, ValidationError

from apps.connectors.errors import MappingInvalid, Problem
from apps.connectors.mapping import schema
from apps.connectors.mapping.templates import TemplateError, columns_of
from apps.connectors.types import Format

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_NODES = 20_000
MAX_ALIASES = 100
MAX_PROBLEMS = 20

_VALIDATOR = Draft202012Validator(schema.MAPPING)
_STRPTIME = re.compile(r"(?:[^%]|%[YmdHMSfzjyBbAaIpT%])*")


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader, which also refuses a key that stands twice."""


def _unique_mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = key_node.value
        if isinstance(key, str) and key in seen:
            raise MappingInvalid(
                [
                    Problem(
                        key,
                        f"the field {key!r} stands twice (line {key_node.start_mark.line + 1})",
                        "Keep one of them.",
                    )
                ]
            )
        if isinstance(key, str):
            seen.add(key)
    loader.flatten_mapping(node)
    return yaml.constructor.SafeConstructor.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
_Loader.yaml_implicit_resolvers = {  # dates stay text, so that a document is the same in YAML and in JSON
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(text: bytes | str, *, name: str | None = None) -> dict[str, Any]:
    """Return the checked document that `text` (YAML 1.1 or JSON, at most 256 KiB) holds.

    `name`, when given, is filled in, or must be the document's own. Raises MappingInvalid listing every problem with
    its path, such as `edges[0].from.kind`, and its mend.
    """
    document = parse(text.encode() if isinstance(text, str) else text)
    if not isinstance(document, dict):
        raise MappingInvalid([Problem("$", "a mapping is an object with fields", "Start with `name:` and `format:`.")])
    if name is not None and document.setdefault("name", name) != name:
        raise MappingInvalid(
            [Problem("name", f"the document says {document['name']!r}, the address {name!r}", "Use the same name.")]
        )
    check(document)
    return document


def check(document: dict[str, Any]) -> None:
    """Check the shape and the sense of a parsed document. Raises MappingInvalid."""
    problems = [_problem(error) for error in _flat(_VALIDATOR.iter_errors(document))]
    if not problems:
        problems = _senses(document)
    if problems:
        raise MappingInvalid(problems[:MAX_PROBLEMS])


def digest(document: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of the document's canonical form: sorted keys, no white space."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def parse(data: bytes) -> Any:
    """Return what YAML or JSON text holds, checked for its bounds only. Raises MappingInvalid for what is neither."""
    if len(data) > MAX_BYTES:
        raise MappingInvalid(
            [Problem("$", f"the mapping has {len(data)} bytes; at most {MAX_BYTES} are taken", "Shorten it.")]
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MappingInvalid(
            [Problem("$", f"byte {error.start + 1} is not UTF-8", "Save the mapping as UTF-8.")]
        ) from error
    _bound(text)
    try:
        document = _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "it cannot be read"
        raise MappingInvalid([Problem("$", f"not YAML or JSON{where}: {reason}", "Mend that line.")]) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise MappingInvalid([Problem("$", f"a value cannot be read: {error}"[:200], "Put it in quotes.")]) from error
    try:
        orjson.dumps(document)
    except TypeError as error:
        raise MappingInvalid(
            [Problem("$", f"a value is none of JSON's: {error}", "Use text, numbers, lists and objects.")]
        ) from error
    return document


def _bound(text: str) -> None:
    """Refuse depth, size and alias bombs by looking at the events, before anything is built."""
    depth = nodes = aliases = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            nodes += 1
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.AliasEvent):
                aliases += 1
            if depth > MAX_DEPTH or nodes > MAX_NODES or aliases > MAX_ALIASES:
                what = (
                    "nested too deep"
                    if depth > MAX_DEPTH
                    else "too many values"
                    if nodes > MAX_NODES
                    else "too many aliases"
                )
                raise MappingInvalid(
                    [Problem("$", f"the mapping is refused: {what}", "Write it out plainly, without anchors.")]
                )
    except yaml.YAMLError:
        return  # the loader says where


def _flat(errors: Any) -> list[ValidationError]:
    """Return the errors to show: of a choice, those of the branch that fits best."""
    found: list[ValidationError] = []
    for error in errors:
        if error.context and error.validator == "oneOf":
            fitting = [inner for inner in error.context if inner.validator != "type" or len(inner.relative_path)]
            if fitting and not isinstance(error.instance, (str, bool)):
                found += _flat(fitting[:1])
                continue
        found.append(error)
    return sorted(found, key=lambda error: [str(part) for part in error.absolute_path])


def _path(parts: Any) -> str:
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "$"


def _problem(error: ValidationError) -> Problem:
    path = _path(error.absolute_path)
    rule: Any = error.validator_value
    instance: Any = error.instance
    shown = repr(error.instance)[:60]
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))  # type: ignore[union-attr]  # schemas with this rule are objects
        unknown = next(name for name in instance if name not in known)
        near = difflib.get_close_matches(str(unknown), known, n=1, cutoff=0.6)
        mend = f"Did you mean {near[0]!r}?" if near else f"Known fields: {', '.join(known)}."
        return Problem(_path([*error.absolute_path, unknown]), f"unknown field {str(unknown)[:60]!r}", mend)
    if error.validator == "required":
        missing = next(name for name in rule if name not in instance)
        return Problem(_path([*error.absolute_path, missing]), f"the field {missing!r} is missing", "Add it.")
    if error.validator == "enum":
        near = difflib.get_close_matches(str(error.instance), [str(value) for value in rule], n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        return Problem(
            path, f"{shown} is not one of the known values", f"{hint}Use one of {', '.join(map(str, rule))}."
        )
    if error.validator == "pattern":
        return Problem(path, f"{shown} is not a valid name", f"It must match {rule}.")
    if error.validator == "type":
        return Problem(
            path, f"{shown} is not of the right type", f"Use {' or '.join(rule) if isinstance(rule, list) else rule}."
        )
    if error.validator == "oneOf":
        return Problem(
            path, f"{shown} fits none of the allowed forms", "See the field's forms in the documentation of mappings."
        )
    return Problem(path, error.message[:200], "Mend the value.")


def _senses(document: dict[str, Any]) -> list[Problem]:
    """Return what the shape alone cannot tell."""
    problems: list[Problem] = []
    stix = document["format"] == Format.STIX
    for field in ("entities", "edges", "options"):
        if stix and document.get(field):
            problems.append(
                Problem(field, f"a STIX mapping has no {field}", "Remove it; `stix` holds what can be set.")
            )
    if not stix:
        if "stix" in document:
            problems.append(Problem("stix", f"only for format stix, this is {document['format']}", "Remove it."))
        if not document.get("entities") and not document.get("edges"):
            problems.append(
                Problem("entities", "the mapping makes neither entities nor edges", "Add at least one of them.")
            )
    for where in ("entities", "edges"):
        for place, part in enumerate(document.get(where, [])):
            problems += _part_senses(f"{where}[{place}]", part)
    options = document.get("options", {})
    if options.get("delimiter", ",") == options.get("quote", '"'):
        problems.append(Problem("options.quote", "delimiter and quote are the same character", "Change one of them."))
    for field in ("delimiter", "quote"):
        if options.get(field) in ("\n", "\r", "\0"):
            problems.append(Problem(f"options.{field}", "a line end cannot be used here", "Use another character."))
    if isinstance(options.get("header"), list) and len(set(options["header"])) < len(options["header"]):
        problems.append(Problem("options.header", "a column is named twice", "Give each column its own name."))
    return problems


def _part_senses(path: str, part: dict[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    templates = [(f"{path}.{field}", part[field]) for field in ("id", "name") if field in part]
    templates += [(f"{path}.subjectKeys[{i}]", text) for i, text in enumerate(part.get("subjectKeys", []))]
    templates += [(f"{path}.{end}.id", part[end]["id"]) for end in ("from", "to") if end in part]
    for name, value in part.get("properties", {}).items():
        where = f"{path}.properties.{name}"
        if isinstance(value, str):
            templates.append((where, value))
        elif "column" in value:
            problems += _value_senses(where, value)
    for where, text in templates:
        try:
            used = columns_of(text)
        except TemplateError as error:
            problems.append(
                Problem(where, str(error), "Write columns as {column}, and braces themselves as {{ and }}.")
            )
            continue
        if not used and where.endswith((".id",)):
            problems.append(
                Problem(
                    where,
                    f"{text!r} names no column, so every row would get the same id",
                    "Use a column, such as {id}.",
                )
            )
    return problems


def _value_senses(path: str, value: dict[str, Any]) -> list[Problem]:
    kind = value.get("type")
    problems = []
    if "format" in value:
        if kind not in ("date", "datetime"):
            problems.append(
                Problem(f"{path}.format", "only dates have a format", "Set type to date or datetime, or remove it.")
            )
        elif value["format"] not in ("epoch", "epoch_ms") and not _STRPTIME.fullmatch(value["format"]):
            problems.append(
                Problem(
                    f"{path}.format",
                    f"{value['format']!r} is not a date format",
                    "Use strptime codes such as %Y-%m-%d, or epoch.",
                )
            )
    if "separator" in value and kind != "list":
        problems.append(Problem(f"{path}.separator", "only lists have a separator", "Set type to list, or remove it."))
    return problems
