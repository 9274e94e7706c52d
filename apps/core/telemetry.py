"""What the process tells of itself: structured logs, traces, metrics.

Logs are one JSON object a line with tenant, request and trace id. Traces are OpenTelemetry, sent to a collector when
`OTEL_EXPORTER_OTLP_ENDPOINT` is set. Metrics are Prometheus, served at `/metrics`.
"""

import logging
import sys
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from apps.core import conf
from apps.core.context import current_context

SERVICE_VERSION = "0.1.0"
_started = {"tracing": False}


def _add_context(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add tenant, request, actor and trace ids of the work at hand to a log line."""
    ctx = current_context()
    if ctx is not None:
        event.setdefault("tenant", str(ctx.tenant_id) if ctx.tenant_id else None)
        event.setdefault("request_id", ctx.request_id)
        event.setdefault("actor", ctx.actor.ref)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event.setdefault("trace_id", f"{span.trace_id:032x}")
        event.setdefault("span_id", f"{span.span_id:016x}")
    return event


def configure_logging(level: str, style: str) -> None:
    """Send every log line of this process, ours and libraries', to standard error in one form."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_context,
        structlog.processors.format_exc_info,
    ]
    final: Any = structlog.dev.ConsoleRenderer(colors=False) if style == "console" else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, final]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("neo4j", "httpx", "urllib3", "celery.redirected", "axes"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(name: str) -> Any:
    """Return a structured logger: `log.info("what happened", key=value)`."""
    return structlog.stdlib.get_logger(name)


def start_tracing(service: str) -> None:
    """Begin to record spans as `service`; they leave the process only when a collector is configured."""
    if _started["tracing"]:
        return
    _started["tracing"] = True
    provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": f"intelgraph-{service}",
                "service.version": SERVICE_VERSION,
                "deployment.environment.name": conf.get()["IG_MODE"],
                "cloud.region": conf.get().region,
            }
        )
    )
    endpoint = conf.get()["OTEL_EXPORTER_OTLP_ENDPOINT"]
    if endpoint:
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)


def tracer(name: str) -> trace.Tracer:
    """Return the tracer of one module."""
    return trace.get_tracer(name, SERVICE_VERSION)
