"""`ig-ledger`: verify and prove without a server, a database or Django.

Exit codes: 0 everything holds, 1 something does not, 2 the usage or the input is wrong (one line on standard error).
"""

import argparse
import json
import sys
from pathlib import Path

from apps.ledger import offline, verifier


def _prove(options: argparse.Namespace) -> int:
    try:
        keys = verifier.KeyRing(verifier.Key.from_pem(path.read_bytes(), str(path)) for path in options.key)
        if options.extends is not None:
            document = offline.prove_extension(options.file, keys, *options.extends)
        else:
            document = offline.prove_record(
                options.file, keys, options.number, position=options.item, size=options.size
            )
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
        if options.out is None:
            sys.stdout.write(text)
        else:
            options.out.write_text(text, encoding="utf-8")
    except (verifier.BadInput, offline.CannotProve, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _checkpoint(options: argparse.Namespace) -> int:
    try:
        exported = offline.read_export(options.file, verifier.KeyRing())
        note = exported.note(options.size, 0) if options.size is not None else exported.newest()
        pem = exported.key_of(note)
        for suffix, data in ((".note", note.note.encode()), (".sig", note.signature), (".pem", pem.encode())):
            Path(f"{options.out}{suffix}").write_bytes(data)
    except (verifier.BadInput, offline.CannotProve, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}.note {options.out}.sig {options.out}.pem")
    return 0


def _script(options: argparse.Namespace) -> int:
    sys.stdout.write(Path(verifier.__file__).read_text(encoding="utf-8"))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every subcommand; each sets `run`, which returns the exit code."""
    parser = argparse.ArgumentParser(prog="ig-ledger", description="Verify ledgers and make proofs, offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="check an export, a proof, an envelope or a detached signature")
    verifier.add_arguments(verify)
    verify.set_defaults(run=verifier.verify_command)
    prove = commands.add_parser("prove", help="make a proof from an export that verifies")
    prove.add_argument("file", type=Path, help="ledger export")
    what = prove.add_mutually_exclusive_group(required=True)
    what.add_argument("--number", type=int, help="prove that this record stands in a signed checkpoint")
    what.add_argument(
        "--extends", type=int, nargs=2, metavar=("OLD", "NEW"), help="prove that checkpoint NEW only appends to OLD"
    )
    prove.add_argument("--item", type=int, help="prove this item of the record's batch as well (from 0)")
    prove.add_argument("--size", type=int, help="use the checkpoint over this many records")
    prove.add_argument("--key", type=Path, action="append", default=[], help="PEM of a key that you trust; repeatable")
    prove.add_argument("--out", type=Path, help="write the proof here instead of to standard output")
    prove.add_argument("--json", action="store_true", help="proofs are always JSON; accepted for uniformity")
    prove.set_defaults(run=_prove)
    checkpoint = commands.add_parser("checkpoint", help="take a checkpoint out of an export, for openssl")
    checkpoint.add_argument("file", type=Path, help="ledger export")
    checkpoint.add_argument("--size", type=int, help="the checkpoint over this many records; default: the newest")
    checkpoint.add_argument("--out", required=True, help="writes OUT.note, OUT.sig and OUT.pem")
    checkpoint.set_defaults(run=_checkpoint)
    script = commands.add_parser("script", help="print the stand-alone verifier, to be copied anywhere")
    script.set_defaults(run=_script)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run `ig-ledger` and return its exit code."""
    options = build_parser().parse_args(argv)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
