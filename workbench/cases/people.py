"""What a person may do: by role, by case, by camera, by time; and what a password must be. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from workbench.errors import N_, BadInput, Refused
from workbench.records import Case
from workbench.store.people import ROLES, Person, Role
from workbench.timeline import SECOND_NS, Span, format_utc

PASSWORD_SIGNS = 12
"""The fewest signs of a password (NIST SP 800-63B-4 asks 8, and 15 where nothing else is asked)."""
PASSWORD_MOST = 256
"""More are not hashed: a form may bring any number."""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
FREE_TRIES = {"name": 5, "from": 30}
"""Wrong passwords for one name, or from one address, before the next has to wait.

Many people may come from one address, as behind a proxy that adds TLS.
"""
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 900.0

_SEARCHERS: tuple[Role, ...] = ("investigator", "traffic", "trainer")
ALLOWED: Mapping[str, tuple[Role, ...]] = {
    "case.open": _SEARCHERS,
    "case.close": (*_SEARCHERS, "approver"),
    "case.change": (*_SEARCHERS, "approver"),
    "case.change.closed": ("approver",),
    "case.file": (*_SEARCHERS, "approver"),
    "case.photographs": (*_SEARCHERS, "approver"),
    "view": (*_SEARCHERS, "operator"),
    "calibrate": (*_SEARCHERS, "operator"),
    "upkeep": ("operator",),
    "protect": (*_SEARCHERS, "approver", "operator"),
    "protect.lift": ("approver", "operator"),
    "people": ("operator",),
    "recognise.all": ("operator",),
    "audit": ("auditor",),
    "lookout.approve": ("approver",),
    "lookout.end": (*_SEARCHERS, "approver"),
    "lookout.list": (*_SEARCHERS, "approver"),
    "lookout.switch": ("approver", "operator"),
    "lookout.face.approve": ("approver",),
    "lookout.face.end": (*_SEARCHERS, "approver"),
    "lookout.face.list": (*_SEARCHERS, "approver"),
    "lookout.face.photographs": (*_SEARCHERS, "approver"),
    "lookout.face.switch": ("approver", "operator"),
    "faces.approve": ("approver",),
    "faces.cost": (*_SEARCHERS, "approver"),
    "faces.list": (*_SEARCHERS, "approver"),
    "faces.photographs": (*_SEARCHERS, "approver"),
    "faces.switch": ("approver", "operator"),
}
"""Who may do what; whatever is not named here is a search, and those who search may do it."""

_HASHER = PasswordHasher()
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5IGluIGEgd2FyZA"
    "$Zt1Q5Zg4uPtwBdAMDezRGyN7h66u4vsBa3MD/Qi19jY"
)
"""Tried for names that nobody has: their refusal must take as long as any other.

It is the hash of "nobody has this password", written down since every process would else begin by
making it; a test holds it to the cost of hashes that are made today.
"""


def has_role(person: Person, act: str) -> bool:
    """Return whether one of a person's roles could ever do something, wherever and whenever.

    >>> has_role(Person("lan", ("auditor",), ""), "faces.list")
    False
    """
    return any(role in ALLOWED.get(act, _SEARCHERS) for role in person.roles)


def permit(
    person: Person,
    act: str,
    *,
    now_ns: int,
    case: Case | None = None,
    cameras: Sequence[str] = (),
    span: Span | None = None,
) -> None:
    """Return when a person may do something now; raise otherwise.

    Parameters
    ----------
    act
        A key of :data:`ALLOWED`, or any other word for a search.
    case
        The case it is done for, None where it belongs to none.
    cameras
        The cameras it is about.
    span
        The time of the footage or sightings it is about, None where it is about none.

    Raises
    ------
    Refused
        With a sentence that says why, and what to do next.
    """
    must_stand(person, now_ns)
    allowed = ALLOWED.get(act, _SEARCHERS)
    mine = [role for role in person.roles if role in allowed]
    if not mine:
        raise Refused(
            N_("{name} has none of the roles this needs: {roles}"),
            N_("ask somebody who has, or whoever keeps the list of people"),
            name=person.name,
            roles=", ".join(allowed),
        )
    if case is not None and not works_on(person, case, mine):
        raise Refused(
            N_("{name} does not work on case {case_id}"),
            N_("ask to be put on it"),
            name=person.name,
            case_id=case.case_id,
        )
    if case is not None and not case.training and mine == ["trainer"]:
        raise Refused(
            N_("case {case_id} is on real events, and {name} is a trainer"),
            N_("use a case for training"),
            name=person.name,
            case_id=case.case_id,
        )
    outside = [one for one in cameras if person.cameras and one not in person.cameras]
    if outside:
        raise Refused(
            N_("{name} may not see camera {camera}"),
            N_("ask whoever keeps the list of people"),
            name=person.name,
            camera=outside[0],
        )
    seen = person.seen
    if span is not None and not (seen.start_ns <= span.start_ns and span.stop_ns <= seen.stop_ns):
        raise Refused(
            N_("{name} may see what was filmed from {start} to {stop}; this goes beyond it"),
            N_("ask for a period inside it, or ask whoever keeps the list of people"),
            name=person.name,
            start=format_utc(seen.start_ns) if person.seen_from_ns else "…",
            stop=format_utc(seen.stop_ns) if person.seen_until_ns else "…",
        )


def works_on(person: Person, case: Case, roles: Sequence[str]) -> bool:
    """Return whether a person works on a case, in these of their roles.

    Their own list of cases must name it, where there is one; and so must the case them, where it
    names anybody. Approvers decide on the work of others: they need not be among them.

    >>> from dataclasses import replace
    >>> case = Case("1", "", "", "", Span(0, 1), people=("minh",))
    >>> lan = Person("lan", ("investigator",), "")
    >>> works_on(lan, case, lan.roles), works_on(lan, case, ("approver",))
    (False, True)
    >>> works_on(replace(lan, cases=("2",)), replace(case, people=()), lan.roles)
    False
    """
    if person.cases and case.case_id not in person.cases:
        return False
    return not case.people or person.name in case.people or "approver" in roles


def must_stand(person: Person, now_ns: int) -> None:
    """Raise Refused where an account is locked or over."""
    if person.locked:
        raise Refused(
            N_("the account of {name} is locked"),
            N_("ask whoever keeps the list of people"),
            name=person.name,
        )
    if person.until_ns and now_ns >= person.until_ns:
        raise Refused(
            N_("the account of {name} ended at {until}"),
            N_("ask whoever keeps the list of people"),
            name=person.name,
            until=format_utc(person.until_ns),
        )


def within(person: Person, cameras: Iterable[str]) -> tuple[str, ...]:
    """Return those of some cameras that a person may see.

    >>> within(Person("lan", ("operator",), "", cameras=("C1",)), ["C2", "C1"])
    ('C1',)
    """
    return tuple(one for one in cameras if not person.cameras or one in person.cameras)


def check_person(name: str, roles: Sequence[str]) -> tuple[Role, ...]:
    """Return the roles of a new person, in the house's order; BadInput where they make none."""
    if not NAME.fullmatch(name):
        raise BadInput(
            N_("'{name}' is no name for signing in"),
            N_("take up to 40 small letters, digits, dots, hyphens; begin with a letter or digit"),
            where="people",
            name=name[:60],
        )
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        raise BadInput(
            N_("'{role}' is no role"),
            N_("choose of {roles}"),
            where="people",
            role=unknown[0][:40] if unknown else "",
            roles=", ".join(ROLES),
        )
    return tuple(role for role in ROLES if role in roles)


def hash_password(name: str, password: str) -> str:
    """Return the argon2id hash of a password; BadInput where it is too easily guessed."""
    plain = password.casefold()
    if len(password) < PASSWORD_SIGNS or len(set(plain)) < 5 or name.casefold() in plain:
        raise BadInput(
            N_("that password is too easily guessed"),
            N_("take at least {count} signs, of five kinds, without the name in it"),
            where="people",
            count=PASSWORD_SIGNS,
        )
    if len(password) > PASSWORD_MOST:
        raise BadInput(
            N_("that password has more than {count} signs"),
            N_("take a shorter one"),
            where="people",
            count=PASSWORD_MOST,
        )
    return _HASHER.hash(password)


def knows_password(person: Person | None, password: str) -> bool:
    """Return whether a password is the person's; of nobody, False after as long a time."""
    try:
        _HASHER.verify(person.password if person else _NOBODY, password[: PASSWORD_MOST + 1])
    except (Argon2Error, InvalidHashError):
        return False
    return person is not None and len(password) <= PASSWORD_MOST


@dataclass(slots=True)
class Throttle:
    """Lets nobody try passwords without end: by name and by address, longer each time.

    A key is a word of :data:`FREE_TRIES`, a blank and what is counted. A wait is never longer than
    :data:`LONGEST_WAIT_S`: whoever tries names on purpose must not be able to lock their owners out
    for a day.
    """

    _failed: dict[str, tuple[int, int]] = field(default_factory=dict)

    def wait_s(self, keys: Iterable[str], now_ns: int) -> float:
        """Return how long the next try under any of these keys has to wait, s; 0 where not."""
        waits = [0.0]
        for key in keys:
            count, last_ns = self._failed.get(key, (0, 0))
            over = count - FREE_TRIES[key.partition(" ")[0]]
            if over >= 0:
                doubled = FIRST_WAIT_S * 2 ** min(over, 20)
                since_s = (now_ns - last_ns) / SECOND_NS
                waits.append(min(doubled, LONGEST_WAIT_S) - since_s)
        return max(waits)

    def failed(self, keys: Iterable[str], now_ns: int) -> None:
        """Count a wrong password under each of these keys."""
        past_ns = now_ns - round(2 * LONGEST_WAIT_S * SECOND_NS)
        # whoever sends names without end fills no memory either
        self._failed = {key: one for key, one in self._failed.items() if one[1] > past_ns}
        for key in keys:
            self._failed[key] = (self._failed.get(key, (0, 0))[0] + 1, now_ns)

    def succeeded(self, keys: Iterable[str]) -> None:
        """Forget what was counted under these keys."""
        for key in keys:
            self._failed.pop(key, None)
