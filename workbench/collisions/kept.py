"""A calibration as it is kept with its camera: the points and how they were got, with a date.

The points are kept and not the fit: the same points give the same fit and the same intervals, and
another analyst can leave one out.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from workbench.collisions.calibration import PICK_SIGMA_PX, GroundModel, PointPair, fit_ground
from workbench.collisions.lengths import KnownLength
from workbench.errors import N_, BadInput


@dataclass(frozen=True, slots=True)
class KeptCalibration:
    """Points of one camera's view, when and by whom they were picked, and in which picture.

    ``made_ns`` is UTC; ``reference_sha256`` names the picture to compare later views with,
    ``view_ns`` is its instant (UTC) and ``reference_from`` says where it came from; ``ground_crs``
    is the projected system of the metres, empty where they are local, as they are with known
    lengths alone.
    """

    camera_id: str
    made_ns: int
    made_by: str
    size_px: tuple[int, int]
    ground_crs: str
    points: tuple[PointPair, ...]
    pick_sigma_px: float = PICK_SIGMA_PX
    reference_sha256: str = ""
    note: str = ""
    view_ns: int = 0
    reference_from: str = ""
    lengths: tuple[KnownLength, ...] = ()

    def model(self) -> GroundModel:
        """Return the fit; the same every time.

        Raises
        ------
        BadInput
            When the points or lengths are refused.
        """
        return fit_ground(
            self.points, self.size_px, lengths=self.lengths, pick_sigma_px=self.pick_sigma_px
        )

    def to_json(self) -> str:
        """Return the record as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> KeptCalibration:
        """Return the record that :meth:`to_json` wrote.

        Raises
        ------
        BadInput
            When it is no such record.
        """
        try:
            row: dict[str, Any] = json.loads(text)
            points = tuple(PointPair(**one) for one in row.pop("points"))
            lengths = tuple(KnownLength(**one) for one in row.pop("lengths", ()))
            wide, high = row.pop("size_px")
            return cls(points=points, lengths=lengths, size_px=(int(wide), int(high)), **row)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise BadInput(
                N_("a calibration record cannot be read"), N_("calibrate the camera again")
            ) from None
