"""Traces travel by W3C Trace Context, and what works for several causes names them all."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from apps.core import telemetry

ONE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SAME_TRACE = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_traceparent_comes_out_as_it_went_in() -> None:
    parent = telemetry.remote_parent({"traceparent": ONE})
    span = TracerProvider().get_tracer("t").start_span("x", context=parent)
    with trace.use_span(span):
        headers = telemetry.trace_headers()
        assert headers["traceparent"].split("-")[1] == ONE.split("-")[1]
        assert telemetry.traceparent_now() == headers["traceparent"]
        assert telemetry.trace_id_now() == ONE.split("-")[1]
    assert telemetry.traceparent_now() == "" and telemetry.trace_id_now() == ""


def test_hostile_traceparents_are_no_parents() -> None:
    for text in (
        "",
        "00-0-0-0",
        ONE.upper() + "x",
        "ff-" + ONE[3:],
        ONE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        "é" * 55,
    ):
        context = telemetry.remote_parent({"traceparent": text})
        assert not trace.get_current_span(context).get_span_context().is_valid, text


def test_one_cause_is_continued_and_several_are_linked() -> None:
    parent, links = telemetry.continued([ONE, SAME_TRACE, ONE])
    assert trace.get_current_span(parent).get_span_context().trace_id == int(ONE.split("-")[1], 16) and len(links) == 2
    parent, links = telemetry.continued([ONE, OTHER])
    assert not trace.get_current_span(parent).get_span_context().is_valid and len(links) == 2
    parent, links = telemetry.continued([])
    assert not trace.get_current_span(parent).get_span_context().is_valid and not links
    assert (
        len(telemetry.continued([f"00-{n:032x}-00f067aa0ba902b7-01" for n in range(1, 200)])[1]) == telemetry.MAX_LINKS
    )
