"""What is known of the notice that tells the public of the cameras, site by site, and its gaps.

Law 91/2025/QH15 and Decree 356/2025 ask that people be told. The record says who saw which notice
where and when; a site without one, or with one that nobody has looked at for a year, is named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from workbench.errors import N_, BadInput, Damaged
from workbench.investigation.face_requests import picture_of
from workbench.store import files
from workbench.store.public_notices import PublicNotice, PublicNotices
from workbench.timeline import SECOND_NS, VIET_NAM

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

MOST_DAYS = 366
"""Days after which somebody has to look again whether a notice stands."""
LONGEST_TEXT = 500
ACT = "public.notice"

Lack = Literal["", "no record", "missing", "old"]
LACKS: dict[Lack, str] = {
    "": N_("the notice stands"),
    "no record": N_("no notice to the public is on record"),
    "missing": N_("the notice is missing"),
    "old": N_("nobody has looked for a year whether the notice stands"),
}


@dataclass(frozen=True, slots=True)
class SiteNotice:
    """A site with cameras: what was last seen of its notice, and what it lacks."""

    site_id: str
    name: str
    cameras: int
    last: PublicNotice | None
    lack: Lack


def record_notice(
    house: Workbench,
    site_id: str,
    *,
    seen_on: str,
    what: str,
    missing: bool = False,
    photograph: tuple[str, bytes] | None = None,
) -> PublicNotice:
    """Record what was seen of a site's notice to the public; it is logged, and never changed.

    Parameters
    ----------
    seen_on
        The local day somebody looked, like 2026-11-20; not to come.
    what
        Where it hangs and what it says, or what was found in its place.
    photograph
        Name and bytes of a picture of it.

    Raises
    ------
    Refused
        For somebody on the list of people who is no operator.
    BadInput
        Where the ward has no such site, or something cannot be taken.
    """
    house.allow("upkeep")
    if site_id not in house.ward.sites:
        raise BadInput(
            N_("the ward has no site {site}"),
            N_("see the sites with: workbench notice list ROOT"),
            site=site_id[:40],
        )
    _check(seen_on, what, _today(house))
    sha256 = ""
    book = PublicNotices(house.root)
    if photograph is not None:
        picture_of(*photograph)
        sha256 = book.put_photograph(photograph[1])
    one = PublicNotice(
        site_id, "missing" if missing else "stands", seen_on, " ".join(what.split()),
        house.actor, house.now(), sha256,
    )  # fmt: skip
    with book.changing():
        book.all()  # nothing is added to what is damaged
        details = {"state": one.state, "seen": seen_on, "what": one.what, "record": one.sha256}
        house._log(ACT, site_id, details=details)  # the log first: verify finds what is not there
        book.add(one)
    return one


def notices_of(house: Workbench) -> list[SiteNotice]:
    """Return every site with cameras, by name, with what was last seen of its notice."""
    last = {one.site_id: one for one in PublicNotices(house.root).all()}
    today = _today(house)
    cameras = [camera.site_id for camera in house.ward.cameras.values()]
    return [
        SiteNotice(
            site.site_id, site.name, cameras.count(site.site_id), last.get(site.site_id),
            _lack(last.get(site.site_id), today),
        )
        for site in sorted(house.ward.sites.values(), key=lambda site: site.site_id)
        if site.site_id in cameras
    ]  # fmt: skip


def check_notices(house: Workbench) -> list[str]:
    """Return one sentence for each record of notices that is not as it was logged."""
    book = PublicNotices(house.root)
    logged = [
        json.loads(entry.details)["record"] for entry in house._store.audit() if entry.action == ACT
    ]
    try:
        kept = book.all()
    except Damaged as damage:
        return [damage.sentence()]
    found = []
    if [one.sha256 for one in kept] != logged:
        found.append(_not_logged(str(book.path)).sentence())
    for one in kept:
        sha256 = one.photograph_sha256
        path = book.photograph(sha256)
        if sha256 and not (path.is_file() and files.sha256_of(path) == sha256):
            found.append(_no_photograph(str(path), one.site_id).sentence())
    return found


def as_facts(found: Sequence[SiteNotice], sites: Sequence[str]) -> list[dict[str, object]]:
    """Return what a bundle says of the notices at some sites."""
    return [
        {
            "site": one.site_id, "state": one.lack or "stands",
            "seen_on": one.last.seen_on if one.last else None,
            "what": one.last.what if one.last else None,
        }
        for one in found if one.site_id in sites
    ]  # fmt: skip


def _check(seen_on: str, what: str, today: date) -> None:
    if not any(sign.isalnum() for sign in what) or len(what) > LONGEST_TEXT:
        raise BadInput(
            N_("what was seen of the notice is missing, or endless"),
            N_("say where it hangs and what it says, in {most} signs"),
            where="--what",
            most=LONGEST_TEXT,
        )
    try:
        day = date.fromisoformat(seen_on)
    except ValueError:
        day = None
    if day is None or day.isoformat() != seen_on or day > today:
        raise BadInput(
            N_("'{day}' is no day that somebody can have looked on"),
            N_("write it like 2026-11-20"),
            where="--on",
            day=seen_on[:20],
        )


def _lack(last: PublicNotice | None, today: date) -> Lack:
    if last is None:
        return "no record"
    if last.state == "missing":
        return "missing"
    return "old" if (today - date.fromisoformat(last.seen_on)).days > MOST_DAYS else ""


def _today(house: Workbench) -> date:
    return datetime.fromtimestamp(house.now() // SECOND_NS, VIET_NAM).date()


def _not_logged(where: str) -> Damaged:
    return Damaged(
        N_("the records of public notices are not those of the log"),
        N_("bring them back from a backup"),
        where=where,
    )


def _no_photograph(where: str, site_id: str) -> Damaged:
    return Damaged(
        N_("a photograph of the notice at site {site} is missing or was altered"),
        N_("bring it back from a backup"),
        where=where,
        site=site_id,
    )
