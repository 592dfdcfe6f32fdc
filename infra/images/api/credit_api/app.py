"""The HTTP side: what a customer can ask, each answered by one SQL function."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from credit_api.config import Config
from credit_api.database import Answer, Database
from credit_api.metrics import Metrics
from credit_api.refusals import BAD_REQUEST, KEY_MISSING, NOT_READY, Refused

RETRIED = "Separuh-Retried"
BIGINT = 2**63
Endpoint = Callable[[Request], Awaitable[Response]]


async def _body(request: Request, **fields: type) -> tuple[object, ...]:
    """Return the values of `fields` in the JSON body, in their order; Refused unless each is of its type."""
    try:
        given = await request.json()
        values = tuple(given[name] for name in fields)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(BAD_REQUEST) from error
    for value, wanted in zip(values, fields.values(), strict=True):
        if type(value) is not wanted or not _storable(value):  # bool is an int to isinstance
            raise Refused(BAD_REQUEST)
    return values


def _storable(value: object) -> bool:
    """Tell whether PostgreSQL can take `value`: no NUL, no half of a surrogate pair, no number beyond BIGINT."""
    return 0 < value < BIGINT if isinstance(value, int) else str(value).isprintable() and value != ""


def create(config: Config) -> Starlette:
    """Return the service as an ASGI application on the database that `config` names."""
    database, metrics = Database(config), Metrics()
    seen = False  # the schema answered once

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await database.open()
        yield
        await database.close()

    def answer(given: Answer, status: int = 200) -> Response:
        metrics.retries += given.retried
        headers = {RETRIED: str(given.retried)} if given.retried else None
        row = {name: v.isoformat() if isinstance(v, date) else v for name, v in given.rows[0].items()}
        return JSONResponse(row, status, headers)

    async def open_account(request: Request) -> Response:
        fields = await _body(request, holder=str, city=str, phone=str)
        return answer(await database.run("SELECT * FROM open_account(%s, %s, %s)", fields), 201)

    async def grant_loan(request: Request) -> Response:
        fields = await _body(request, account=int, product=str, principal=int, months=int)
        return answer(await database.run("SELECT * FROM grant_loan(%s, %s, %s, %s::integer)", fields), 201)

    async def pay(request: Request) -> Response:
        key = request.headers.get("Idempotency-Key", "")
        if not 8 <= len(key) <= 64 or not key.isprintable():
            raise Refused(KEY_MISSING)
        fields = await _body(request, loan=int, instalment=int, amount=int)
        return answer(
            await database.run("SELECT * FROM pay(%s, %s, %s::integer, %s)", (key, *fields), repeatable=True), 201
        )

    async def balance(request: Request) -> Response:
        account = request.path_params["account"]
        if account >= BIGINT:
            raise Refused(BAD_REQUEST)
        return answer(await database.run("SELECT * FROM balance(%s)", (account,), repeatable=True))

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        # Once the schema has answered we stay ready: a leader on the move is for this service to wait out, and a
        # gateway that took every api away for it would turn a stall into errors.
        nonlocal seen
        if not seen:
            try:
                seen = bool((await database.run("SELECT to_regclass('payment') IS NOT NULL AS made")).rows[0]["made"])
            except Refused as refused:
                raise Refused(NOT_READY) from refused
        if not seen:
            raise Refused(NOT_READY)
        return PlainTextResponse("ready\n")

    async def scrape(_: Request) -> Response:
        return PlainTextResponse(metrics.text())

    def measured(endpoint: Endpoint) -> Endpoint:
        async def call(request: Request) -> Response:
            started = time.perf_counter()
            try:
                response = await endpoint(request)
            except Refused as refused:
                response = JSONResponse(refused.refusal.body(), refused.refusal.status)
            metrics.observe(endpoint.__name__, response.status_code, time.perf_counter() - started)
            return response

        return call

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/accounts", measured(open_account), methods=["POST"]),
            Route("/accounts/{account:int}", measured(balance), methods=["GET"]),
            Route("/loans", measured(grant_loan), methods=["POST"]),
            Route("/payments", measured(pay), methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", measured(readyz)),
            Route("/metrics", scrape),
        ],
    )
