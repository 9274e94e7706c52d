"""The registry's file (`contracts/flags.yaml`): flags that our code asks for, declared beside it.

flags:
  - key: subs.optimizedBuffer
    owner: platform-eng
    scope: tenant
    expires: 2026-03-31
    killswitch: true
    risk: low
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from apps.core import conf
from apps.flags.definition import parse
from apps.flags.errors import FlagInvalid
from apps.flags.types import Definition

ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 1024 * 1024
MAX_FLAGS = 2_000


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without aliases (they can make a small file endless); dates stay text, on and off are words."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node. Raises FlagInvalid for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise FlagInvalid("aliases are not taken in a registry of flags", field="flags")
        return super().compose_node(parent, index)


def _unique(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        if key_node.value in seen:
            line = key_node.start_mark.line + 1
            raise FlagInvalid(f"{key_node.value!r} stands twice (line {line})", field=str(key_node.value)[:60])
        seen.add(key_node.value)
    return yaml.constructor.SafeConstructor.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)
_BOOLEAN, _TIME = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {_BOOLEAN, _TIME}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# As in YAML 1.2, only these are booleans: variants are called on and off.
_Loader.add_implicit_resolver(_BOOLEAN, re.compile("^(?:true|false)$"), list("tf"))


def read_yaml(text: bytes | str, field: str) -> Any:
    """Return what a small YAML (or JSON) text holds. Raises FlagInvalid naming `field`."""
    if len(text) > MAX_BYTES:
        raise FlagInvalid(f"the text is larger than {MAX_BYTES} bytes", field=field)
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise FlagInvalid(f"this is not YAML: {' '.join(str(error).split())[:300]}", field=field) from None


def as_yaml(value: Any) -> str:
    """Return a value as YAML that `read_yaml` reads."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def load(text: bytes) -> dict[str, Definition]:
    """Return the definitions of a registry's text by key. Raises FlagInvalid."""
    document = read_yaml(text, "flags")
    if not isinstance(document, dict) or set(document) != {"flags"} or not isinstance(document["flags"], list):
        raise FlagInvalid("the registry is a mapping with one field, flags, which is a list", field="flags")
    if len(document["flags"]) > MAX_FLAGS:
        raise FlagInvalid(f"the registry holds more than {MAX_FLAGS} flags", field="flags")
    found: dict[str, Definition] = {}
    for index, entry in enumerate(document["flags"]):
        definition = parse(entry, f"flags[{index}]")
        if definition.key in found:
            raise FlagInvalid(f"flags[{index}].key: {definition.key} stands twice", field=f"flags[{index}].key")
        found[definition.key] = definition
    return found


def path() -> Path:
    """Return where the registry's file is."""
    return ROOT / conf.get()["IG_FLAGS_FILE"]


@cache
def declared() -> Mapping[str, Definition]:
    """Return the flags of the file, read once in each process. Raises FlagInvalid, also when it cannot be read."""
    try:
        text = path().read_bytes()
    except OSError as error:
        raise FlagInvalid(f"{path()} cannot be read: {error.strerror}", field="IG_FLAGS_FILE") from None
    return load(text)
