"""Spans of a finished run, against a real receiver: what arrives, and that one which is gone holds nobody up."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from infra.settings import ROOT
from runbooks.core import spans
from runbooks.core.errors import SeparuhError, Undone
from runbooks.core.host import Estate
from runbooks.core.ledger import Ledger, StepRecord
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.shift import Shift
from tests.core.conftest import new_head
from tests.core.fake import SETTINGS, FileQuorum
from tests.core.test_ledger import RECORD

RUN = replace(
    RECORD,
    steps=(
        StepRecord("Look", "identify", 0.5, "skipped", "2026-01-01T00:00:00.100+00:00"),
        StepRecord("Take it", "implement", 2.25, "failed", "2026-01-01T00:00:00.700+00:00"),
    ),
    outcome="undone",
    figures={"bytes": 5, "commands": "never sent"},
)
MIDNIGHT = 1767225600 * 10**9


class Collector:
    """An OTLP receiver on this machine: keeps what is sent to it, answers with `code`."""

    def __init__(self, code: int = 200) -> None:
        self.code = code
        self.paths: list[str] = []
        self.requests: list[ExportTraceServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.paths.append(self.path)
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.code)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def spans(self) -> list[Any]:
        """Every span that arrived."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in spans.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def attributes(span: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


def test_a_run_is_one_trace_whose_steps_lie_within_it_at_their_own_times(collector: Collector) -> None:
    settings = replace(SETTINGS, otlp_endpoint=f"{collector.url}/")
    assert spans.send(RUN, settings) == []
    assert collector.paths == ["/v1/traces"]
    root, look, take = collector.spans
    assert [root.name, look.name, take.name] == ["backup", "Look", "Take it"]
    assert {look.parent_span_id, take.parent_span_id} == {root.span_id}
    assert len({root.trace_id, look.trace_id, take.trace_id}) == 1
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (MIDNIGHT, MIDNIGHT + 3 * 10**9)
    assert (take.start_time_unix_nano, take.end_time_unix_nano) == (MIDNIGHT + 700 * 10**6, MIDNIGHT + 2950 * 10**6)
    assert attributes(take) == {
        "separuh.id": RUN.id,
        "separuh.stage": "implement",
        "separuh.outcome": "failed",
    }
    assert [bool(span.status.code) for span in (root, look, take)] == [True, False, True]


def test_no_more_of_a_run_is_told_than_what_says_which_it_is(collector: Collector) -> None:
    spans.send(RUN, replace(SETTINGS, otlp_endpoint=collector.url))
    words = ("id", "runbook", "stack", "operator", "commit", "change", "outcome")
    assert attributes(collector.spans[0]) == {f"separuh.{word}": getattr(RUN, word) for word in words}


def test_the_standard_variable_comes_before_the_stacks_config(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    assert spans.send(RUN, replace(SETTINGS, otlp_endpoint="http://127.0.0.1:9")) == []
    assert len(collector.spans) == 3


def test_a_collector_that_refuses_is_named_with_its_reason(collector: Collector) -> None:
    collector.code = 401
    (line,) = spans.send(RUN, replace(SETTINGS, otlp_endpoint=f"{collector.url}/token"))
    assert line.startswith("spans not sent to 127.0.0.1: ")
    assert "401" in line
    assert "token" not in line


@pytest.mark.parametrize("listens", [False, True], ids=["nobody there", "never answers"])
def test_a_dead_endpoint_costs_little_and_fails_nothing(
    listens: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "WITHIN", 0.5)
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        if listens:
            dead.listen()
        began = time.monotonic()
        (line,) = spans.send(RUN, replace(SETTINGS, otlp_endpoint=f"http://127.0.0.1:{dead.getsockname()[1]}"))
        assert time.monotonic() - began < spans.WITHIN + 2
    assert line.startswith("spans not sent to 127.0.0.1: ")
    assert capfd.readouterr() == ("", "")


def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded() -> None:
    program = """
import sys
from runbooks.core import shift, spans
from tests.core.fake import SETTINGS
from tests.core.test_ledger import RECORD
assert spans.send(RECORD, SETTINGS) == []
print(*[name for name in sys.modules if name.startswith("opentelemetry")])
"""
    ended = subprocess.run((sys.executable, "-c", program), cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def test_every_run_that_ends_is_sent_its_steps_one_after_the_other(tmp_path: Path, collector: Collector) -> None:
    def fail(run: Run) -> None:
        raise SeparuhError("broken")

    book = Runbook("trial", "Try", (), (Step("sleep", lambda run: time.sleep(0.2)), Step("break", fail)))
    settings = replace(SETTINGS, otlp_endpoint=collector.url)
    estate = Estate(settings, None, console=Console(file=io.StringIO()))  # type: ignore[arg-type]
    keepers = FileQuorum(tmp_path / "quorum"), FileQuorum(tmp_path / "stores")
    shift, head = Shift(estate, keepers, Ledger(tmp_path, "unit"), tmp_path), new_head()
    with pytest.raises(Undone), shift.leased(book, head, wait=False):
        shift.begin(book, head)
    root, slept, broke = collector.spans
    assert attributes(root)["separuh.outcome"] == "undone"
    assert (slept.name, broke.name) == ("sleep", "break")
    assert 0.2e9 <= slept.end_time_unix_nano - slept.start_time_unix_nano < 5e9
    assert slept.start_time_unix_nano < broke.start_time_unix_nano <= root.end_time_unix_nano
