"""Proof that a pack's tests bite: its rules are broken one by one, and some test or recorded case must notice. Pure.

Two figures come of it. Coverage: of all rules and branches, how many are noticed when they never hold. Mutation: of all
other small changes (a condition dropped or turned round), how many are noticed. A broken rule may end rego-cpp's
process, so mutants are judged in a child (`python -m apps.policy.proving`), which counts as noticed.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.policy.engine import Engine, PolicyFault, Workbench
from apps.policy.packs import Pack, load

Case = Mapping[str, Any]
CHILD_WITHIN_S = 900
STRIDE = 17

_OPENS = re.compile(r"\bif \{$|\|$")
_CONDITION = re.compile(r"^\t(?!\t)(?!some |.*:=)(?![}\]\"]).*[^{(\[,]$")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A pack with one small change: in which module and line, and what was done (`never`, `dropped`, `turned`)."""

    path: str
    line: int
    change: str
    source: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was tried and what nobody noticed. `coverage` and `mutation` are percentages."""

    rules: int
    rules_unnoticed: tuple[Mutant, ...]
    mutants: int
    mutants_unnoticed: tuple[Mutant, ...]

    @property
    def coverage(self) -> float:
        """Rules and branches that some test or case needs, in percent."""
        return 100 * (self.rules - len(self.rules_unnoticed)) / max(1, self.rules)

    @property
    def mutation(self) -> float:
        """Other small changes that some test or case notices, in percent."""
        return 100 * (self.mutants - len(self.mutants_unnoticed)) / max(1, self.mutants)


def entrypoint_of(query: str) -> str:
    """Return a query such as `data.ig.zt.allow` as an entry point, `ig/zt/allow`."""
    return query.removeprefix("data.").replace(".", "/")


def differing(pack: Pack, cases: Sequence[Case]) -> Iterator[Case]:
    """Yield the cases (`query`, `input`, `result`) that the pack answers otherwise. Raises PolicyFault."""
    engine = Engine(pack, tuple(dict.fromkeys(entrypoint_of(case["query"]) for case in cases)))
    for case in cases:
        try:
            if engine.ask(entrypoint_of(case["query"]), case["input"]) != case["result"]:
                yield case
        except PolicyFault:
            yield case


def failing(pack: Pack) -> Iterator[str]:
    """Yield the pack's test rules that are not true."""
    bench = Workbench(pack)
    for rule in pack.test_rules():
        try:
            if bench.ask(rule, {}) is not True:
                yield rule
        except PolicyFault:
            yield rule


def mutants(pack: Pack) -> Iterator[Mutant]:
    """Yield every pack that differs from this one by one small change of a rule."""
    for path, source in pack.modules.items():
        lines = source.split("\n")
        for number, line in enumerate(lines):

            def changed(
                change: str, *instead: str, at: int = number, of: str = path, all_: list[str] = lines
            ) -> Mutant:
                return Mutant(of, at + 1, change, "\n".join([*all_[:at], *instead, *all_[at + 1 :]]))

            if line.startswith("#"):
                continue
            if _OPENS.search(line):
                yield changed("never", line, "\tfalse")
            if _CONDITION.match(line):
                yield changed("dropped", "\ttrue")
                turned = line.replace("\tnot ", "\t", 1) if line.startswith("\tnot ") else f"\tnot {line.strip()}"
                yield changed("turned", turned)


def noticed(pack: Pack, cases: Sequence[Case]) -> bool:
    """Return whether some case or test finds this pack wrong."""
    try:
        # A change shows in few cases, which stand together: far apart ones first.
        spread = [case for start in range(STRIDE) for case in cases[start::STRIDE]]
        return any(True for _ in differing(pack, spread)) or any(True for _ in failing(pack))
    except PolicyFault:
        return True


def prove(folder: Path, cases_file: Path, *, processes: int = 2) -> Proof:
    """Break the rules of the pack in a folder one by one; return what nobody noticed. Takes a minute or two.

    Raises PolicyFault when the unbroken pack already fails.
    """
    pack = load(folder)
    cases = json.loads(cases_file.read_text(encoding="utf-8"))
    if any(True for _ in differing(pack, cases)) or any(True for _ in failing(pack)):
        raise PolicyFault("the pack does not pass its own tests and cases")
    every = list(mutants(pack))
    waiting = [number for number, _ in enumerate(every)]
    seen: dict[int, bool] = {}
    while waiting:
        shares = [waiting[start::processes] for start in range(processes)]
        children = [_child(folder, cases_file, share) for share in shares if share]
        for share, child in children:
            seen.update(_told(child, share))
        waiting = [number for number in waiting if number not in seen]
    never = [(one, seen[number]) for number, one in enumerate(every) if one.change == "never"]
    others = [(one, seen[number]) for number, one in enumerate(every) if one.change != "never"]
    return Proof(
        len(never),
        tuple(one for one, found in never if not found),
        len(others),
        tuple(one for one, found in others if not found),
    )


def _child(folder: Path, cases_file: Path, share: list[int]) -> tuple[list[int], "subprocess.Popen[str]"]:
    numbers = ",".join(str(number) for number in share)
    command = [sys.executable, "-m", "apps.policy.proving", str(folder), str(cases_file), numbers]
    return share, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603


def _told(child: "subprocess.Popen[str]", share: list[int]) -> dict[int, bool]:
    """Return what a child found; where it ended early, the mutant that it died of counts as noticed."""
    try:
        out, _ = child.communicate(timeout=CHILD_WITHIN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        out, _ = child.communicate()
    found = {int(number): answer == "noticed" for number, answer in (line.split() for line in out.splitlines())}
    left = [number for number in share if number not in found]
    if left:
        found[left[0]] = True
    return found


def main(arguments: Sequence[str]) -> int:
    """Judge the mutants of the given numbers, a line each: `12 noticed`."""
    folder, cases_file, numbers = arguments
    pack, cases = load(Path(folder)), json.loads(Path(cases_file).read_text(encoding="utf-8"))
    every = list(mutants(pack))
    for number in (int(one) for one in numbers.split(",")):
        mutant = every[number]
        answer = "noticed" if noticed(pack.without(mutant.path, mutant.source), cases) else "missed"
        sys.stdout.write(f"{number} {answer}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
