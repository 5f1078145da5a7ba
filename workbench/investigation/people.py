"""People of a root: who they are, how they sign in, and whether an act is theirs to do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench import cases
from workbench.cases import people as rules
from workbench.errors import N_, BadInput, Refused
from workbench.records import Case, Purpose
from workbench.store.people import People, Person
from workbench.timeline import SECOND_NS, Span, format_utc

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

SIGNED_IN_S = 12 * 3600
"""How long a sign-in holds: a watch, seconds."""
LONGEST_SIGN_IN = 200
"""Signs that a sign-in has at most, as a cookie carries it."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in: whose, under which serial of theirs, until when (UTC), and which one of them."""

    name: str
    serial: int
    until_ns: int
    number: str = ""

    def text(self) -> str:
        """Return it as a cookie carries it, to be signed."""
        return f"{self.serial}.{self.until_ns}.{self.number}.{self.name}"

    @staticmethod
    def read(text: str) -> SignIn | None:
        """Return what a cookie carried; None where it is nothing of ours."""
        serial, _, rest = text.partition(".")
        until, _, rest = rest.partition(".")
        number, _, name = rest.partition(".")
        whole = serial.isdecimal() and until.isdecimal() and (number.isalnum() or not number)
        if not (text.isascii() and len(text) <= LONGEST_SIGN_IN and whole and name):
            return None
        return SignIn(name, int(serial), int(until), number)


def list_people(house: Workbench) -> list[Person]:
    """Return everybody who may, or once might, sign in; by name."""
    return list(People(house.root).all().values())


def add_person(
    house: Workbench,
    name: str,
    roles: Sequence[str],
    password: str,
    *,
    cameras: Sequence[str] = (),
    case_ids: Sequence[str] = (),
    until_ns: int = 0,
    seen: tuple[int, int] = (0, 0),
) -> Person:
    """Add somebody who may sign in.

    Parameters
    ----------
    seen
        When the first and the last of what they may see was filmed, ns UTC; 0: no bound.

    Raises
    ------
    BadInput
        When name, roles, cameras, cases or password cannot be taken, or the name is given.
    """
    people = People(house.root)
    _may_keep_the_list(house, people, name)
    named = rules.check_person(name, roles)
    if people.get(name) is not None:
        raise BadInput(
            N_("{name} is there already, and a name is never given twice"),
            N_("change them, or take another name"),
            where="people",
            name=name,
        )
    _check_bounds(house, cameras, case_ids)
    hashed = rules.hash_password(name, password)
    person = Person(
        name, named, hashed, tuple(cameras), tuple(case_ids), until_ns,
        seen_from_ns=_ordered(seen)[0], seen_until_ns=seen[1],
    )  # fmt: skip
    house._log("people.add", name, details=_said(person))
    people.put(person, before=None)
    return person


def change_person(
    house: Workbench,
    name: str,
    *,
    roles: Sequence[str] | None = None,
    password: str | None = None,
    cameras: Sequence[str] | None = None,
    case_ids: Sequence[str] | None = None,
    until_ns: int | None = None,
    locked: bool | None = None,
    seen: tuple[int, int] | None = None,
) -> Person:
    """Change somebody; None leaves a thing as it is. Their sign-ins end.

    Raises
    ------
    BadInput
        When there is nobody of that name, nothing is to change, or something cannot be taken.
    """
    people = People(house.root)
    given = (roles, cameras, case_ids, until_ns, locked, seen)
    if password is None or any(one is not None for one in given) or house.actor != name:
        _may_keep_the_list(house, people, name)  # one's own password is one's own
    before = _known(people, name)
    _check_bounds(house, cameras or (), case_ids or ())
    person = replace(
        before,
        roles=before.roles if roles is None else rules.check_person(name, roles),
        password=before.password if password is None else rules.hash_password(name, password),
        cameras=before.cameras if cameras is None else tuple(cameras),
        cases=before.cases if case_ids is None else tuple(case_ids),
        until_ns=before.until_ns if until_ns is None else until_ns,
        locked=before.locked if locked is None else locked,
        seen_from_ns=before.seen_from_ns if seen is None else _ordered(seen)[0],
        seen_until_ns=before.seen_until_ns if seen is None else seen[1],
    )
    if person == before:
        raise BadInput(
            N_("nothing of {name} would change"),
            N_("say what: roles, password, cameras, cases, times, end, lock"),
            where="people",
            name=name,
        )
    person = replace(person, serial=before.serial + 1)
    details = {**_said(person), "password": "new" if password is not None else "as before"}
    house._log("people.change", name, details=details)
    people.put(person, before=before)
    return person


def sign_in(house: Workbench, name: str, password: str, *, origin: str = "") -> SignIn:
    """Return a sign-in where the password is the person's; the log keeps it, and each refusal.

    Of a name that nobody has the log says only that: people type passwords into the wrong field.

    Raises
    ------
    Refused
        Where name and password do not go together, or the account is locked or over.
    """
    person = People(house.root).get(name)
    whose = house.as_actor(person.name if person else "?")
    if not rules.knows_password(person, password) or person is None:
        subject = person.name if person else "a name that nobody has"
        whose._log("sign-in.refused", subject, details={"from": origin})
        raise Refused(N_("wrong name or password"), N_("try again"))
    return _let_in(whose, person, {"from": origin})


def sign_in_by(house: Workbench, name: str, *, by: str, origin: str = "") -> SignIn:
    """Return a sign-in of somebody whom a provider has told apart; the log keeps it, or a refusal.

    Nobody comes onto the list by this, and roles are those of the list.

    Raises
    ------
    Refused
        Where nobody on the list has that name, or the account is locked or over.
    """
    person = People(house.root).get(name)
    if person is None:
        details = {"from": origin, "by": by, "name": name[:60]}
        house.as_actor("?")._log("sign-in.refused", "a name that nobody has", details=details)
        raise Refused(
            N_("nobody on the list of people has the name that the provider gives"),
            N_("have whoever keeps the list add you"),
        )
    return _let_in(house.as_actor(person.name), person, {"from": origin, "by": by})


def _let_in(whose: Workbench, person: Person, details: Mapping[str, object]) -> SignIn:
    try:
        rules.must_stand(person, whose.now())
    except Refused as refusal:
        whose._log("sign-in.refused", refusal.sentence(), details=details)
        raise
    until_ns = whose.now() + SIGNED_IN_S * SECOND_NS
    if person.until_ns:
        until_ns = min(until_ns, person.until_ns)
    whose._log("sign-in", person.name, details={**details, "until": format_utc(until_ns)})
    return SignIn(person.name, person.serial, until_ns, secrets.token_hex(8))


def sign_out(house: Workbench, one: SignIn) -> None:
    """End a sign-in everywhere, also for whoever has a copy of its cookie; the log keeps it."""
    People(house.root).end_sign_in(one.number, one.until_ns, now_ns=house.now())
    house.as_actor(one.name)._log("sign-out", one.name)


def sign_in_stands(house: Workbench, one: SignIn) -> bool:
    """Return whether a sign-in still holds: not ended, and nothing of the person has changed."""
    people = People(house.root)
    person = people.get(one.name)
    now_ns = house.now()
    return (
        person is not None
        and not person.locked
        and person.serial == one.serial
        and now_ns < one.until_ns
        and not (person.until_ns and now_ns >= person.until_ns)
        and one.number not in people.ended()
    )


def may(
    house: Workbench,
    act: str,
    case: Case | None = None,
    cameras: Sequence[str] = (),
    span: Span | None = None,
) -> None:
    """Return when the house's actor may do something; raise Refused otherwise.

    Somebody who has signed in must be on the list as they were then. The account that runs the
    program and is not on the list is the machine's own: it can read and write every file anyway,
    and the log names it.
    """
    person = People(house.root).get(house.actor)
    if house.sign_in is not None and not sign_in_stands(house, house.sign_in):
        raise Refused(N_("your sign-in has ended"), N_("sign in again"))
    if person is not None:
        rules.permit(person, act, now_ns=house.now(), case=case, cameras=cameras, span=span)


def could(house: Workbench, act: str) -> bool:
    """Return whether the roles of the house's actor could ever do something; for what is offered.

    Whether an act is allowed is :func:`may`'s to say, when it is done.
    """
    person = People(house.root).get(house.actor)
    return person is None or rules.has_role(person, act)


def must_be_listed(house: Workbench) -> None:
    """Raise Refused where there is a list of people and the house's actor is not on it.

    For giving leave: the machine's own account may do what a program can do anyway, but leave is a
    person's to give.
    """
    known = People(house.root).all()
    if known and house.actor not in known:
        raise Refused(
            N_("{name} is not on the list of people, and leave is given by an approver on it"),
            N_("have an approver decide"),
            name=house.actor,
        )


def seen_by(house: Workbench, cameras: Sequence[str]) -> tuple[str, ...]:
    """Return those of some cameras that the house's actor may see at all."""
    person = People(house.root).get(house.actor)
    return tuple(cameras) if person is None else rules.within(person, cameras)


def cases_of(house: Workbench) -> list[Case]:
    """Return the cases that the house's actor may work on, oldest first."""
    person = People(house.root).get(house.actor)
    every = house.cases()
    return (
        every
        if person is None
        else [case for case in every if rules.works_on(person, case, person.roles)]
    )


def authorise(
    house: Workbench,
    purpose: Purpose | None,
    action: str,
    *,
    cameras: Sequence[str] | None = None,
    span: Span | None = None,
) -> tuple[Case, tuple[str, ...], Span]:
    """Return the case with the cameras and span asked for; Refused outside its bounds or one's own.

    Cameras and span left open mean all that the case, and the list of people, allow.
    """
    if purpose is None or not purpose.case_id:
        raise Refused(
            N_("searches and views belong to a case, and none was named"),
            N_("choose an open case and write the reason"),
        )
    case = house._store.case(purpose.case_id)
    if cameras is None:
        allowed = seen_by(house, tuple(case.cameras or house.ward.cameras))
    else:
        allowed = tuple(cameras)
    if not allowed:
        raise Refused(N_("no camera of case {case} was asked for"), case=case.case_id)
    wanted = span or _seen_of(house, case.period)
    cases.authorise(case, purpose, cameras=allowed, span=wanted, now_ns=house.now())
    # leave is given, and lookouts are asked for, of what is yet to be filmed
    may(house, action, case, allowed, None if action.startswith("lookout.") else wanted)
    return case, allowed, wanted


def _may_keep_the_list(house: Workbench, people: People, name: str) -> None:
    """Log and raise Refused where somebody on the list would give leave to himself, or may not.

    The machine's own account, which is on no list, keeps the list; so may operators, but for
    themselves.
    """
    if people.get(house.actor) is None:
        return
    house.allow("people")
    if house.actor == name:
        refusal = Refused(
            N_("{name} cannot change what {name} may do"),
            N_("have another operator do it, or the machine's own account"),
            name=name,
        )
        house._log("people.refused", refusal.sentence())
        raise refusal


def _seen_of(house: Workbench, period: Span) -> Span:
    """Return the part of a period that the house's actor may see; all of it where there is none."""
    person = People(house.root).get(house.actor)
    return period if person is None else period.overlap(person.seen) or period


def _ordered(seen: tuple[int, int]) -> tuple[int, int]:
    if seen[1] and seen[1] <= seen[0]:
        raise BadInput(
            N_("what they may see would end before it begins"),
            N_("exchange --footage-from and --footage-to"),
            where="people",
        )
    return seen


def _known(people: People, name: str) -> Person:
    person = people.get(name)
    if person is None:
        raise BadInput(
            N_("there is nobody of the name {name}"),
            N_("see who there is: workbench people list ROOT"),
            where="people",
            name=name[:60],
        )
    return person


def _check_bounds(house: Workbench, cameras: Sequence[str], case_ids: Sequence[str]) -> None:
    for camera_id in cameras:
        house.camera(camera_id)
    for case_id in case_ids:
        house._store.case(case_id)


def _said(person: Person) -> dict[str, object]:
    return {
        "roles": list(person.roles),
        "cameras": list(person.cameras),
        "cases": list(person.cases),
        "until": format_utc(person.until_ns) if person.until_ns else "",
        "locked": person.locked,
        "footage from": format_utc(person.seen_from_ns) if person.seen_from_ns else "",
        "footage until": format_utc(person.seen_until_ns) if person.seen_until_ns else "",
    }
