"""Under which case, and by which legal basis, something was answered: for results and exports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.store import Store

LEAD = "leads, never identities"


@dataclass(frozen=True, slots=True)
class Basis:
    """A case as every result states it, with the reason that was given."""

    case: str
    title: str
    legal_basis: str
    reason: str
    training: bool

    @property
    def line(self) -> str:
        """It in a line."""
        what = f"case {self.case}: {self.title}; legal basis: {self.legal_basis}"
        why = f"; reason: {self.reason}" if self.reason else ""
        return f"{what}{why}{'; for training' if self.training else ''}"

    @property
    def facts(self) -> dict[str, str]:
        """It as a file of results states it."""
        return {
            "case": self.case, "legal_basis": self.legal_basis, "purpose": self.reason,
            "note": LEAD,
        }  # fmt: skip


def basis_of(root: Path, case_id: str, reason: str = "") -> Basis:
    """Return the basis of what was answered in a case.

    Raises
    ------
    BadInput
        Where there is no such root or case.
    """
    case = Store.open(root).case(case_id)
    title, basis = (" ".join(text.split()) for text in (case.title, case.legal_basis))
    return Basis(case.case_id, title, basis, " ".join(reason.split()), case.training)
