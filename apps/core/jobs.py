"""Background jobs: Celery on Redis, and the base of every task.

A job is declared with `@job("app.noun.verb")` in an app's `tasks.py`, takes the caller's Context first and ids after
it, and makes one service call:

    @job("connectors.job.run")
    def run_job(ctx: Context, *, job_id: str) -> None: ...

    run_job.enqueue(ctx, job_id=str(row.id))        # inside the transaction that makes the row: sent after commit

Messages are JSON and carry the Context (`Context.to_headers`) and the trace (W3C `traceparent`) as headers. The worker
restores both, opens the tenant's scope, describes logs by the context and records a span. A job of the schedule has no
caller: it runs as one of our own services, in no tenant.

Delivery is at least once: a job is acknowledged when it has ended, and comes again when its worker dies. Redis gives a
job that nobody acknowledged to another worker after VISIBILITY_S; no job may run that long (HARD_LIMIT_S), so none
runs twice at once because of it. The rows in PostgreSQL are the truth, the queue is only a hint: what was not sent
because Redis was away is found by the sweep of the app that owns the rows.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec

from celery import Celery, Task
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from celery.signals import beat_init, setup_logging, worker_init, worker_process_init, worker_process_shutdown
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from opentelemetry.trace import SpanKind, Status, StatusCode

from apps.core import conf
from apps.core.context import Context, described_by, service_context
from apps.core.metrics import JOB_SECONDS, JOBS_RUNNING, JOBS_SENT
from apps.core.routers import write_alias
from apps.core.scope import no_scope, tenant_scope
from apps.core.telemetry import get_logger, remote_parent, start_tracing, stop_tracing, trace_headers, tracer

log = get_logger(__name__)
tracing = tracer(__name__)

P = ParamSpec("P")

QUEUE = "ig"
HEADER = "ig"
VISIBILITY_S = 3_600
HARD_LIMIT_S = 3_300
SOFT_LIMIT_S = 3_240

app = Celery("intelgraph")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_S,
        "socket_connect_timeout": 2,
        "socket_timeout": 15,
        "socket_keepalive": True,
        "global_keyprefix": "ig:celery:",
    },
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=True,
    task_time_limit=HARD_LIMIT_S,
    task_soft_time_limit=SOFT_LIMIT_S,
    task_publish_retry=True,
    task_publish_retry_policy={"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.4},
    task_serializer="json",
    event_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    worker_max_tasks_per_child=1_000,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    timezone="UTC",
    enable_utc=True,
    beat_max_loop_interval=5,
    beat_schedule_filename=str(conf.get().var / "run" / "celerybeat-schedule"),
)

Guard = Callable[[Context, str], object]
_guard: dict[str, Guard] = {}


def install_guard(guard: Guard) -> None:
    """Let `guard(ctx, action)` decide before each job that declares an action. The roof calls this once, at start."""
    _guard["installed"] = guard


@contextmanager
def _scope_of(ctx: Context) -> Iterator[None]:
    with described_by(ctx), no_scope():
        if ctx.tenant_id is None:
            yield
        else:
            with tenant_scope(ctx.tenant_id):
                yield


class Job(Task, Generic[P]):
    """The base of every task: context, tenant, trace, metrics, guard."""

    abstract = True
    action = ""
    body: Callable[..., Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the job as its message says."""
        carried = self.request.get(HEADER) or {}
        ctx = Context.from_headers(carried["context"]) if "context" in carried else service_context(self.name)
        parent = remote_parent(carried.get("trace") or {})
        outcome, began = "failed", time.perf_counter()
        JOBS_RUNNING.labels(self.name).inc()
        with (
            tracing.start_as_current_span(
                f"job {self.name}",
                context=parent,
                kind=SpanKind.CONSUMER,
                set_status_on_exception=False,
                record_exception=False,
                attributes={
                    "messaging.system": "redis",
                    "messaging.destination.name": QUEUE,
                    "messaging.operation.type": "process",
                    "messaging.message.id": str(self.request.id or ""),
                    "ig.job": self.name,
                    "ig.tenant": str(ctx.tenant_id or ""),
                    "ig.request_id": ctx.request_id,
                },
            ) as span,
            _scope_of(ctx),
        ):
            try:
                if self.action and "installed" in _guard:
                    _guard["installed"](ctx, self.action)
                result = self.run(ctx, *args, **kwargs)
                outcome = "succeeded"
            except (Retry, Ignore, Reject) as signal:
                outcome = type(signal).__name__.lower()
                raise
            except SoftTimeLimitExceeded:
                outcome = "timed_out"
                span.set_status(Status(StatusCode.ERROR, "soft time limit"))
                raise
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
            finally:
                seconds = time.perf_counter() - began
                JOBS_RUNNING.labels(self.name).dec()
                JOB_SECONDS.labels(self.name, outcome).observe(seconds)
                log.info(
                    "job ended",
                    job=self.name,
                    outcome=outcome,
                    seconds=round(seconds, 3),
                    tries=self.request.retries + 1,
                )
            return result

    def enqueue(self, ctx: Context, *args: P.args, **kwargs: P.kwargs) -> None:
        """Send the job once the present transaction commits (at once outside of one).

        Never raises for a Redis that is away: the caller's rows are committed and the owner's sweep finds them.
        """
        send = partial(self.send, ctx, *args, **kwargs)
        transaction.on_commit(send, using=write_alias(), robust=True)

    def send(self, ctx: Context, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Send the job now; return whether the queue took it."""
        return _sent(ctx, self.name, partial(self.apply_async, args=args, kwargs=kwargs))


def enqueue_named(ctx: Context, name: str, **kwargs: Any) -> None:
    """Send the job of that name once the present transaction commits: for services, which do not import doors."""
    publish = partial(app.send_task, name, kwargs=kwargs)
    transaction.on_commit(partial(_sent, ctx, name, publish), using=write_alias(), robust=True)


def send_named(ctx: Context, name: str, **kwargs: Any) -> bool:
    """Send the job of that name now; return whether the queue took it. For work that no row and no sweep stands for."""
    return _sent(ctx, name, partial(app.send_task, name, kwargs=kwargs))


def _sent(ctx: Context, name: str, publish: Callable[..., Any]) -> bool:
    """Publish a job's message with the context and trace as headers; return whether the queue took it."""
    with tracing.start_as_current_span(
        f"enqueue {name}",
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "redis",
            "messaging.destination.name": QUEUE,
            "messaging.operation.type": "send",
            "ig.job": name,
        },
    ) as span:
        try:
            publish(headers={HEADER: {"context": ctx.to_headers(), "trace": trace_headers()}})
        except (OperationalError, OSError) as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            JOBS_SENT.labels(name, "failed").inc()
            log.warning("job not sent; the sweep will find it", job=name, error=type(error).__name__)
            return False
    JOBS_SENT.labels(name, "sent").inc()
    return True


def job(name: str, *, action: str = "", **options: Any) -> Callable[[Callable[Concatenate[Context, P], Any]], Job[P]]:
    """Declare a background job.

    `action` is a verb that policy is asked for before the body runs; `options` are Celery's (`soft_time_limit`,
    `autoretry_for`, `max_retries`, …).
    """

    def declare(body: Callable[Concatenate[Context, P], Any]) -> Job[P]:
        declared: Job[P] = app.task(name=name, base=Job, typing=False, **options)(body)
        declared.action = action
        return declared

    return declare


def queue_length(client: Any) -> int:
    """Return how many jobs wait in the queue, asked of `client` (redis)."""
    return int(client.llen(f"ig:celery:{QUEUE}"))


@setup_logging.connect
def _keep_logging(**kwargs: Any) -> None:
    """A receiver of this signal keeps Celery from setting up logging of its own."""


@worker_init.connect
def _worker_began(**kwargs: Any) -> None:
    settings.LOGGING_CONFIG  # noqa: B018  reading a setting makes sure that logging is set up


@worker_process_init.connect
def _child_began(**kwargs: Any) -> None:
    start_tracing("worker")


@worker_process_shutdown.connect
def _child_ends(**kwargs: Any) -> None:
    stop_tracing()


@beat_init.connect
def _scheduler_began(**kwargs: Any) -> None:
    start_tracing("scheduler")
