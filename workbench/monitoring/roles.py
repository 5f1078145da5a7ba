"""Who may do what with the cameras of a root: the list of people says it, as everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cases import people as rules
from workbench.errors import Refused
from workbench.store.people import People

if TYPE_CHECKING:
    from workbench.monitoring.facade import Monitoring


def must(root: Path, actor: str, now_ns: int, act: str = "upkeep") -> None:
    """Return when somebody's roles allow an act; raise Refused otherwise.

    The machine's own account, which is on no list, may do what a program can do anyway; the log
    names it. What a recorder does by itself is done by who started it.
    """
    person = People(root).get(actor)
    if person is not None:
        rules.permit(person, act, now_ns=now_ns)


def allow(house: Monitoring, act: str = "upkeep") -> None:
    """Return when the actor's roles allow an act; log a refusal and raise it otherwise."""
    try:
        must(house._store.root, house.actor, house.now(), act)
    except Refused as refusal:
        house._store.append_audit(
            at_ns=house.now(), actor=house.actor, action=f"{act}.refused",
            subject=refusal.sentence(),
        )  # fmt: skip
        raise
