"""Many questions at once, answered or given up together: one place that is silent does not delay the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from runbooks.core.errors import SeparuhError

K = TypeVar("K")


def together(*acts: Callable[..., None]) -> Callable[..., None]:
    """Return what does all of `acts` at the same time, with the same arguments, and raises the first one's failure."""

    def all_of_them(*arguments: Any) -> None:
        with ThreadPoolExecutor(max_workers=len(acts)) as pool:
            begun = [pool.submit(act, *arguments) for act in acts]
        for each in begun:
            each.result()

    return all_of_them


@dataclass(frozen=True)
class Silence:
    """No answer, and why."""

    why: str


def gather(questions: Mapping[K, Callable[[], Any]], seconds: float) -> dict[K, Any]:
    """Ask everything at once, for at most `seconds`; a question that fails or lasts longer yields Silence.

    The threads are daemons: one that still waits for a silent place does not keep the process from ending.
    """
    answers: dict[K, Any] = {}

    def ask(key: K, question: Callable[[], Any]) -> None:
        try:
            answers[key] = question()
        except SeparuhError as error:
            answers[key] = Silence(str(error))

    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in questions.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    given_up = Silence(f"no answer within {seconds:.1f} s")
    return {key: answers.get(key, given_up) for key in questions}
