"""`manage.py policy`: checks the pack, asks it, compares it with Open Policy Agent, explains a logged decision."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import conf
from apps.core.clock import iso
from apps.core.scope import system_scope
from apps.policy import proving, vectors
from apps.policy.engine import Engine, PolicyFault
from apps.policy.models import DecisionEntry
from apps.policy.opa import Opa, OpaAway
from apps.policy.packs import Pack, PackFault, load
from apps.policy.replay import again

LEAST_COVERAGE = 90.0


class Command(BaseCommand):
    help = "Check the policy pack, ask it, compare it with OPA, explain a decision"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        verbs = parser.add_subparsers(dest="verb", required=True)
        check = verbs.add_parser("check", help="run the pack's tests and recorded cases")
        check.add_argument("--coverage", action="store_true", help="also break each rule in turn and see it noticed")
        record = verbs.add_parser("record", help="record the pack's answers to the standing questions as cases")
        record.add_argument(
            "--check", action="store_true", help="exit 1 when the recorded ones are not the present ones"
        )
        verbs.add_parser("compare", help="put the recorded cases to the OPA at OPA_URL")
        ask = verbs.add_parser("eval", help="ask the pack")
        ask.add_argument("query", help="such as data.ig.zt.decision")
        ask.add_argument("--input", default="-", help="file with the input as JSON; - for standard input")
        why = verbs.add_parser("why", help="explain a logged decision")
        why.add_argument("decision", help="its id, as in the refusal")
        for verb in (check, record, verbs.choices["compare"], ask):
            verb.add_argument("--pack", type=Path, default=settings.BASE_DIR / "policies", help="folder of the pack")
            verb.add_argument(
                "--cases", type=Path, default=settings.BASE_DIR / "tests/policy/vectors.json", help="recorded cases"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked. Raises CommandError: exit 1 when a check fails, 2 for what cannot be read."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except (PackFault, OpaAway, OSError, ValueError) as error:
            raise CommandError(str(error), returncode=2) from None
        except PolicyFault as error:
            raise CommandError(str(error), returncode=1) from None

    def _say(self, options: dict[str, Any], document: dict[str, Any], text: str) -> None:
        self.stdout.write(json.dumps(document) if options["json"] else text)

    def _cases(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        cases = json.loads(options["cases"].read_text(encoding="utf-8"))
        if not isinstance(cases, list) or not all({"query", "input", "result"} <= set(case) for case in cases):
            raise ValueError(f"{options['cases'].name} holds no list of cases with query, input and result")
        return cases

    def _check(self, options: dict[str, Any]) -> None:
        pack, cases = load(options["pack"]), self._cases(options)
        failed = list(proving.failing(pack))
        wrong = list(proving.differing(pack, cases))
        document: dict[str, Any] = {
            "revision": pack.revision,
            "tests": len(pack.test_rules()),
            "tests_failed": failed,
            "cases": len(cases),
            "cases_differing": wrong,
        }
        lines = [
            f"revision {pack.revision}",
            f"{document['tests'] - len(failed)} of {document['tests']} tests hold",
            *failed,
            f"{len(cases) - len(wrong)} of {len(cases)} cases hold",
            *(f"{case['query']} {json.dumps(case['input'])}" for case in wrong[:20]),
        ]
        missed = False
        if options["coverage"] and not failed and not wrong:
            proof = proving.prove(options["pack"], options["cases"])
            missed = proof.coverage < LEAST_COVERAGE
            document |= {
                "rules": proof.rules,
                "coverage": proof.coverage,
                "changes": proof.mutants,
                "noticed": proof.mutation,
            }
            lines.append(f"{proof.coverage:.1f} % of {proof.rules} rules and branches are needed by a test or case")
            lines.append(f"{proof.mutation:.1f} % of {proof.mutants} other changes of a condition are noticed")
            lines += [
                f"not noticed: {one.path}:{one.line} {one.change}"
                for one in (*proof.rules_unnoticed, *proof.mutants_unnoticed)
            ]
        self._say(options, document, "\n".join(lines))
        if failed or wrong or missed:
            raise CommandError("the pack does not pass", returncode=1)

    def _record(self, options: dict[str, Any]) -> None:
        text = vectors.as_lines(vectors.answered(load(options["pack"])), _line)
        if not options["check"]:
            options["cases"].write_text(text, encoding="utf-8")
            self._say(options, {"written": options["cases"].name}, f"wrote {options['cases'].name}")
            return
        equal = options["cases"].read_text(encoding="utf-8") == text
        self._say(options, {"equal": equal}, "the recorded cases are the pack's" if equal else "the answers changed")
        if not equal:
            raise CommandError("look at the difference, then run manage.py policy record", returncode=1)

    def _compare(self, options: dict[str, Any]) -> None:
        url = conf.get()["OPA_URL"]
        if not url:
            raise ValueError("OPA_URL is not set: start `opa run --server policies` and name its address")
        opa, cases = Opa(url), self._cases(options)
        differing = [case for case in cases if opa.ask(case["query"], case["input"]) != case["result"]]
        opa.close()
        lines = [f"OPA answers {len(cases) - len(differing)} of {len(cases)} cases alike"]
        lines += [f"{case['query']} {json.dumps(case['input'])}" for case in differing[:20]]
        self._say(options, {"cases": len(cases), "differing": differing}, "\n".join(lines))
        if differing:
            raise CommandError("the engines differ", returncode=1)

    def _eval(self, options: dict[str, Any]) -> None:
        pack: Pack = load(options["pack"])
        source = options["input"]
        given = json.loads(self._standard_input() if source == "-" else Path(source).read_text(encoding="utf-8"))
        entrypoint = proving.entrypoint_of(options["query"])
        answer = Engine(pack, (entrypoint,)).ask(entrypoint, given)
        self._say(options, {"result": answer, "revision": pack.revision}, json.dumps(answer, indent=2))

    def _standard_input(self) -> str:
        with open(0, encoding="utf-8", closefd=False) as stream:
            return stream.read()

    def _why(self, options: dict[str, Any]) -> None:
        with system_scope("policy.decisions"):
            entry = DecisionEntry.objects.filter(id=UUID(options["decision"])).first()
        if entry is None:
            raise CommandError("there is no such decision in the log", returncode=1)
        now = again(entry)
        document = {
            "id": str(entry.id),
            "at": iso(entry.at),
            "action": entry.action,
            "outcome": entry.outcome,
            "rule": entry.rule,
            "reason": entry.reason,
            "hits": entry.hits,
            "facts": entry.facts,
            "revision": entry.revision,
            "now": None
            if now is None
            else {"outcome": now.outcome.value, "reason": now.reason, "revision": now.revision},
        }
        lines = [
            f"{document['at']}  {entry.outcome}: {entry.reason}",
            f"asked: {entry.action} by {entry.actor}",
            f"matched: {', '.join(entry.hits) or 'no rule'}",
            f"facts: {json.dumps(entry.facts)}",
            f"pack: {entry.revision}",
        ]
        if now is not None:
            same = "the same" if now.outcome.value == entry.outcome else f"now {now.outcome.value}: {now.reason}"
            lines.append(f"asked again of pack {now.revision}: {same}")
        self._say(options, document, "\n".join(lines))


def _line(case: Any) -> str:
    return json.dumps(case, sort_keys=True, ensure_ascii=False)
