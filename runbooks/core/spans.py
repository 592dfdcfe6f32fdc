"""The spans of a finished run over OpenTelemetry, where an endpoint is configured: the run, and in it each step."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from logging.handlers import BufferingHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.settings import Settings
from runbooks.core.errors import SeparuhError
from runbooks.core.gather import Silence, gather
from runbooks.core.ledger import Record

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import StatusCode

WITHIN = 2.0  # seconds that a run may wait for a collector that is slow or gone
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")  # and the exporter's other variables


def send(record: Record, settings: Settings) -> list[str]:
    """Send the spans of `record`; return a line if they did not arrive within WITHIN, which fails nothing.

    OpenTelemetry's own environment variables come before the stack's `otlp_endpoint`.
    """
    own = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces" if settings.otlp_endpoint else None
    asked = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None)
    if not (asked or own):
        return []
    answer = gather({"": partial(_export, _spans(record), None if asked else own)}, WITHIN)[""]
    where = urlsplit(asked or own).hostname  # the rest of what was typed may hold a secret
    return [f"spans not sent to {where!s}: {answer.why}"] if isinstance(answer, Silence) else []


def _spans(record: Record) -> list[ReadableSpan]:
    """Return the run's span and its steps' within it. What an SDK switched off by its own variables makes is none."""
    from opentelemetry import trace  # noqa: PLC0415 - a quarter of a second that only those with a collector pay
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: PLC0415

    tracer = TracerProvider(resource=Resource.create({"service.name": "separuh"})).get_tracer("separuh")
    words = ("id", "runbook", "stack", "operator", "commit", "change", "outcome")
    about = {f"separuh.{word}": str(getattr(record, word)) for word in words}
    root = tracer.start_span(record.runbook, start_time=_nanoseconds(record.started_at), attributes=about)
    spans = [root]
    for step in record.steps:
        begun = step.started_at or record.started_at
        about = {"separuh.id": record.id, "separuh.stage": step.stage, "separuh.outcome": step.outcome}
        within = trace.set_span_in_context(root)
        span = tracer.start_span(step.title, within, start_time=_nanoseconds(begun), attributes=about)
        span.set_status(_status(step.outcome))
        span.end(_nanoseconds(begun, step.seconds))
        spans.append(span)
    root.set_status(_status(record.outcome))
    root.end(_nanoseconds(record.ended_at))
    return [span for span in spans if isinstance(span, ReadableSpan)]


def _status(outcome: str) -> StatusCode:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    return StatusCode.ERROR if outcome in ("failed", "undone") else StatusCode.UNSET


def _nanoseconds(moment: str, later: float = 0.0) -> int:
    """Return a record's time, so many seconds later, as OpenTelemetry counts it."""
    return int((datetime.fromisoformat(moment) + timedelta(seconds=later)).timestamp() * 1e6) * 1000


def _export(spans: Sequence[ReadableSpan], endpoint: str | None) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

    said = BufferingHandler(capacity=100)  # else what the exporter logs would stand among the lines of the run
    logging.getLogger("opentelemetry").addHandler(said)
    exporter = OTLPSpanExporter(endpoint, timeout=WITHIN)
    if exporter.export(spans) is not SpanExportResult.SUCCESS:
        raise SeparuhError(said.buffer[-1].getMessage() if said.buffer else "the collector did not take them")
