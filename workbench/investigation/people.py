"""People of a root: who they are, how they sign in, and whether an act is theirs to do."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in: whose, under which serial of theirs, and until when (UTC)."""

    name: str
    serial: int
    until_ns: int

    def text(self) -> str:
        """Return it as a cookie carries it, to be signed."""
        return f"{self.serial}.{self.until_ns}.{self.name}"

    @staticmethod
    def read(text: str) -> SignIn | None:
        """Return what a cookie carried; None where it is nothing of ours."""
        serial, _, rest = text.partition(".")
        until, _, name = rest.partition(".")
        if not (text.isascii() and serial.isdecimal() and until.isdecimal() and name):
            return None
        return SignIn(name, int(serial), int(until))


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
) -> Person:
    """Add somebody who may sign in.

    Raises
    ------
    BadInput
        When name, roles, cameras, cases or password cannot be taken, or the name is given.
    """
    people = People(house.root)
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
    person = Person(name, named, hashed, tuple(cameras), tuple(case_ids), until_ns)
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
) -> Person:
    """Change somebody; None leaves a thing as it is. Their sign-ins end.

    Raises
    ------
    BadInput
        When there is nobody of that name, nothing is to change, or something cannot be taken.
    """
    people = People(house.root)
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
    )
    if person == before:
        raise BadInput(
            N_("nothing of {name} would change"),
            N_("say what: roles, password, cameras, cases, end, lock"),
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
    try:
        rules.must_stand(person, house.now())
    except Refused as refusal:
        whose._log("sign-in.refused", refusal.sentence(), details={"from": origin})
        raise
    until_ns = house.now() + SIGNED_IN_S * SECOND_NS
    if person.until_ns:
        until_ns = min(until_ns, person.until_ns)
    whose._log("sign-in", person.name, details={"from": origin, "until": format_utc(until_ns)})
    return SignIn(person.name, person.serial, until_ns)


def sign_in_stands(house: Workbench, one: SignIn) -> bool:
    """Return whether a sign-in still holds: nothing of the person has changed since."""
    person = People(house.root).get(one.name)
    now_ns = house.now()
    return (
        person is not None
        and not person.locked
        and person.serial == one.serial
        and now_ns < one.until_ns
        and not (person.until_ns and now_ns >= person.until_ns)
    )


def may(house: Workbench, act: str, case: Case | None = None, cameras: Sequence[str] = ()) -> None:
    """Return when the house's actor may do something; raise Refused otherwise.

    Somebody who has signed in must be on the list as they were then. The account that runs the
    program and is not on the list is the machine's own: it can read and write every file anyway,
    and the log names it.
    """
    person = People(house.root).get(house.actor)
    if house.sign_in is not None and not sign_in_stands(house, house.sign_in):
        raise Refused(N_("your sign-in has ended"), N_("sign in again"))
    if person is not None:
        rules.permit(person, act, now_ns=house.now(), case=case, cameras=cameras)


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
    bound = person.cases if person is not None else ()
    return [case for case in house.cases() if not bound or case.case_id in bound]


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
    wanted = span or case.period
    cases.authorise(case, purpose, cameras=allowed, span=wanted, now_ns=house.now())
    may(house, action, case, allowed)
    return case, allowed, wanted


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
    }
