"""Our registry as a provider of OpenFeature, for code that speaks that interface; it evaluates in this process.

    client = openfeature.api.get_client()
    client.get_boolean_value("connectors.ingest", True, provider.context_of(ctx))

The context is made by our own code, so its tenant is believed. What comes from outside goes through OFREP, which takes
the tenant from the credentials.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any
from uuid import UUID

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import AbstractProvider, Metadata

from apps.core.context import Context
from apps.flags import selectors
from apps.flags.types import NO_ATTRIBUTES, Subject

NAME = "intelgraph"
TENANT_ID, TENANT, REGION = "ig.tenant_id", "ig.tenant", "ig.region"


def context_of(ctx: Context, targeting_key: str = "", **attributes: Any) -> EvaluationContext:
    """Return the caller of `ctx` as OpenFeature's context."""
    subject = selectors.subject_of(ctx)
    trusted = {TENANT_ID: str(subject.tenant_id or ""), TENANT: subject.tenant_slug, REGION: subject.region}
    return EvaluationContext(targeting_key or ctx.actor.id, {**attributes, **trusted})


def _subject(context: EvaluationContext | None) -> Subject:
    if context is None:
        return Subject()
    said: Mapping[str, Any] = context.attributes or NO_ATTRIBUTES
    tenant_id = said.get(TENANT_ID)
    return Subject(
        UUID(tenant_id) if isinstance(tenant_id, str) and tenant_id else None,
        str(said.get(TENANT, "")),
        str(said.get(REGION, "")),
        context.targeting_key or "",
        said,
    )


class RegistryProvider(AbstractProvider):
    """Resolves flags from this process's table."""

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(NAME)

    def _resolve(self, key: str, default: Any, kind: type, context: EvaluationContext | None) -> Any:
        found = selectors.evaluate(_subject(context), key, selectors.KINDS[kind])
        if found.error is not None:
            return FlagResolutionDetails(
                default, error_code=ErrorCode(found.error.value), error_message=found.message, reason=found.reason.value
            )
        value = deepcopy(found.value) if kind is dict else kind(found.value)
        return FlagResolutionDetails(value, reason=found.reason.value, variant=found.variant)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Resolve a boolean flag."""
        return self._resolve(flag_key, default_value, bool, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Resolve a string flag."""
        return self._resolve(flag_key, default_value, str, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Resolve an integer flag."""
        return self._resolve(flag_key, default_value, int, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Resolve a float flag; a whole number will do."""
        return self._resolve(flag_key, default_value, float, evaluation_context)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[Any] | Mapping[str, Any],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[Any] | Mapping[str, Any]]:
        """Resolve an object flag."""
        return self._resolve(flag_key, default_value, dict, evaluation_context)


def register() -> None:
    """Make the registry the provider of this process."""
    api.set_provider(RegistryProvider())
