"""`python3 -m credit_api serve` is the service, `… schema` the one-shot of a first boot."""

from __future__ import annotations

import sys

from credit_api import config

# Seconds, longer than a gateway keeps a connection (60): were it closed here in the moment in which a request comes,
# the gateway could not know whether that was carried out, and would leave its client without an answer.
KEEP_ALIVE = 75


def main(arguments: list[str]) -> int:
    """Run the service until SIGTERM, or the one-shot to its end; return the exit code (3: a foreign database)."""
    if arguments not in (["serve"], ["schema"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        given = config.read()
    except config.ConfigError as error:
        print(f"credit-api: {error}", file=sys.stderr)
        return 1
    if arguments == ["schema"]:
        if not given.schema:
            return 0
        # The service needs no Alembic in memory.
        from credit_api import schema  # noqa: PLC0415

        try:
            print(f"credit-api: {schema.make(given)}")
        except schema.Foreign as error:
            print(f"credit-api: {error}", file=sys.stderr)
            return 3
        return 0

    import uvicorn  # type: ignore[import-not-found]  # noqa: PLC0415  in the image alone

    from credit_api.app import create  # noqa: PLC0415

    # No limit on the graceful stop: each request in flight has its own deadline, and cancelling one would cancel its
    # commit. One process: a site has several of these containers.
    uvicorn.run(
        create(given),
        host="0.0.0.0",  # noqa: S104
        port=given.port,
        timeout_keep_alive=KEEP_ALIVE,
        access_log=False,
        log_level="warning",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
