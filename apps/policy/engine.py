"""Rego in this process: one pack, compiled once, asked by entry point (rego-cpp through `regopy`). No Django.

A question costs 0.1 to 0.8 ms, so callers keep the answers (`rulings`). What rego-cpp cannot do is kept out of packs
by tests: it reads `sort` of a set as the set, and rules that call each other in a ring end the process.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any

from regopy import Interpreter, RegoError  # type: ignore[import-untyped]  # it has no type information

from apps.policy.packs import Pack

ACCESS, SESSION, SIGHT = "ig/access/decision", "ig/zt/decision", "ig/privacy/visibility"
ENTRYPOINTS = (ACCESS, SESSION, SIGHT)


class PolicyFault(Exception):
    """The engine gave no answer: policy then refuses."""


class Engine:
    """A compiled pack. Answers one question at a time; threads wait for each other."""

    def __init__(self, pack: Pack, entrypoints: tuple[str, ...] = ENTRYPOINTS) -> None:
        """Compile. Raises PolicyFault for a pack that does not compile."""
        self.pack = pack
        self._lock = threading.Lock()
        maker = Interpreter()
        try:
            for path, source in pack.modules.items():
                maker.add_module(path, source)
            maker.add_data(pack.data)
            self._bundle = maker.build(None, list(entrypoints))
        except RegoError as error:
            raise PolicyFault(f"the pack does not compile: {str(error)[:500]}") from None
        self._interpreter = Interpreter()

    def ask(self, entrypoint: str, question: Mapping[str, Any]) -> Any:
        """Return the value of an entry point for an input. Raises PolicyFault when it has none."""
        with self._lock:
            try:
                self._interpreter.set_input(question)
                text = str(self._interpreter.query_bundle_entrypoint(self._bundle, entrypoint))
            except (RegoError, ValueError) as error:
                raise PolicyFault(f"{entrypoint}: {str(error)[:500]}") from None
        try:
            return json.loads(text)["expressions"][0]
        except (ValueError, KeyError, IndexError):
            raise PolicyFault(f"{entrypoint} has no value: {text[:200]}") from None


class Workbench:
    """A pack with its tests, asked by query: slower, and every rule can be reached."""

    def __init__(self, pack: Pack) -> None:
        """Load. Raises PolicyFault when the first query finds a fault."""
        self._interpreter = Interpreter()
        for path, source in {**pack.modules, **pack.tests}.items():
            self._interpreter.add_module(path, source)
        self._interpreter.add_data(pack.data)

    def ask(self, query: str, question: Mapping[str, Any]) -> Any:
        """Return the value of a query such as `data.ig.zt.allow`, None where it is undefined. Raises PolicyFault."""
        try:
            self._interpreter.set_input(question)
            # Asked bare, a false value reads as undefined.
            text = str(self._interpreter.query(f"answer := {query}")).strip()
            return None if text in {"undefined", "{}", ""} else json.loads(text)["bindings"]["answer"]
        except (RegoError, ValueError, KeyError) as error:
            raise PolicyFault(f"{query}: {str(error)[:500]}") from None
