"""Evidence as one printed page, in Indonesian with the English beside it: self-contained, without a script."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from runbooks.core import evidence as restores
from runbooks.core import game_day
from runbooks.core.evidence import Evidence
from runbooks.core.game_day import GameDay

MONTHS = ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des")
DASH = "\N{EN DASH}"
OUTCOMES = {
    "passed": ("Lulus", "passed"),
    "failed": ("Gagal", "failed"),
    "not compared": ("Tanpa pembanding", "not compared"),
    "not run": ("Tidak dijalankan", "not run"),
}

VERDICTS = {
    "proved": ("good", "TERBUKTI", "proved"),
    "not compared": ("open", "TANPA PEMBANDING", "sound, compared with nothing"),
    "not proved": ("bad", "TIDAK TERBUKTI", "not proved"),
}


def page(evidence: Evidence | GameDay, sha256: str) -> str:
    """Return the page; `sha256` is of the signed JSON of which it is a rendering."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"moment": moment, "grouped": grouped, "seconds": seconds, "megabytes": megabytes}
    of_game_day = isinstance(evidence, GameDay)
    template = environment.get_template("game_day.html.j2" if of_game_day else "evidence.html.j2")
    titles = game_day.CHECKS if of_game_day else restores.CHECKS
    return template.render(evidence=evidence, sha256=sha256, titles=titles, outcomes=OUTCOMES, verdicts=VERDICTS)


def moment(text: str) -> str:
    """Return a time of ISO 8601 as 22 Nov 2026, 13.14.03 and its offset; one that is empty as a dash."""
    if not text:
        return DASH
    at = datetime.fromisoformat(text)
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}, {at:%H.%M.%S} {at.tzname() or ''}".strip()


def grouped(number: int) -> str:
    """Return a whole number in groups of three by thin spaces, which no language reads as a decimal sign."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def seconds(duration: float | None) -> str:
    """Return a duration as the Indonesian reader expects it: 12,3 s."""
    return DASH if duration is None else f"{duration:.1f}\N{NO-BREAK SPACE}s".replace(".", ",")


def megabytes(size: int) -> str:
    """Return a size in MB of a million bytes."""
    return f"{grouped(round(size / 1e6))}\N{NO-BREAK SPACE}MB"
