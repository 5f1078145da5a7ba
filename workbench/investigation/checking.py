"""Whether what lies beside the catalogue is as the log says: case files, faces, scores, notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.investigation.case_files import check_case_files
from workbench.investigation.face_calibrating import check_face_scores
from workbench.investigation.face_lookout_readings import check_face_lookouts
from workbench.investigation.face_readings import check_faces
from workbench.investigation.keeping_tracks import check_tracks
from workbench.investigation.public_notices import check_notices

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench


def check_books(house: Workbench) -> list[str]:
    """Return one sentence for each thing that is not as it was written."""
    return [
        *check_case_files(house),
        *check_tracks(house),
        *check_faces(house),
        *check_face_lookouts(house),
        *check_face_scores(house),
        *check_notices(house),
    ]
