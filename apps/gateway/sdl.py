"""The schema as text: what is committed as `schema.graphql` and served to developers."""

from pathlib import Path

from django.conf import settings
from graphql import (
    ConstDirectiveNode,
    DocumentNode,
    FieldDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    lexicographic_sort_schema,
    parse,
    print_ast,
    print_schema,
)
from graphql.language import ConstArgumentNode, NameNode, StringValueNode

from apps.gateway.safelist import Safelist, read_folder
from apps.gateway.schema import schema
from apps.gateway.versions import API_VERSION

AUTH = '''
"""Policy is asked for this action before the field runs; a refusal names the rule."""
directive @auth(abac: String!) on FIELD_DEFINITION
'''


def actions_of(schema: GraphQLSchema) -> dict[tuple[str, str], str]:
    """Return {(root type, field): action}: what policy is asked for before a root field runs."""
    found: dict[tuple[str, str], str] = {}
    for root in (schema.query_type, schema.mutation_type, schema.subscription_type):
        if isinstance(root, GraphQLObjectType):
            for name, field in root.fields.items():
                guard = field.subscribe if root is schema.subscription_type else field.resolve
                action = getattr(guard, "action", "")
                if action:
                    found[root.name, name] = action
    return found


def _with_actions(document: DocumentNode, actions: dict[tuple[str, str], str]) -> None:
    """Write `@auth` on every field that has an action."""
    for definition in document.definitions:
        if isinstance(definition, ObjectTypeDefinitionNode):
            for field in definition.fields:
                action = actions.get((definition.name.value, field.name.value))
                if action is not None:
                    _add(field, action)


def _add(field: FieldDefinitionNode, action: str) -> None:
    said = ConstArgumentNode(name=NameNode(value="abac"), value=StringValueNode(value=action, block=False))
    field.directives = (*field.directives, ConstDirectiveNode(name=NameNode(value="auth"), arguments=(said,)))


def present_sdl() -> str:
    """Return the schema's SDL, sorted, so that two runs and two machines give the same text. Fields that policy guards
    say by `@auth` for which action."""
    present = lexicographic_sort_schema(schema.graphql_schema)
    document = parse(AUTH + print_schema(present))
    _with_actions(document, actions_of(schema.graphql_schema))
    return print_ast(document) + "\n"


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
