"""What the two roles of HAProxy, route and gateway, have in common."""

from __future__ import annotations

from infra.member import Ground, metrics_address
from infra.render import render
from infra.settings import PORTS

HEALTH = ("curl", "-fsS", "-o", "/dev/null", f"http://localhost:{PORTS['metrics']}/health")


def configuration(ground: Ground, role: str, **values: object) -> dict[str, str]:
    """Return the files of `role`, whose template is given `values` besides what both are given."""
    text = render(f"{role}/haproxy.cfg", ports=PORTS, metrics=metrics_address(ground, role), **values)
    return {"haproxy.cfg": text}
