"""The probe counts what really happened at a gateway that misbehaves as told."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from runbooks.core.customers import Customers
from runbooks.core.errors import SeparuhError
from runbooks.core.figures import Figures
from runbooks.core.probe import Order, Probe
from tests.core.gateway import Gateway, Reply


def order(gateways: dict[str, str], rate: float, seconds: float, within: float = 10.0, acknowledged: str = "") -> Order:
    """Return an order with a payment of its own for each moment."""
    payments = [(n + 1, 1, 1000 + n) for n in range(int(rate * seconds))]
    return Order(
        run="trial",
        gateways=gateways,
        rate=rate,
        seconds=seconds,
        payments=payments,
        acknowledged=acknowledged,
        within=within,
    )


def probe(
    *replies: Callable[[int], Reply], rate: float = 100, seconds: float = 0.5, within: float = 10.0
) -> tuple[Figures, list[str], list[Gateway]]:
    """Carry out an order over one gateway a reply; return the figures and the lines of what was acknowledged."""

    async def carry_out() -> tuple[Figures, list[str], list[Gateway]]:
        file = io.StringIO()
        async with AsyncExitStack() as stack:
            gateways = [await stack.enter_async_context(Gateway(reply).serving()) for reply in replies]
            urls = {f"g{n}": gateway.url for n, gateway in enumerate(gateways)}
            figures = await Probe(order(urls, rate, seconds, within), file).carry_out()
        return figures, file.getvalue().splitlines(), gateways

    return asyncio.run(carry_out())


def test_all_is_well() -> None:
    figures, lines, gateways = probe(lambda n: Reply(), lambda n: Reply())
    assert (figures.sent, figures.acknowledged, figures.failed_requests, figures.retried) == (50, 50, 0, 0)
    assert {name: one.sent for name, one in figures.gateways.items()} == {"g0": 25, "g1": 25}
    assert sorted(line.split("\t")[0] for line in lines) == sorted(gateways[0].keys + gateways[1].keys)
    assert len(set(lines)) == 50
    assert sorted(lines)[7].split("\t") == ["trial-0000007", "8", "1", "1007"]


def test_a_refusal_is_a_failure_and_never_sent_again() -> None:
    figures, lines, (gateway,) = probe(lambda n: Reply(503 if n % 5 == 0 else 201))
    assert (figures.failed_requests, figures.acknowledged, len(lines)) == (10, 40, 40)
    assert figures.gateways["g0"].reasons == {"HTTP 503": 10}
    assert len(set(gateway.keys)) == len(gateway.keys) == 50


def test_an_answer_after_the_limit_is_a_failure() -> None:
    figures, lines, _ = probe(lambda n: Reply(seconds=0.6 if n == 3 else 0), within=0.3)
    assert (figures.failed_requests, len(lines)) == (1, 49)
    assert figures.gateways["g0"].reasons == {"timeout": 1}


def test_a_gateway_that_is_not_there_fails_all_of_its_share() -> None:
    async def carry_out() -> Figures:
        async with Gateway(lambda n: Reply()).serving() as gateway:
            urls = {"there": gateway.url, "gone": "http://127.0.0.1:1"}
            return await Probe(order(urls, 100, 0.5), io.StringIO()).carry_out()

    figures = asyncio.run(carry_out())
    assert figures.gateways["there"].failed_requests == 0
    assert figures.gateways["gone"].failed_requests == 25
    assert figures.gateways["gone"].p50 is None
    # The stall is the worst gateway's, never merged over both: the good one must not hide the dead one.
    assert figures.gateways["there"].write_stall_seconds < 0.5
    assert figures.write_stall_seconds == figures.gateways["gone"].write_stall_seconds == 0.5


def test_repeats_by_the_service_are_counted_apart() -> None:
    figures, _, _ = probe(lambda n: Reply(retried=2 if n < 4 else 0))
    assert (figures.retried, figures.failed_requests, figures.acknowledged) == (4, 0, 50)


def test_sending_does_not_wait_for_answers() -> None:
    figures, _, (gateway,) = probe(lambda n: Reply(seconds=0.4))
    assert len(gateway.keys) == 50
    assert figures.seconds == 0.5
    assert figures.gateways["g0"].p50 is not None
    assert figures.gateways["g0"].p50 >= 400
    assert figures.write_stall_seconds >= 0.4


def test_a_probe_that_ran_out_of_payments_ends_early() -> None:
    async def carry_out() -> Figures:
        async with Gateway(lambda n: Reply()).serving() as gateway:
            full = order({"g0": gateway.url}, 50, 10)
            short = Order(**{**vars(full), "payments": full.payments[:20]})
            return await Probe(short, io.StringIO()).carry_out()

    assert asyncio.run(carry_out()).sent == 20


def test_a_probe_ends_with_its_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would read what it saw, and nobody would stop it."""
    asked: list[int] = []

    def parent() -> int:
        asked.append(1)
        return 1 if len(asked) < 6 else 2

    async def carry_out() -> Figures:
        async with Gateway(lambda n: Reply()).serving() as gateway:
            monkeypatch.setattr("os.getppid", parent)
            return await Probe(order({"g0": gateway.url}, 50, 10), io.StringIO()).carry_out()

    assert asyncio.run(carry_out()).sent == 4


def test_the_process_is_stopped_and_read(tmp_path: Path) -> None:
    async def carry_out() -> tuple[Figures, str, list[str]]:
        async with Gateway(lambda n: Reply()).serving() as gateway:
            asked = order({"g0": gateway.url}, 50, 60, acknowledged=str(tmp_path / "made" / "trial.tsv"))
            with Customers(asked) as customers:
                while len(gateway.keys) < 20:
                    await asyncio.sleep(0.05)
                figures = await asyncio.to_thread(customers.stop)
            return figures, customers.acknowledged(), gateway.keys

    figures, acknowledged, keys = asyncio.run(asyncio.wait_for(carry_out(), 30))
    assert 20 <= figures.sent == len(keys) < 3000
    assert figures.acknowledged == len(acknowledged.splitlines())
    assert figures.failed_requests == 0


def test_a_probe_that_dies_is_no_result(tmp_path: Path) -> None:
    asked = order({"g0": "http://127.0.0.1:1"}, 50, 60, acknowledged=str(tmp_path))  # a directory cannot be written
    with Customers(asked) as customers, pytest.raises(SeparuhError, match="IsADirectoryError"):
        customers.wait()
