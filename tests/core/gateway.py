"""A gateway that answers as told, for the probe: quickly, slowly, with a refusal, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Reply:
    """What one payment gets, after `seconds`."""

    status: int = 201
    seconds: float = 0.0
    retried: int = 0


@dataclass
class Gateway:
    """One gateway; `reply` says what its n-th payment gets. `keys` are those that came in."""

    reply: Callable[[int], Reply]
    keys: list[str] = field(default_factory=list)
    url: str = ""

    async def _pay(self, request: web.Request) -> web.Response:
        reply = self.reply(len(self.keys))
        self.keys.append(request.headers["Idempotency-Key"])
        await asyncio.sleep(reply.seconds)
        return web.json_response(
            {}, status=reply.status, headers={"Separuh-Retried": str(reply.retried)} if reply.retried else {}
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Gateway]:
        """Listen on a free port of this machine."""
        application = web.Application()
        application.router.add_post("/payments", self._pay)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
