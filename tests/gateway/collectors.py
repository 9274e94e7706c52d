"""A collector on loopback that speaks OTLP over HTTP, as a real one does, and keeps the spans that it was sent."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Listens from `with` on."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        kept = self._spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        kept.extend(scope.spans)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *how: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> list[dict[str, Any]]:
        """Return each span: name, ids as hexadecimal text, end in nanoseconds, ids of its links, its attributes."""
        return [
            {
                "name": span.name,
                "id": span.span_id.hex(),
                "trace": span.trace_id.hex(),
                "ended": span.end_time_unix_nano,
                "links": [link.span_id.hex() for link in span.links],
                **{one.key: one.value.string_value or one.value.int_value or "" for one in span.attributes},
            }
            for span in self._spans
        ]
