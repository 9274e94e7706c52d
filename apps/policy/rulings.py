"""Policy's answers, kept: the same facts get the same answer until the pack changes. No Django, no rows.

What is asked of Rego is reduced to facts of few values (roles, scopes, whether a factor is fresh), so a process asks
each question once and a request costs look-ups. Everything kept belongs to one engine, thus to one revision.
"""

import os
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from apps.core.telemetry import get_logger
from apps.policy import measures, packs
from apps.policy.engine import ACCESS, SESSION, SIGHT, Engine, PolicyFault
from apps.policy.types import Assessment, Clearance, Decision, Risk, Tags, Treatment, Visibility

log = get_logger(__name__)
T = TypeVar("T")

MOST = 8_192
"""Answers of one kind that a process keeps; then it starts anew."""
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$")

Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for which action: the facts that the rules of access see."""

    actor: str
    tenant: bool
    roles: Names
    scopes: Names | None
    platform_roles: Names
    action: str
    known: bool
    grave: bool
    step_up: bool

    def facts(self) -> dict[str, Any]:
        """Return the input of `ig/access`. Names that are none (no rule can mean them) are left out."""
        return {
            "actor": self.actor,
            "tenant": self.tenant,
            "roles": _names(self.roles),
            "scopes": None if self.scopes is None else _names(self.scopes),
            "platform_roles": _names(self.platform_roles),
            "action": {"name": self.action, "known": self.known, "step_up": self.grave},
            "step_up": self.step_up,
        }


@dataclass(frozen=True, slots=True)
class Ruling:
    """An answer of `ig/access`."""

    allow: bool
    rule: str
    reason: str
    step_up: bool
    hits: tuple[str, ...]
    clear: Names
    redact: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Held:
    """One engine and what it answered, in one process."""

    engine: Engine
    rulings: dict[Hashable, Ruling] = field(default_factory=dict)
    decisions: dict[Hashable, Decision] = field(default_factory=dict)
    clearances: dict[Hashable, Clearance] = field(default_factory=dict)
    sights: dict[Hashable, Visibility] = field(default_factory=dict)
    verdicts: dict[Hashable, Assessment] = field(default_factory=dict)


_lock = threading.Lock()
_held: list[_Held] = []
os.register_at_fork(after_in_child=_held.clear)  # to ask for the process's number each time costs more than the answer
NO_ACTION = ""
MACHINES = frozenset({"key", "service"})


def _names(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if _NAME.match(name))


def _current() -> _Held:
    """Return this process's engine, compiled on first use (a forked process compiles its own)."""
    try:
        return _held[0]
    except IndexError:
        with _lock:
            if not _held:
                _held[:] = [_Held(Engine(packs.shipped()))]
            return _held[0]


def use(pack: packs.Pack) -> None:
    """Decide by this pack from now on; what was kept is forgotten. Raises PolicyFault and keeps the present one."""
    engine = Engine(pack)
    with _lock:
        _held[:] = [_Held(engine)]


def revision() -> str:
    """Return the revision of the pack that decides here."""
    return _current().engine.pack.revision


def _kept(kept: dict[Hashable, T], key: Hashable, make: Callable[[], T]) -> T:
    found = kept.get(key)
    if found is None:
        found = make()
        if len(kept) >= MOST:
            kept.clear()
        kept[key] = found
    return found


def _asked(held: _Held, entrypoint: str, facts: Mapping[str, Any]) -> Any:
    """Return the engine's answer. Raises PolicyFault, counted and logged; the caller refuses, and asks anew next time."""
    try:
        answer = held.engine.ask(entrypoint, facts)
    except PolicyFault as error:
        measures.FAULTS.labels(entrypoint).inc()
        log.error("policy gave no answer", question=entrypoint, error=str(error), revision=held.engine.pack.revision)
        raise
    measures.EVALUATED.labels(entrypoint).inc()
    return answer


def ruling(question: Question) -> Ruling:
    """Return the rules' answer to a question of access. Raises PolicyFault."""
    held = _current()

    def make() -> Ruling:
        said = _asked(held, ACCESS, question.facts())
        owed = said["obligations"]
        return Ruling(
            said["allow"],
            said["rule"],
            said["reason"],
            said["step_up"],
            tuple(said["hits"]),
            frozenset(owed["clear"]),
            tuple(sorted(owed["redact"].items())),
        )

    return _kept(held.rulings, question, make)


def decision(
    actor: str,
    tenant: bool,
    roles: Names,
    scopes: Names | None,
    platform_roles: Names,
    action: str,
    known: bool,
    grave: bool,
    step_up: bool,
    purpose: str | None,
) -> Decision:
    """Return the decision on a question (its parts are those of `Question`), with the clearance for reads of this
    purpose. Without an answer of the engine it is a refusal."""
    held = _current()
    key = (actor, tenant, roles, scopes, platform_roles, action, known, grave, step_up, purpose)
    kept = held.decisions.get(key)
    if kept is not None:
        return kept

    def make() -> Decision:
        found = ruling(Question(actor, tenant, roles, scopes, platform_roles, action, known, grave, step_up))
        return Decision(
            found.allow,
            found.reason,
            found.rule,
            found.step_up,
            Clearance(found.clear, purpose, machine=actor in MACHINES) if found.allow else None,
            found.hits,
            found.redact if found.allow else (),
            held.engine.pack.revision,
        )

    try:
        return _kept(held.decisions, key, make)
    except PolicyFault:
        return Decision(False, "policy could not be asked; try again in a minute", "fault", hits=("fault",))


def clearance(
    actor: str, tenant: bool, roles: Names, scopes: Names | None, platform_roles: Names, purpose: str | None
) -> Clearance:
    """Return what a caller may see in clear, whatever it asks for. Without an answer of the engine that is nothing."""
    held = _current()
    key = (actor, tenant, roles, scopes, platform_roles, purpose)
    kept = held.clearances.get(key)
    if kept is not None:
        return kept

    def make() -> Clearance:
        found = ruling(Question(actor, tenant, roles, scopes, platform_roles, NO_ACTION, False, False, False))
        return Clearance(found.clear, purpose, machine=actor in MACHINES)

    try:
        return _kept(held.clearances, key, make)
    except PolicyFault:
        return Clearance(frozenset(), purpose, machine=actor in MACHINES)


def visibility(tags: Tags, clearance: Clearance) -> Visibility:
    """Return how data with these tags is shown to a caller of this clearance. Without an answer it is withheld."""
    purposes = "none" if not tags.purposes else "match" if clearance.purpose in tags.purposes else "other"
    held = _current()
    stated = bool(clearance.purpose)
    key = (tags.data_class, tags.redaction_policy, purposes, clearance.data_classes, stated)
    found = held.sights.get(key)
    if found is not None:
        return found

    def make() -> Visibility:
        tagged = {"data_class": tags.data_class, "redaction_policy": tags.redaction_policy, "purposes": purposes}
        said = _asked(
            held, SIGHT, {"tags": tagged, "caller": {"clear": sorted(clearance.data_classes), "purpose": stated}}
        )
        return Visibility(Treatment(said["treatment"]), said["reason"])

    try:
        return _kept(held.sights, key, make)
    except PolicyFault:
        return Visibility(Treatment.WITHHOLD, "policy")


def assessment(
    risk: str,
    device: str,
    country: str,
    fence: frozenset[str],
    stepped_up: bool,
    account: str = "open",
    ended: bool = False,
) -> Assessment:
    """Return the verdict on a session. Without an answer of the engine it is refused."""
    held = _current()
    key = (risk, device, country, fence, stepped_up, account, ended)
    kept = held.verdicts.get(key)
    if kept is not None:
        return kept

    def make() -> Assessment:
        known = risk if risk in {level.value for level in Risk} else "unknown"
        session = {"risk": known, "device": device, "country": country, "account": account, "ended": ended}
        said = _asked(held, SESSION, {"session": session, "stepup": stepped_up, "fence": sorted(fence)})
        return Assessment(
            said["allow"],
            said["step_up"],
            said["signal"],
            said["reason"],
            said["mend"],
            tuple(said["hits"]),
            held.engine.pack.revision,
        )

    try:
        return _kept(held.verdicts, key, make)
    except PolicyFault:
        return Assessment(False, False, "policy", "policy could not be asked", "try again in a minute", ("fault",))


def warm(questions: Iterable[Question]) -> None:
    """Compile the pack, judge an everyday session, ask the questions: so that no request waits for these.

    A question that gets no answer is left for its request, which is refused and says why in the log.
    """
    assessment(Risk.LOW.value, "unknown", "", frozenset(), False)
    try:
        for question in questions:
            ruling(question)
    except PolicyFault:
        return
