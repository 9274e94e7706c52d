"""Check our migrations: none is missing, each is safe on a live system. Needs a database without data (`scripts.with_services`).

Exits with 1 when a model has no migration, or a migration would lock for long, drop what running code uses, or cannot be
undone.
"""

import os
import sys
from pathlib import Path

import django
from django.apps import apps
from django.core.management import CommandError, call_command
from django_migration_linter import MigrationLinter  # type: ignore[import-untyped]  # it has no type information

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run both checks and return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "intelgraph.settings")
    os.environ.setdefault("IG_LOG_LEVEL", "WARNING")  # the linter logs each migration
    django.setup()
    try:
        call_command("makemigrations", check=True, dry_run=True, verbosity=1)
    except SystemExit:
        sys.stderr.write("a model has no migration: run manage.py makemigrations\n")
        return 1
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    ours = [config.label for config in apps.get_app_configs() if Path(config.path).is_relative_to(ROOT / "apps")]
    linter = MigrationLinter(
        str(ROOT),
        include_apps=ours,
        database="owner",
        analyser_string="postgresql",
        no_cache=True,
        quiet=["ok", "ignore"],
    )
    linter.lint_all_migrations()
    linter.print_summary()
    return 1 if linter.has_errors else 0


if __name__ == "__main__":
    sys.exit(main())
