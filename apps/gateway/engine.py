"""Runs GraphQL operations for any transport: find the document, measure it, run it, shape what came of it."""

import asyncio
import hmac
import re
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from graphql import ExecutionContext, ExecutionResult, GraphQLError, GraphQLSchema, OperationDefinitionNode
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from opentelemetry.trace import get_current_span

from apps.core.context import Context
from apps.core.errors import PersistedOnly
from apps.core.telemetry import tracer
from apps.gateway import measures, store
from apps.gateway.answers import Outcome
from apps.gateway.call import Call
from apps.gateway.documents import Document, DocumentCache, Problem
from apps.gateway.graphql_errors import format_coercion, format_error, format_refusal
from apps.gateway.limits import Limits, cost_of
from apps.gateway.parameters import Parameters
from apps.gateway.plans import Plan, compiled
from apps.gateway.safelist import Safelist

tracing = tracer(__name__)

EXECUTION_SECONDS = 15.0
_NAMED = re.compile(r"\b(?:query|mutation|subscription)\s+([A-Za-z_]\w*)")
MAX_COSTS = 100  # kept per document
MAX_ROWS = 1_000  # the largest page that any list gives


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation that may run: a valid document, the operation chosen, its variables, its cost if all pages were full."""

    document: Document
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    cost: int

    @property
    def kind(self) -> str:
        """`query`, `mutation` or `subscription`."""
        return self.operation.operation.value

    @property
    def name(self) -> str:
        """The operation's name, or its kind when it has none."""
        return self.operation.name.value if self.operation.name else self.kind


@dataclass(frozen=True, slots=True)
class Planned:
    """An operation that may run, with the plan that it was compiled to."""

    plan: Plan
    prepared: Prepared


def operation_span(prepared: Prepared) -> Any:
    """Return the span of one operation, as a context manager; none where the request's own is not recorded."""
    if not get_current_span().is_recording():
        return nullcontext()
    return tracing.start_as_current_span(
        f"graphql {prepared.kind}",
        attributes={
            "graphql.operation.type": prepared.kind,
            "graphql.operation.name": prepared.name,
            "graphql.document.hash": prepared.document.sha256,
            "ig.cost": prepared.cost,
        },
    )


def _not_run(*errors: dict[str, Any], status: int | None = None) -> Outcome:
    return Outcome(errors=errors, ran=False, status=status)


class Engine:
    """One schema with its documents. It lives on one event loop."""

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits | None = None,
        *,
        safelist: Safelist | None = None,
        safelist_only: bool = False,
    ) -> None:
        self.schema = schema
        self.limits = limits or Limits()
        self.documents = DocumentCache(schema, self.limits)
        self.safelist, self.safelist_only = safelist or Safelist(), safelist_only
        for text in self.safelist.by_text:
            self.documents.get(text)

    async def text_of(self, parameters: Parameters, ctx: Context) -> str | Outcome:
        """Return the document's text: as sent, as the release's own under an id or hash, or as registered under its hash
        (Apollo's automatic persisted queries).

        A text that comes with a hash is registered when the hash is right. Where only the safelist runs, whatever is not
        on it is refused, and the refusal says what was asked for.
        """
        text = await self._text_of(parameters, ctx)
        if isinstance(text, str) and self.safelist_only and text not in self.safelist.by_text:
            return self._not_listed(text, parameters)
        return text

    def _not_listed(self, text: str, parameters: Parameters) -> Outcome:
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        meant = self.safelist.like(parameters.operation_name or _first_name(text))
        error = PersistedOnly(
            f"only documents of the safelist run here, and sha256:{digest} is not on it",
            field="query",
            mend=f"ask by documentId for {' or '.join(meant)}"
            if meant
            else "ask by documentId for one of the safelist",
        )
        measures.NOT_LISTED.inc()
        return _not_run(format_refusal(error), status=error.status)

    async def _text_of(self, parameters: Parameters, ctx: Context) -> str | Outcome:
        if parameters.document_id is not None:
            named = self.safelist.named(parameters.document_id)
            if named is None:
                return _not_run(
                    {
                        "message": f"there is no persisted document {parameters.document_id!r}",
                        "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND", "field": "documentId"},
                    }
                )
            if parameters.query and parameters.query != named.text:
                return _not_run(
                    {
                        "message": f"query is not the text of {named.id}; send one of them",
                        "extensions": {"code": "BAD_USER_INPUT", "field": "query"},
                    },
                    status=400,
                )
            return named.text
        if parameters.sha256 is None:
            return parameters.query
        if not parameters.query and parameters.sha256 in self.safelist.by_hash:
            return self.safelist.by_hash[parameters.sha256].text
        tenant = str(ctx.tenant_id or "none")
        if not parameters.query:
            text = await store.load_document(tenant, parameters.sha256)
            if text is None:
                return _not_run(
                    {"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}
                )
            return text
        digest = sha256(parameters.query.encode("utf-8", "surrogatepass")).hexdigest()
        if not hmac.compare_digest(digest, parameters.sha256):
            return _not_run(
                {
                    "message": "the document's SHA-256 is not the one in extensions.persistedQuery.sha256Hash",
                    "extensions": {"code": "BAD_USER_INPUT", "field": "extensions"},
                },
                status=400,
            )
        return parameters.query

    async def prepare(self, parameters: Parameters, ctx: Context) -> Prepared | Outcome:
        """Return the operation ready to run, or the outcome that says why it cannot."""
        text = await self.text_of(parameters, ctx)
        if isinstance(text, Outcome):
            return text
        document = self.documents.get(text)
        if document.problems or document.node is None:
            return _not_run(*(problem.formatted() for problem in document.problems))
        operation = document.operation(parameters.operation_name)
        if isinstance(operation, Problem):
            return _not_run(operation.formatted())
        cost = self.cost(document, operation, parameters)
        if parameters.sha256 is not None and parameters.query:
            await store.save_document(str(ctx.tenant_id or "none"), parameters.sha256, text)
        return Prepared(document, operation, parameters.variables, cost)

    def cost(self, document: Document, operation: OperationDefinitionNode, parameters: Parameters) -> int:
        """Return the cost of an operation of a valid document; only its whole-number variables count in it."""
        if document.node is None:
            raise ValueError("the document was not read")
        numbers = tuple((name, value) for name, value in parameters.variables.items() if type(value) is int)
        key = (parameters.operation_name, numbers)
        cost = document.costs.get(key)
        if cost is None:
            cost = cost_of(self.schema, document.node, operation, parameters.variables, MAX_ROWS)
            if len(document.costs) < MAX_COSTS:
                document.costs[key] = cost
        return cost

    def planned(self, parameters: Parameters) -> Planned | None:
        """Return the operation with its plan when it has one: then it can run at once in a thread (`run_plan`).

        The document must have been read before: nobody makes this process parse and validate who was not let in.
        """
        text = parameters.query
        if parameters.document_id is not None:
            named = self.safelist.named(parameters.document_id)
            if named is None or parameters.query:
                return None
            text = named.text
        if parameters.sha256 is not None or not text or (self.safelist_only and text not in self.safelist.by_text):
            return None
        document = self.documents.known(text)
        if document is None or document.problems or document.node is None:
            return None
        operation = document.operation(parameters.operation_name)
        if isinstance(operation, Problem):
            return None
        if parameters.operation_name not in document.plans:
            document.plans[parameters.operation_name] = compiled(self.schema, document.node, operation)
        plan = document.plans[parameters.operation_name]
        if plan is None:
            return None
        cost = self.cost(document, operation, parameters)
        return Planned(plan, Prepared(document, operation, parameters.variables, cost))

    def run_plan(self, planned: Planned, ctx: Context) -> Outcome | None:
        """Run a compiled operation for a caller whose tenant is in scope; blocks. None: the resolvers must do it."""
        prepared, call = planned.prepared, Call.of(ctx)
        call.rows.limit = self.limits.rows_for(prepared.document.fields)
        began = time.perf_counter()
        with operation_span(prepared):
            data = planned.plan.run(dict(prepared.variables), call)
        if data is None:
            return None
        measures.OPERATION_SECONDS.labels(prepared.kind).observe(time.perf_counter() - began)
        measures.OPERATIONS.labels(prepared.kind, "OK").inc()
        rows = call.rows
        return Outcome(
            data=data,
            extensions={"cost": {"requested": prepared.cost, "rows": rows.used, "rowLimit": rows.limit}},
        )

    def context(self, prepared: Prepared, call: Call, root: Any = None) -> ExecutionContext | list[GraphQLError]:
        """Return graphql-core's execution context, or the errors of variables that do not fit."""
        if prepared.document.node is None:
            raise ValueError("the document was not read")
        name = prepared.operation.name.value if prepared.operation.name else None
        return ExecutionContext.build(
            self.schema,
            prepared.document.node,
            root,
            call,
            dict(prepared.variables),
            name,
        )

    async def execute(self, prepared: Prepared, call: Call, root: Any = None) -> Outcome:
        """Run a query, a mutation, or a subscription's selection over one event (`root`).

        An operation that takes longer than EXECUTION_SECONDS is stopped and told so.
        """
        context = self.context(prepared, call, root)
        if isinstance(context, list):
            return _not_run(*(format_coercion(error) for error in context))
        rows = call.rows
        rows.limit = self.limits.rows_for(prepared.document.fields)
        with (
            operation_span(prepared),
            measures.OPERATION_SECONDS.labels(prepared.kind).time(),
        ):
            try:
                async with asyncio.timeout(EXECUTION_SECONDS):
                    result = await _run(context, prepared.operation, root)
            except TimeoutError:
                measures.OPERATIONS.labels(prepared.kind, "TOO_COMPLEX").inc()
                return Outcome(
                    errors=(
                        {
                            "message": f"the operation took longer than {EXECUTION_SECONDS:g} s and was stopped; ask for less at once",
                            "extensions": {"code": "TOO_COMPLEX", "limit": "time", "bound": EXECUTION_SECONDS},
                        },
                    )
                )
        errors = tuple(format_error(error, call.ctx.request_id) for error in result.errors or ())
        measures.OPERATIONS.labels(prepared.kind, errors[0]["extensions"]["code"] if errors else "OK").inc()
        extensions: dict[str, Any] = {"cost": {"requested": prepared.cost, "rows": rows.used, "rowLimit": rows.limit}}
        if call.warnings:
            extensions["warnings"] = call.warnings
        return Outcome(data=result.data, errors=errors, extensions=extensions)

    def subscribe(self, prepared: Prepared, call: Call) -> Any:
        """Return what a subscription's root field says its source is (what its `subscribe` function returns).

        The source is an Outcome when variables do not fit. Raises what the field's guard and checks raise.
        """
        context = self.context(prepared, call)
        if isinstance(context, list):
            return _not_run(*(format_coercion(error) for error in context))
        root = self.schema.subscription_type
        if root is None:
            raise ValueError("the schema has no subscriptions")
        fields = collect_fields(
            self.schema, context.fragments, context.variable_values, root, prepared.operation.selection_set
        )
        response_name, nodes = next(iter(fields.items()))
        definition = root.fields[nodes[0].name.value]
        if definition.subscribe is None:
            raise ValueError(f"{nodes[0].name.value} has no source")
        info = context.build_resolve_info(definition, nodes, root, Path(None, response_name, root.name))
        arguments = get_argument_values(definition, nodes[0], context.variable_values)
        return definition.subscribe(None, info, **arguments)


def _first_name(text: str) -> str | None:
    """Return the name of the first operation of a text that nobody has parsed."""
    found = _NAMED.search(text[:2_000])
    return found[1] if found else None


async def _run(context: ExecutionContext, operation: OperationDefinitionNode, root: Any) -> ExecutionResult:
    """Return the result of an operation, as `graphql.execute` does once the variables have been coerced."""
    collected = context.collected_errors
    try:
        result = context.execute_operation(operation, root)
        if context.is_awaitable(result):
            result = await result  # type: ignore[misc]
    except GraphQLError as error:
        collected.add(error, None)
        return context.build_response(None, collected.errors)
    return context.build_response(result, collected.errors)  # type: ignore[arg-type]
