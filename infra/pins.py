"""Which image each member runs: written down once, by the first `up`, and moved by `patch` and `deploy` alone.

So editing a Dockerfile changes no running member. A pin stands in the stack's config (`images`) where a team commits
it, else in `.separuh/<stack>/images.yaml`; the config wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import docker
import yaml
from docker.errors import DockerException, ImageNotFound

from infra.images import ROLES, ImagesError, build, missing, of_role
from infra.say import Say
from infra.settings import Settings, container, witness_roles


def members(settings: Settings) -> dict[str, str]:
    """Return every member's container name with its role."""
    found = {container(settings, settings.witness, role): role for role in witness_roles(settings)}
    for site in settings.sites:
        for role in ROLES:
            if role == "detector" or (role == "store" and site.s3_endpoint):
                continue
            for n in range(1, (site.apis if role == "api" else 1) + 1):
                found[container(settings, site, role, n)] = role
    return found


def pins_file(settings: Settings, root: Path) -> Path:
    """Return where pins are written that the stack's config does not hold."""
    return root / ".separuh" / settings.stack / "images.yaml"


def forget(settings: Settings, root: Path) -> None:
    """Remove the pins that the stack's config does not hold."""
    pins_file(settings, root).unlink(missing_ok=True)


def pins(settings: Settings, root: Path) -> dict[str, str]:
    """Return the pins there are, {container: tag}: those of the file, those of the stack's config above them."""
    path = pins_file(settings, root)
    written = (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
    return {**written, **settings.images}


def ensure(settings: Settings, root: Path, client: docker.DockerClient, say: Say = print) -> dict[str, str]:
    """Return a pin for every member, after building and writing down what had none."""
    known = pins(settings, root)
    new = {name: role for name, role in members(settings).items() if name not in known}
    if not new:
        return known
    own = frozenset(of_role(role).name for role in new.values() if not (role == "api" and settings.api_image))
    tags = build(own, client, say)
    for name, role in new.items():
        known[name] = settings.api_image if role == "api" and settings.api_image else tags[of_role(role).name]
    path = pins_file(settings, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({name: known[name] for name in known if name not in settings.images}))
    return known


def deliver(
    settings: Settings,
    pinned: Mapping[str, str],
    engines: Mapping[str, docker.DockerClient],
    local: docker.DockerClient,
    say: Say = print,
) -> None:
    """Bring each place the pinned images that its engine lacks, out of `local`, the operator's engine.

    `engines` holds a client for each place that is asked for, by name; one that does not answer gets a warning, since
    the others must come up without it. ImagesError when the operator's engine lacks an image that a place needs.
    """
    for place in (place for place in settings.places if place.name in engines):
        wanted = {
            name: pinned[name] for name in members(settings) if name.startswith(f"{settings.stack}-{place.name}-")
        }
        try:
            for tag in sorted(missing(wanted, engines[place.name])):
                hand_over(tag, place.name, engines[place.name], local, say)
        except (DockerException, OSError) as error:
            say(f"warning: {place.name} ({place.engine}) does not answer, its images are not checked: {error}")


def hand_over(tag: str, place: str, engine: docker.DockerClient, local: docker.DockerClient, say: Say) -> None:
    """Bring `place` an image that its engine lacks, out of `local`, else by pulling it there."""
    try:
        image = local.images.get(tag)
    except ImageNotFound:
        if tag.startswith("separuh/"):
            raise ImagesError(
                f"{place} is to run {tag}, which is neither there nor on this machine's engine. Bring it from where it "
                f"was built (docker save {tag} | ssh … docker load), or take its line out of the pins to build anew"
            ) from None
        say(f"{place}: pulling {tag}")
        engine.images.pull(tag)
        return
    say(f"{place}: sending {tag}")
    engine.images.load(image.save(named=True))  # type: ignore[arg-type]  # any iterable of bytes is streamed
