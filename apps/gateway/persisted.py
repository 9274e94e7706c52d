"""What clients are told of the persisted documents: `contracts/graphql/documents/persisted.json`.

Per document: its id and hash, the actions that policy is asked for (`abac`), the roles that it lets, and what it costs at
most. The verifier holds every document against a schema, which may be the next one.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from graphql import GraphQLSchema, OperationDefinitionNode, build_ast_schema, parse
from graphql.execution.collect_fields import collect_fields

from apps.core.context import Actor, ActorKind, Context
from apps.gateway.documents import Document, read
from apps.gateway.limits import Limits, cost_of
from apps.gateway.safelist import SafeDocument, Safelist
from apps.gateway.schema import schema
from apps.identity.types import Role
from apps.policy import services as policy

MAX_ROWS = 1_000
_SOMEONE = Context(actor=Actor(ActorKind.USER, "00000000-0000-7000-8000-000000000000"), tenant_id=UUID(int=1))


def problems(safelist: Safelist, sdl: str | None = None) -> list[str]:
    """Return why documents would not run against a schema (the present one without `sdl`); empty when all would."""
    against: GraphQLSchema = schema.graphql_schema if sdl is None else build_ast_schema(parse(sdl))
    found = []
    for document in safelist.by_id.values():
        done = read(document.text, against, Limits())
        found += [f"{document.id}: {problem.message}" for problem in done.problems]
        if not done.problems and len(done.operations) != 1:
            found.append(f"{document.id}: it must hold one operation, not {len(done.operations)}")
    return found


def _actions(done: Document, operation: OperationDefinitionNode) -> list[str]:
    root = schema.graphql_schema.get_root_type(operation.operation)
    if root is None or done.node is None:
        return []
    fragments: Mapping[str, Any] = {d.name.value: d for d in done.node.definitions if d.kind == "fragment_definition"}  # type: ignore[attr-defined]
    names = collect_fields(schema.graphql_schema, dict(fragments), {}, root, operation.selection_set)
    resolvers = [root.fields[nodes[0].name.value] for nodes in names.values()]
    asked = {getattr(field.resolve, "action", None) or getattr(field.subscribe, "action", None) for field in resolvers}
    return sorted(action for action in asked if action)


def entry(document: SafeDocument) -> dict[str, Any]:
    """Return what the manifest says of a document that runs against the present schema."""
    done = read(document.text, schema.graphql_schema, Limits())
    operation = done.operations[0]
    if done.node is None:
        raise ValueError(f"{document.id} does not run: {done.problems[0].message}")
    actions = _actions(done, operation)
    roles = [
        role.value
        for role in Role
        if all(policy.decide(_SOMEONE.but(roles=frozenset({role.value})), action).allow for action in actions)
    ]
    return {
        "id": document.id,
        "version": document.version,
        "hash": f"sha256-{document.sha256}",
        "operation": operation.operation.value,
        "name": operation.name.value if operation.name else None,
        "abac": actions,
        "roles": sorted(roles),
        "cost": cost_of(schema.graphql_schema, done.node, operation, {}, MAX_ROWS),
    }


def manifest(safelist: Safelist) -> list[dict[str, Any]]:
    """Return the manifest, by id."""
    return [entry(document) for _, document in sorted(safelist.by_id.items())]
