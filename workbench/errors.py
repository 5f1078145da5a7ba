"""One base error and a few kinds; a message says what happened, where, and what to do next.

A message is a template (``str.format`` syntax) plus its fields, so that a page can translate the
template and still show the same facts. Mark every template with :func:`N_` to put it into the
gettext catalogue.
"""

from __future__ import annotations

from collections.abc import Callable


def N_(template: str) -> str:  # noqa: N802 - the name gettext tools look for
    """Mark a template for the translation catalogue and return it unchanged.

    >>> N_("no camera {camera}")
    'no camera {camera}'
    """
    return template


class WorkbenchError(Exception):
    """A failure that its reader can act on.

    Parameters
    ----------
    what
        What happened, as a ``str.format`` template over `fields`.
    remedy
        What to do next, as a template over the same fields; empty when nothing can be done.
    where
        The path, row, camera or PTS concerned; printed first, never translated.
    fields
        Values for the templates.
    """

    def __init__(self, what: str, remedy: str = "", *, where: str = "", **fields: object) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.where = where
        self.fields = fields

    def sentence(self, translate: Callable[[str], str] = str) -> str:
        """Return the whole message, its templates passed through `translate` first.

        >>> BadInput("no camera {camera}", "see the list", where="a.csv:3", camera="C9").sentence()
        'a.csv:3: no camera C9. See the list.'
        """
        parts = [translate(self.what).format(**self.fields).rstrip(".") + "."]
        if self.remedy:
            remedy = translate(self.remedy).format(**self.fields).rstrip(".") + "."
            parts.append(remedy[0].upper() + remedy[1:])
        text = " ".join(parts)
        return f"{self.where}: {text}" if self.where else text

    def __str__(self) -> str:
        return self.sentence()

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (Dask workers); keyword arguments need help to survive it.
        return (_rebuild, (type(self), self.what, self.remedy, self.where, self.fields))


def _rebuild(
    kind: type[WorkbenchError], what: str, remedy: str, where: str, fields: dict[str, object]
) -> WorkbenchError:
    return kind(what, remedy, where=where, **fields)


class BadInput(WorkbenchError):
    """What the user gave cannot be used as it is."""


class Refused(WorkbenchError):
    """The request is understood and not allowed: no case, out of its bounds, no sign-in."""


class Damaged(WorkbenchError):
    """Stored evidence or our own records are not what they were when written."""


class Unavailable(WorkbenchError):
    """Something the workbench needs here (a model, a package, a worker) is not there."""
