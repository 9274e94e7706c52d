"""Policy packs: a folder of Rego modules and their data, as OPA's bundles lay it out. Pure: no Django, no engine.

A folder's `data.json` stands under the folder's path (`ig/data.json` is `data.ig`). There is one per pack, since
rego-cpp does not merge two that share a beginning.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

SHIPPED = Path(__file__).resolve().parents[2] / "policies"
_PACKAGE = re.compile(r"^package\s+(\S+)", re.M)
_TEST = re.compile(r"^(test_\w+)", re.M)


class PackFault(Exception):
    """A folder that is no pack: says which file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Modules by path, the data document, and the revision: a digest of both, without the tests."""

    modules: Mapping[str, str]
    data: Mapping[str, Any]
    tests: Mapping[str, str]
    revision: str

    def without(self, path: str, source: str) -> "Pack":
        """Return the pack with another source for one module (for mutants)."""
        return _pack({**self.modules, path: source}, self.data, self.tests)

    def test_rules(self) -> list[str]:
        """Return the names of the test rules, such as `data.ig.zt_test.test_low_risk_passes`."""
        return [
            f"data.{package_of(path, source)}.{rule}"
            for path, source in self.tests.items()
            for rule in dict.fromkeys(_TEST.findall(source))
        ]


def package_of(path: str, source: str) -> str:
    """Return the package that a module declares. Raises PackFault when there is none."""
    found = _PACKAGE.search(source)
    if found is None:
        raise PackFault(f"{path} declares no package")
    return found[1]


def _pack(modules: Mapping[str, str], data: Mapping[str, Any], tests: Mapping[str, str]) -> Pack:
    whole = json.dumps({"modules": dict(modules), "data": data}, sort_keys=True, separators=(",", ":"))
    revision = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return Pack(MappingProxyType(dict(modules)), data, MappingProxyType(dict(tests)), revision)


def load(folder: Path) -> Pack:
    """Return the pack in a folder. Raises PackFault."""
    modules: dict[str, str] = {}
    tests: dict[str, str] = {}
    for path in sorted(folder.rglob("*.rego")):
        name = path.relative_to(folder).as_posix()
        source = path.read_text(encoding="utf-8")
        package_of(name, source)
        (tests if name.endswith("_test.rego") else modules)[name] = source
    if not modules:
        raise PackFault(f"{folder} holds no Rego module")
    found = sorted(folder.rglob("data.json"))
    if len(found) > 1:
        raise PackFault(f"{folder} holds {len(found)} data.json; one is read alike by every engine")
    data: Any = {}
    for path in found:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise PackFault(f"{path.relative_to(folder)}: {error}") from None
        for part in reversed(path.parent.relative_to(folder).parts):
            data = {part: data}
    return _pack(modules, data, tests)


@cache
def shipped() -> Pack:
    """Return the pack that this release carries, read once in a process."""
    return load(SHIPPED)
