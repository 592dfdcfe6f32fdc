"""What requests do while the database is away: nothing. One task looks for it, and all go on when it is back."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from credit_api.retry import is_away
from credit_api.vigil import BETWEEN, Vigil
from psycopg import errors

REQUESTS = 30
LOOKS = 4


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


def test_while_it_is_there_nobody_waits_or_looks() -> None:
    async def look() -> bool:
        raise AssertionError

    async def scene() -> None:
        await Vigil(look).wait(now())

    asyncio.run(scene())


def test_one_task_looks_and_all_go_on_when_it_is_back() -> None:
    looked: list[float] = []

    async def look() -> bool:
        looked.append(now())
        return len(looked) == LOOKS

    async def scene() -> None:
        vigil, began = Vigil(look), now()
        for _ in range(REQUESTS):
            vigil.miss()
        await asyncio.gather(*(vigil.wait(began + 60) for _ in range(REQUESTS)))
        assert len(looked) == LOOKS
        assert looked[-1] - looked[0] >= (LOOKS - 1) * BETWEEN * 0.9
        await vigil.wait(now())  # and from now on nobody waits

    asyncio.run(scene())


def test_who_has_no_time_left_is_told_and_the_rest_wait_on() -> None:
    back = asyncio.Event()

    async def look() -> bool:
        await back.wait()
        return True

    async def scene() -> None:
        vigil = Vigil(look)
        vigil.miss()
        patient = asyncio.create_task(vigil.wait(now() + 60))
        with pytest.raises(TimeoutError):
            await vigil.wait(now() + 0.01)
        assert not patient.done()
        back.set()
        await patient

    asyncio.run(scene())


def test_it_can_go_away_again_and_each_time_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """But not what the first look finds there: a statement may fail for a session's sake."""
    answers = iter((True, False, False, True))

    async def look() -> bool:
        return next(answers)

    async def scene() -> None:
        vigil = Vigil(look)
        for _ in range(2):
            vigil.miss()
            await vigil.wait(now() + 60)
        assert next(answers, None) is None

    asyncio.run(scene())
    away, back = capsys.readouterr().out.splitlines()
    assert away == "the database is away: looking for it each 0.25 s, requests wait"
    assert back.startswith("the database is back after 0.")


@pytest.mark.parametrize("ended", [True, False], ids=["with the service", "by an error of ours"])
def test_where_nobody_looks_any_more_requests_see_for_themselves(ended: bool) -> None:
    began = asyncio.Event()

    async def look() -> bool:
        began.set()
        await asyncio.sleep(60 if ended else 0)
        raise ZeroDivisionError

    async def scene() -> None:
        vigil = Vigil(look)
        vigil.miss()
        looking = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await began.wait()
        if ended:
            vigil.end()
        await vigil.wait(now() + 5)
        await asyncio.gather(*looking, return_exceptions=True)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"), True),
        (errors.CannotConnectNow(), True),
        (errors.ProtocolViolation("server login has been failing, cached error"), True),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (errors.DeadlockDetected(), False),
        (errors.AdminShutdown(), False),
        (errors.UniqueViolation(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_says_that_it_is_away(error: psycopg.Error, away: bool) -> None:
    assert is_away(error) is away
