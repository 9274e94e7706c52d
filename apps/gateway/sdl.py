"""The schema as text: what is committed as `schema.graphql` and served to developers."""

from graphql import lexicographic_sort_schema, print_schema

from apps.gateway.schema import schema


def present_sdl() -> str:
    """Return the schema's SDL, sorted, so that two runs and two machines give the same text."""
    return print_schema(lexicographic_sort_schema(schema.graphql_schema)) + "\n"
