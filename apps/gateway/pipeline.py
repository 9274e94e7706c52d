"""The five stages that every request passes, in one tuple: who, for whom, zero trust, how much, may I.

HTTP runs stages 1 to 4 before its door and 5 at the door; a websocket runs 1 to 3 on connect and 4 to 5 on each
operation. A stage takes what is known so far and returns more, or raises one of the families of `apps.core.errors`.
Stages block (they read rows): doors on the event loop run them in the thread pool.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.core.context import Context, SessionFacts
from apps.core.errors import Forbidden, IgError, InvalidInput, NotFound, RateLimited, Unauthenticated
from apps.core.ids import parse_id
from apps.core.kept import fresh
from apps.core.telemetry import get_logger
from apps.core.values import altered
from apps.gateway import measures, sessions
from apps.identity import selectors as identity_selectors
from apps.identity import services as identity
from apps.policy import services as policy
from apps.policy.types import Decision
from apps.quotas import services as quotas
from apps.quotas.selectors import rate_headers
from apps.quotas.types import Measure, Verdict
from apps.tenants import selectors as tenants

log = get_logger(__name__)

DEFAULT_PURPOSE = "investigation"
_SLUG = re.compile(r"^[a-z0-9-]{1,64}$")
_PURPOSE = re.compile(r"^[a-z][a-z0-9-]{0,62}$")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a door knows of a request before anyone has looked at it.

    `authorization` is the value of that header (or of `connection_init`), `session_key` that of the session cookie,
    `tenant` the slug or id asked for (empty: the key's own, or the person's only one), `around` its address, and
    what a trusted proxy says of place, device and risk.
    """

    authorization: str = ""
    session_key: str = ""
    tenant: str = ""
    purpose: str = ""
    request_id: str = ""
    trace_id: str = ""
    around: SessionFacts = field(default_factory=SessionFacts)


@dataclass(frozen=True, slots=True)
class Passage:
    """A request on its way through the stages. `person` is the account behind a session, for stage 2."""

    arrival: Arrival
    ctx: Context
    person: Any = None
    action: str = ""
    cost: int = 1
    verdict: Verdict | None = None
    decision: Decision | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The rate headers, once the quota was asked."""
        return rate_headers(Measure.API, self.verdict) if self.verdict else {}


class QuotaExceeded(RateLimited):
    """The caller's bucket is empty; `headers` are to be sent with the refusal."""

    def __init__(self, verdict: Verdict, measure: Measure) -> None:
        super().__init__(
            f"the quota of {verdict.limit.rate_per_s:g} calls a second is used up",
            retry_after_s=verdict.retry_after_s,
            mend=f"send the request again in {max(1, round(verdict.retry_after_s + 0.5))} s",
        )
        self.headers = rate_headers(measure, verdict)


def identify(passage: Passage) -> Passage:
    """Stage 1: who calls. Raises Unauthenticated for credentials that do not hold; none at all is nobody."""
    arrival = passage.arrival
    ctx = passage.ctx.but(
        request_id=arrival.request_id,
        trace_id=arrival.trace_id,
        session=arrival.around,
        purpose=_purpose(arrival.purpose),
    )
    if arrival.authorization:
        scheme, _, token = arrival.authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated(
                "Authorization must be 'Bearer' and a key", mend="send Authorization: Bearer with an API key"
            )
        return altered(passage, ctx=identity.authenticate_token(ctx, token.strip()))
    if arrival.session_key:
        ctx, person = sessions.restore(ctx, arrival.session_key)
        return altered(passage, ctx=ctx, person=person)
    return altered(passage, ctx=ctx)


def _purpose(text: str) -> str | None:
    if not text:
        return None
    if not _PURPOSE.match(text):
        raise InvalidInput("purpose must be a lower-case word such as 'investigation'", field="x-ig-purpose")
    return text


def enter_tenant(passage: Passage) -> Passage:
    """Stage 2: for whom, where. Raises NotFound for a tenant that the caller does not belong to (it is not told
    whether it exists), TenantSuspended, Misdirected."""
    ctx, wanted = passage.ctx, passage.arrival.tenant.strip()
    if ctx.tenant_id is not None:
        if wanted and wanted not in {ctx.tenant_slug, str(ctx.tenant_id)}:
            raise NotFound("no such tenant", field="tenant")
        return passage
    if passage.person is None:
        return passage
    if ctx.purpose is None:
        ctx = ctx.but(purpose=DEFAULT_PURPOSE)
    if not wanted:
        memberships = identity_selectors.memberships_of(UUID(ctx.actor.id))
        if len(memberships) != 1:
            return altered(passage, ctx=ctx)
        wanted = str(memberships[0].tenant_id)
    tenant_id = parse_id(wanted)
    if tenant_id is not None:
        tenant = tenants.by_id(tenant_id)
    else:
        tenant = tenants.by_slug(wanted) if _SLUG.match(wanted) else None
    if tenant is None:
        raise NotFound("no such tenant", field="tenant")
    return altered(passage, ctx=identity.enter_as_member(ctx, user=passage.person, tenant=tenant))


def assess_session(passage: Passage) -> Passage:
    """Stage 3: zero trust. Raises StepUpRequired or Forbidden."""
    policy.assess_session(passage.ctx)
    return passage


def consume_quota(passage: Passage) -> Passage:
    """Stage 4: how much. Raises QuotaExceeded."""
    verdict = quotas.consume(passage.ctx, Measure.API, passage.cost)
    if not verdict.allowed:
        raise QuotaExceeded(verdict, Measure.API)
    return altered(passage, verdict=verdict)


def decide(passage: Passage) -> Passage:
    """Stage 5: may this caller do `action`. Raises Unauthenticated, StepUpRequired or Forbidden."""
    return altered(passage, decision=policy.require(passage.ctx, passage.action))


Stage = Callable[[Passage], Passage]
STAGES: tuple[Stage, ...] = (identify, enter_tenant, assess_session, consume_quota, decide)
ON_CONNECT: tuple[Stage, ...] = STAGES[:3]
BEFORE_DOOR: tuple[Stage, ...] = STAGES[:4]


def walk(passage: Passage, stages: Sequence[Stage]) -> Passage:
    """Take a request through stages, in order. A refusal is counted, logged with its inner reason, and passed on."""
    for stage in stages:
        try:
            passage = stage(passage)
        except IgError as error:
            measures.REFUSALS.labels(stage.__name__, error.code).inc()
            log.info(
                "request refused",
                stage=stage.__name__,
                code=error.code,
                reason=error.details.get("reason"),
                tenant=str(passage.ctx.tenant_id or ""),
                actor=passage.ctx.actor.ref,
                request_id=passage.arrival.request_id,
            )
            raise
    return passage


def admit(arrival: Arrival) -> Passage:
    """Return a request that has passed stages 1 to 4. Raises what the stages raise."""
    return walk(Passage(arrival, Context()), BEFORE_DOOR)


def look_again(arrival: Arrival) -> Passage:
    """Return a connection that has passed stages 1 to 3 once more, by what stands in the database now."""
    with fresh():
        return walk(Passage(arrival, Context()), ON_CONNECT)


def same_tenant(ctx: Context, wanted: str) -> UUID:
    """Return the tenant in scope when `wanted` (a slug or id given as an argument) is it.

    Raises Unauthenticated for nobody, Forbidden for every other tenant, whether it exists or not.
    """
    if ctx.tenant_id is None:
        raise Unauthenticated("sign in to a tenant first")
    if wanted not in {ctx.tenant_slug, str(ctx.tenant_id)}:
        raise Forbidden("the tenant asked for is not the one that these credentials belong to", field="tenantId")
    return ctx.tenant_id
