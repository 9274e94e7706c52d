"""Questions to the pack that every engine must answer alike: each fact at each of its values, roles and scopes mixed.
Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from apps.policy.engine import Engine
from apps.policy.packs import Pack
from apps.policy.proving import Case, entrypoint_of

ACCESS, SESSION, SIGHT = "data.ig.access.decision", "data.ig.zt.decision", "data.ig.privacy.visibility"
Question = tuple[str, dict[str, Any]]


def _access(pack: Pack) -> Iterator[Question]:
    said = pack.data["ig"]["grants"]
    verbs = {
        "graph.entity.read": False,
        "graph.entity.delete": False,
        "identity.member.manage": True,
        "privacy.erasure.create": True,
        "ledger.export": False,
        "platform.tenant.read": False,
        "platform.tenant.manage": True,
        "gateway.version.read": False,
        "identity.self.read": False,
    }

    def asked(actor: str, verb: str, *, known: bool = True, fresh: bool = False, **more: Any) -> Question:
        question = {
            "actor": actor,
            "tenant": True,
            "roles": [],
            "scopes": None,
            "platform_roles": [],
            "action": {"name": verb, "known": known, "step_up": verbs.get(verb, False)},
            "step_up": fresh,
        }
        return ACCESS, question | more

    for role, verb in product([*said["roles"], "nobody"], verbs):
        yield asked("user", verb, roles=[role])
    for role, verb in product(said["platform_roles"], verbs):
        yield asked("user", verb, platform_roles=[role], tenant=False)
    for scope, role, verb in product(
        [*said["scopes"], "none"], ("owner", "reader"), ("graph.entity.delete", "graph.entity.read")
    ):
        yield asked("key", verb, roles=[role], scopes=[] if scope == "none" else [scope])
        yield asked("key", verb, roles=[], scopes=[] if scope == "none" else [scope])
        yield asked("user", verb, roles=[], scopes=[scope])
    for actor, verb, known in product(("anonymous", "service", "user", "key"), verbs, (True, False)):
        yield asked(actor, verb, known=known)
    for verb in verbs:
        yield asked("user", verb, roles=["admin"], fresh=True)
        yield asked("user", verb, roles=["owner"], tenant=False)
        yield asked("user", verb, roles=["analyst", "dpo", "reader"])
        yield asked("key", verb, roles=["admin", "reader"], scopes=["reader", "writer"])
        yield asked("user", verb, roles=["reader"], platform_roles=["operator"], scopes=["reader"])


def _sessions() -> Iterator[Question]:
    risks, devices, countries = (
        ("low", "medium", "high", "purple"),
        ("trusted", "untrusted", "unknown"),
        ("", "DE", "FR"),
    )
    for risk, device, country, fence, fresh in product(risks, devices, countries, ([], ["DE"]), (True, False)):
        yield (
            SESSION,
            {"session": {"risk": risk, "device": device, "country": country}, "stepup": fresh, "fence": fence},
        )
    for risk, account, ended in product(("low", "medium"), ("open", "disabled"), (True, False)):
        yield SESSION, {"session": {"risk": risk, "account": account, "ended": ended}}
    yield SESSION, {}
    yield SESSION, {"session": {}}
    for query, value in product(("data.ig.zt.allow", "data.ig.zt.deny"), risks):
        yield query, {"session": {"risk": value}}
        yield query, {"session": {"risk": value}, "stepup": True}


def _sights(pack: Pack) -> Iterator[Question]:
    classes = [*pack.data["ig"]["classes"]["names"], "invented"]
    clearances: tuple[list[str], ...] = (classes[:3], classes[:4], classes[:5], [])
    for name, form, clear in product(classes, ("none", "mask", "hash", "generalise", "drop"), clearances):
        tags = {"data_class": name, "redaction_policy": form, "purposes": "none"}
        yield SIGHT, {"tags": tags, "caller": {"clear": clear, "purpose": True}}
    for name, purposes, stated in product(classes, ("match", "other"), (True, False)):
        tags = {"data_class": name, "redaction_policy": "hash", "purposes": purposes}
        yield SIGHT, {"tags": tags, "caller": {"clear": classes[:3], "purpose": stated}}


def questions(pack: Pack) -> list[Question]:
    """Return every question, with the query that it is put to."""
    return [*_access(pack), *_sessions(), *_sights(pack)]


def answered(pack: Pack) -> list[Case]:
    """Return the questions with this pack's answers, as rego-cpp gives them."""
    every = questions(pack)
    engine = Engine(pack, tuple(dict.fromkeys(entrypoint_of(query) for query, _ in every)))
    return [{"query": q, "input": given, "result": engine.ask(entrypoint_of(q), given)} for q, given in every]


def as_lines(cases: Sequence[Mapping[str, Any]], dump: Any) -> str:
    """Return cases as a JSON list with a line each, so that a change of one shows as one line."""
    return "[\n" + ",\n".join(dump(case) for case in cases) + "\n]\n"
