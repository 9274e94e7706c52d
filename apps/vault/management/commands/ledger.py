"""`manage.py ledger`: verify the ledgers of this installation, sign checkpoints, export.

Exit codes: 0 everything holds, 1 something does not, 2 the usage or the input is wrong (one line on standard error).
"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from apps.core.context import service_context
from apps.core.errors import IgError, InvalidInput, NotFound
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.ledger.types import Finding, Verification
from apps.tenants.selectors import by_id, by_slug, everyone
from apps.tenants.types import TenantInfo
from apps.vault import keys, services

PLATFORM = "platform"


class Command(BaseCommand):
    """Verify, checkpoint and export ledgers."""

    help = "Verify the ledgers against rows, signatures and copies; sign checkpoints; export."
    requires_system_checks = ()  # they load every page and schema, which this command does not need

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare `verify`, `checkpoint` and `export`."""
        commands = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
        verify = commands.add_parser("verify", help="check every record, link, head, checkpoint and copy")
        verify.add_argument("--tenant", help=f"slug or id of one tenant, or {PLATFORM!r}; default: all")
        verify.add_argument(
            "--key", type=Path, action="append", help="PEM of a key that you trust; default: the published ones"
        )
        verify.add_argument("--json", action="store_true", help="print the result as JSON")
        checkpoint = commands.add_parser("checkpoint", help="sign a checkpoint for every ledger that has grown")
        checkpoint.add_argument("--json", action="store_true", help="print the result as JSON")
        export = commands.add_parser("export", help="write one ledger as JSON Lines, for `ig-ledger verify`")
        export.add_argument("--tenant", required=True, help=f"slug or id, or {PLATFORM!r}")
        export.add_argument("--after", type=int, default=0, help="leave out the records up to this number")
        export.add_argument(
            "--out", type=Path, help="file to write (packed when it ends in .gz); default: standard output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one of the verbs and exit with its code."""
        verbs = {"verify": self._verify, "checkpoint": self._checkpoint, "export": self._export}
        try:
            code = verbs[options["verb"]](options)
        except IgError as error:
            self.stderr.write(f"error: {error.message}")
            code = 2
        except OSError as error:
            self.stderr.write(f"error: {error.filename}: {error.strerror}")
            code = 2
        if code:
            sys.exit(code)

    def _verify(self, options: dict[str, Any]) -> int:
        wanted = None if options["tenant"] is None else [_tenant_id(options["tenant"])]
        trusted = None if options["key"] is None else [_document(path) for path in options["key"]]
        results, order = services.verify_ledgers(tenant_ids=wanted, trusted_keys=trusted)
        names = {tenant.id: tenant.slug for tenant in everyone()} | {PLATFORM_TENANT_ID: PLATFORM}
        ok = not order and all(result.ok for result in results)
        if options["json"]:
            ledgers = [result.as_dict() | {"tenant": names.get(result.tenant_id, "")} for result in results]
            across = [finding.as_dict() for finding in order]
            self.stdout.write(json.dumps({"ok": ok, "ledgers": ledgers, "findings": across}, indent=2))
        else:
            for result in results:
                self._show(result, names.get(result.tenant_id, "unknown tenant"))
            for finding in order:
                self.stdout.write(_words(finding, "all ledgers"))
            self.stdout.write(f"{'ok' if ok else 'FAILED'}: {len(results)} ledgers")
        return 0 if ok else 1

    def _show(self, result: Verification, name: str) -> None:
        self.stdout.write(
            f"{'ok' if result.ok else 'FAILED'}: {name} ({result.tenant_id}): {result.records} records,"
            f" {result.items} items, {result.checkpoints} checkpoints, signed up to {result.covered}"
        )
        if result.waiting.count:
            self.stdout.write(
                f"  {result.waiting.count} records wait to be numbered, the oldest for {result.waiting.oldest_s:.1f} s"
            )
        for finding in result.findings:
            self.stdout.write(_words(finding, name))

    def _checkpoint(self, options: dict[str, Any]) -> int:
        run = services.write_checkpoints(service_context("ledger"))
        if options["json"]:
            signed = [{"tenant_id": str(tenant), "size": size} for tenant, size in run.signed]
            refused = [{"tenant_id": str(tenant), "reason": reason} for tenant, reason in run.refused]
            self.stdout.write(json.dumps({"ok": not refused, "signed": signed, "refused": refused}, indent=2))
        else:
            for tenant, size in run.signed:
                self.stdout.write(f"signed: {tenant} at {size} records")
            for tenant, reason in run.refused:
                self.stdout.write(f"REFUSED: {tenant}: {reason}")
        return 1 if run.refused else 0

    def _export(self, options: dict[str, Any]) -> int:
        if options["after"] < 0:
            raise InvalidInput("--after must not be negative", field="after")
        tenant_id, out = _tenant_id(options["tenant"]), options["out"]
        packed = out is not None and out.suffix == ".gz"
        with system_scope("ledger.verify"):
            parts = services.export_ledger(
                service_context("ledger"), tenant_id=tenant_id, after=options["after"], packed=packed
            )
            if out is None:
                for part in parts:
                    sys.stdout.buffer.write(part)
                sys.stdout.buffer.flush()
            else:
                with out.open("wb") as file:
                    file.writelines(parts)
        return 0


def _tenant_id(name: str) -> UUID:
    if name == PLATFORM:
        return PLATFORM_TENANT_ID
    found: TenantInfo | None = by_slug(name)
    if found is None:
        try:
            found = by_id(UUID(name))
        except ValueError:
            found = None
    if found is None:
        raise NotFound(f"there is no tenant {name!r}")
    return found.id


def _document(path: Path) -> dict[str, Any]:
    pem = path.read_text(encoding="ascii", errors="replace")
    try:
        keys.load_public(pem)
    except keys.NotAKey as error:
        raise InvalidInput(f"{path}: {error}", field="key") from None
    return {"public_key_pem": pem}


def _words(finding: Finding, name: str) -> str:
    return f"  {finding.severity} [{finding.code}] {name}: {finding.message}"
