"""Definitions for tests."""

from typing import Any

from apps.core.ids import new_id
from apps.flags.definition import parse
from apps.flags.evaluation import CompiledFlag, compile_flag


def document(**more: Any) -> dict[str, Any]:
    """Return a boolean flag's document with a key of its own; what is given goes before."""
    return {
        "key": f"test.f{new_id().hex[-12:]}",
        "owner": "platform-eng",
        "scope": "tenant",
        "expires": "2099-12-31",
        "killswitch": True,
        "risk": "low",
        **more,
    }


def flag(**more: Any) -> CompiledFlag:
    """Return a compiled flag."""
    return compile_flag(parse(document(**more)))
