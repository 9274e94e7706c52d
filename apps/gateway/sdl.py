"""The schema as text: what is committed as `schema.graphql` and served to developers."""

from pathlib import Path

from django.conf import settings
from graphql import lexicographic_sort_schema, print_schema

from apps.gateway.safelist import Safelist, read_folder
from apps.gateway.schema import schema
from apps.gateway.versions import API_VERSION


def present_sdl() -> str:
    """Return the schema's SDL, sorted, so that two runs and two machines give the same text."""
    return print_schema(lexicographic_sort_schema(schema.graphql_schema)) + "\n"


def released_file() -> Path:
    """Return where the schema of the last release stands: the contract that clients were given."""
    found: Path = settings.BASE_DIR / "contracts" / "graphql" / f"{API_VERSION}.graphql"
    return found


def documents_folder() -> Path:
    """Return where the persisted documents of this release stand."""
    found: Path = settings.BASE_DIR / "contracts" / "graphql" / "documents"
    return found


def released_documents() -> Safelist:
    """Return the persisted documents of this release."""
    return read_folder(documents_folder())
