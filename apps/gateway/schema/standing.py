"""How imports and limits stand, for those who follow them live."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import graphene
from graphql import GraphQLResolveInfo

from apps.connectors import selectors as connectors
from apps.connectors.types import JobProgress as Progress
from apps.core.context import Context
from apps.gateway.realtime.states import Part, State
from apps.gateway.schema.scalars import DateTime
from apps.quotas import selectors as quotas
from apps.quotas.types import Usage as Used

READ_JOBS, READ_USAGE = "connectors.job.read", "quotas.usage.read"
JOBS_EVERY_S, JOBS_SLOWEST_S = 0.5, 2.0
USAGE_EVERY_S, USAGE_SLOWEST_S = 1.0, 5.0
JOB_RECORDS = ("connectors.ingest.",)


class JobRows(graphene.ObjectType):
    """What became of an import's rows so far."""

    read = graphene.Float(required=True)
    created = graphene.Float(required=True)
    updated = graphene.Float(required=True)
    unchanged = graphene.Float(required=True)
    rejected = graphene.Float(required=True)
    skipped = graphene.Float(required=True)


class JobProgress(graphene.ObjectType):
    """How far an import is. Counts are whole numbers; a Float holds those above 2,147,483,647 too."""

    id = graphene.ID(required=True)
    source = graphene.String(required=True)
    format = graphene.String(required=True)
    dry_run = graphene.Boolean(required=True)
    state = graphene.String(required=True, description="queued, running, succeeded, partial, failed or cancelled.")
    phase = graphene.String(required=True, description="check, entities, edges or done.")
    progress = graphene.Float(required=True, description="0 to 1.")
    rows = graphene.Field(JobRows, required=True)
    bytes_read = graphene.Float(required=True, description="Of the uncompressed source; it is read once per phase.")
    size_bytes = graphene.Float(required=True, description="Of the source as it was sent.")
    error_count = graphene.Float(required=True)
    failure = graphene.String(description="Why it failed as a whole; null unless it did.")
    requested_at = DateTime(required=True)
    started_at = DateTime()
    finished_at = DateTime()

    @staticmethod
    def resolve_state(job: Progress, info: GraphQLResolveInfo) -> str:
        """Return the state's word."""
        return job.state.value

    @staticmethod
    def resolve_failure(job: Progress, info: GraphQLResolveInfo) -> str | None:
        """Return why it failed."""
        return job.failure or None


class LimitUsage(graphene.ObjectType):
    """What is used of one limit: a bucket of `burst` tokens that fills up by `ratePerS` each second."""

    measure = graphene.String(
        required=True, description="api (calls), ingest (rows brought in) or deliveries (live updates)."
    )
    rate_per_s = graphene.Float(required=True)
    burst = graphene.Int(required=True)
    used = graphene.Int(description="Tokens that are out now; null while it is not known.")
    full_in_s = graphene.Float(required=True, description="Seconds until nothing is used, when nothing more is taken.")

    @staticmethod
    def resolve_measure(usage: Used, info: GraphQLResolveInfo) -> str:
        """Return the measure's word."""
        return usage.measure.value

    @staticmethod
    def resolve_rate_per_s(usage: Used, info: GraphQLResolveInfo) -> float:
        """Return the limit's rate."""
        return usage.limit.rate_per_s

    @staticmethod
    def resolve_burst(usage: Used, info: GraphQLResolveInfo) -> int:
        """Return the limit's burst."""
        return usage.limit.burst


class Usage(graphene.ObjectType):
    """What is used of each of the tenant's limits."""

    limits = graphene.List(graphene.NonNull(LimitUsage), required=True)


def _part(job: Progress) -> Part:
    return Part(job.id, job, job.state.final)


def moving_jobs(tenant_id: UUID) -> State:
    """Return the state of a tenant's imports that are open or ended a moment ago."""

    def read(ctx: Context) -> Sequence[Part]:
        return [_part(job) for job in connectors.moving(ctx)]

    return State(tenant_id, "jobProgress", READ_JOBS, "jobs", read, JOBS_EVERY_S, JOB_RECORDS, slowest_s=JOBS_SLOWEST_S)


def one_job(tenant_id: UUID, job_id: UUID) -> State:
    """Return the state of one import, which ends with it."""

    def read(ctx: Context) -> Sequence[Part]:
        return [_part(connectors.progress(ctx, job_id))]

    key: Any = ("job", job_id)
    return State(
        tenant_id, "jobProgress", READ_JOBS, key, read, JOBS_EVERY_S, JOB_RECORDS, slowest_s=JOBS_SLOWEST_S, ends=True
    )


def usage(tenant_id: UUID) -> State:
    """Return the state of a tenant's limits."""

    def read(ctx: Context) -> Sequence[Part]:
        return [Part("limits", quotas.usage(ctx))]

    return State(tenant_id, "usageUpdated", READ_USAGE, "usage", read, USAGE_EVERY_S, slowest_s=USAGE_SLOWEST_S)
