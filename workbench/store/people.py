"""Who may sign in, kept as ``people.json`` in a root: nobody is ever taken out of it.

The log names people for years; a name that was given to somebody else meanwhile would make it lie.
So a person is locked, not deleted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from workbench.errors import N_, Damaged
from workbench.store import files
from workbench.timeline import Span

_ALWAYS_NS = 2**63 - 1
Role = Literal["investigator", "traffic", "trainer", "approver", "operator", "auditor"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in, and the bounds of what they may do.

    ``cameras`` and ``cases`` left empty set no bounds of their own: the case's hold. Footage and
    sightings before ``seen_from_ns`` and from ``seen_until_ns`` on (UTC, 0: no bound) are not
    theirs to see. ``until_ns`` (UTC, 0: no end) is when the account ends. ``password`` is an
    argon2id hash. ``serial`` grows with every change; a sign-in holds under the one it was made
    with.
    """

    name: str
    roles: tuple[Role, ...]
    password: str = field(repr=False)
    cameras: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    until_ns: int = 0
    locked: bool = False
    serial: int = 1
    seen_from_ns: int = 0
    seen_until_ns: int = 0

    @property
    def seen(self) -> Span:
        """The time of the footage they may see."""
        return Span(self.seen_from_ns, self.seen_until_ns or _ALWAYS_NS)


class People:
    """The file of people of a root. Holds paths only."""

    def __init__(self, root: Path) -> None:
        self.path = root / "people.json"
        self._ended = root / "signed-out.json"
        self._lock = root / ".locks" / "people"

    def all(self) -> dict[str, Person]:
        """Return everybody by name; nobody where the file was never written.

        Raises
        ------
        Damaged
            When the file is there and cannot be read: nobody can be let in, or kept out, by it.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._damaged() from error
        try:
            return {name: _person(name, facts) for name, facts in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise self._damaged() from error

    def get(self, name: str) -> Person | None:
        """Return one person; None where nobody has that name."""
        return self.all().get(name)

    def put(self, person: Person, *, before: Person | None) -> None:
        """Write a new person, or one in place of `before`.

        Raises
        ------
        Damaged
            When somebody else changed the same person meanwhile, or the file cannot be read.
        """
        with files.locked(self._lock):
            known = self.all()
            if known.get(person.name) != before:
                raise Damaged(
                    N_("{name} was changed by somebody else meanwhile"),
                    N_("look at the list, and do it again"),
                    where="people",
                    name=person.name,
                )
            known[person.name] = person
            facts = {
                name: {key: value for key, value in asdict(one).items() if key != "name"}
                for name, one in sorted(known.items())
            }
            text = json.dumps(facts, indent=1, ensure_ascii=False)
            files.write_bytes(self.path, text.encode(), mode=0o600)

    def ended(self) -> dict[str, int]:
        """Return the numbers of sign-ins that were ended, each with when it would have, UTC ns.

        Raises
        ------
        Damaged
            When the file is there and cannot be read: no sign-in can be told to stand then.
        """
        try:
            facts = json.loads(self._ended.read_text(encoding="utf-8"))
            return {str(number): int(until_ns) for number, until_ns in facts.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise Damaged(
                N_("the list of ended sign-ins cannot be read"),
                N_("delete it and start the pages again: everybody has to sign in anew then"),
                where=str(self._ended),
            ) from error

    def end_sign_in(self, number: str, until_ns: int, *, now_ns: int) -> None:
        """Keep that a sign-in was ended, until it would have ended by itself."""
        with files.locked(self._lock):
            kept = {one: ns for one, ns in self.ended().items() if ns > now_ns}
            kept[number] = until_ns
            files.write_bytes(self._ended, json.dumps(kept, indent=1).encode(), mode=0o600)

    def _damaged(self) -> Damaged:
        return Damaged(
            N_("the file of people cannot be read"),
            N_("bring it back from a backup; until then nobody can sign in"),
            where=str(self.path),
        )


def _person(name: str, facts: Mapping[str, Any]) -> Person:
    lists: dict[str, Any] = {key: tuple(facts[key]) for key in ("roles", "cameras", "cases")}
    person = Person(name=name, **{**facts, **lists})
    sound = (
        set(person.roles) <= set(ROLES)
        and isinstance(person.password, str)
        and isinstance(person.until_ns, int)
        and isinstance(person.serial, int)
        and isinstance(person.seen_from_ns, int)
        and isinstance(person.seen_until_ns, int)
        and person.seen.start_ns >= 0
        and isinstance(person.locked, bool)
    )
    if not sound:
        raise ValueError(name)
    return person
