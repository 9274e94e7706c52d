"""Sockets: closed registries that higher apps plug into, so that low floors stay ignorant of them.

An app plugs in from a well-known module (`subscribers.py`, `erasure.py`, …), which is imported once at start; then
the registries freeze. An unknown, duplicate or late plug raises.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from django.apps import apps as app_registry

T = TypeVar("T")


class SocketError(Exception):
    """A plug does not fit: unknown kind, name taken, or the registries are frozen."""


class Socket(Generic[T]):
    """A registry of plugs of one kind, by name, in the order of plugging."""

    def __init__(self, name: str, module: str, kind: str) -> None:
        self.name = name
        self.module = module
        self.kind = kind
        self._plugs: dict[str, T] = {}

    def plug(self, name: str, value: T) -> T:
        """Add `value` under `name`. Raises SocketError when frozen or when the name is taken."""
        if _state["frozen"]:
            raise SocketError(f"{self.name}: {name!r} came after start")
        if name in self._plugs:
            raise SocketError(f"{self.name}: {name!r} is plugged already")
        self._plugs[name] = value
        return value

    def __iter__(self) -> Iterator[T]:
        return iter(self._plugs.values())

    def __contains__(self, name: object) -> bool:
        return name in self._plugs

    def __len__(self) -> int:
        return len(self._plugs)

    def get(self, name: str) -> T:
        """Return the plug of that name. Raises SocketError when there is none."""
        try:
            return self._plugs[name]
        except KeyError:
            raise SocketError(f"{self.name}: nothing is plugged as {name!r}") from None

    def items(self) -> list[tuple[str, T]]:
        """Return (name, plug) pairs."""
        return list(self._plugs.items())


_state = {"frozen": False}

# What each socket takes is declared by the app that walks it (its `types` module); core only keeps the list.
ERASERS: Socket[Any] = Socket("ERASERS", "erasure", "finds and erases a subject in one store")
ARTIFACTS: Socket[Any] = Socket("ARTIFACTS", "artifacts", "collects one artefact of a release's evidence")
METERS: Socket[Any] = Socket("METERS", "meters", "a billable metric")
PROBES: Socket[Any] = Socket("PROBES", "probes", "a service level indicator or health probe")
SUBSCRIBERS: Socket[Any] = Socket("SUBSCRIBERS", "subscribers", "reacts to recorded events")
ACTIONS: Socket[Any] = Socket("ACTIONS", "actions", "a verb that policy knows")
PANELS: Socket[Any] = Socket("PANELS", "panels", "a card on a portal page")
RETENTION: Socket[Any] = Socket("RETENTION", "retention", "sweeps one store by retention tier")

ALL: tuple[Socket[Any], ...] = (ERASERS, ARTIFACTS, METERS, PROBES, SUBSCRIBERS, ACTIONS, PANELS, RETENTION)


def load() -> None:
    """Import every installed app's well-known modules, then freeze. A second call does nothing."""
    if _state["frozen"]:
        return
    for config in app_registry.get_app_configs():
        if not config.name.startswith("apps."):
            continue
        for socket in ALL:
            name = f"{config.name}.{socket.module}"
            if find_spec(name) is not None:
                import_module(name)
    _state["frozen"] = True
