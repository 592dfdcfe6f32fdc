"""What the two roles of HAProxy, route and gateway, have in common."""

from __future__ import annotations

from infra.render import render
from infra.settings import PORTS

HEALTH = ("curl", "-fsS", "-o", "/dev/null", f"http://localhost:{PORTS['metrics']}/health")


def configuration(role: str, **values: object) -> dict[str, str]:
    """Return the files of `role`, whose template is given `values` besides the ports."""
    text = render(f"{role}/haproxy.cfg", ports=PORTS, **values)
    return {"haproxy.cfg": text}
