"""The estate: two sites and a witness, each on its engine, and what connects them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.member import Ground, labels
from infra.secrets import Secrets
from infra.settings import Place, Settings, Site
from infra.site import Serving, ServingArgs
from infra.witness import Witness, WitnessArgs


def declare(settings: Settings, secrets: Secrets, pins: Mapping[str, str], only: Collection[str] | None = None) -> None:
    """Declare every resource of the stack, or those of the places that `only` names.

    `pins` says which image each container runs, by name. Nothing here depends on a value that a provider computes.
    """
    link = (_link(settings),) if settings.one_engine else ()
    for place in settings.places:
        if only is not None and place.name not in only:
            continue
        provider = _provider(settings, place)
        ground = Ground(
            settings=settings,
            secrets=secrets,
            pins=pins,
            place=place,
            provider=provider,
            networks=(_lan(settings, place, provider), *link),
        )
        name = f"{settings.stack}-{place.name}"
        if isinstance(place, Site):
            other = next(site for site in settings.sites if site.name != place.name)
            Serving(name, ServingArgs(ground=ground, site=place, other=other))
        else:
            Witness(name, WitnessArgs(ground=ground))


def _provider(settings: Settings, place: Place) -> docker.Provider | None:
    """The default provider speaks to the local engine; a place behind ssh has its own, which checks the host's key."""
    if place.engine == "local":
        return None
    options = {
        "IdentityFile": Path(settings.ssh.identity_file).expanduser(),
        "UserKnownHostsFile": Path(settings.ssh.known_hosts).expanduser(),
        "StrictHostKeyChecking": "yes",
    }
    return docker.Provider(
        f"{settings.stack}-{place.name}-engine",
        host=place.engine,
        ssh_opts=[part for option, value in options.items() for part in ("-o", f"{option}={value}")],
    )


def _lan(settings: Settings, place: Place, provider: docker.Provider | None) -> docker.Network:
    """A site's own network; not internal, as ports are published through it. A label records who made the stack."""
    name = f"{settings.stack}-{place.name}"
    values = {**labels(settings, name, "lan", place.name), "separuh.engine": "pulumi"}
    return docker.Network(
        f"{name}-lan",
        name=name,
        labels=[docker.NetworkLabelArgs(label=label, value=value) for label, value in sorted(values.items())],
        opts=pulumi.ResourceOptions(provider=provider),
    )


def _link(settings: Settings) -> docker.Network:
    """What the line between the sites is where they share an engine; nothing on it reaches further."""
    name = f"{settings.stack}-link"
    return docker.Network(
        name,
        name=name,
        internal=True,
        labels=[
            docker.NetworkLabelArgs(label=label, value=value)
            for label, value in sorted(labels(settings, name, "link").items())
        ],
    )
