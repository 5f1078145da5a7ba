"""The facade of cases: every verb loads, makes one pure call, stores, and leaves an audit entry.

Pages, the command line and notebooks use these verbs and nothing below them.
"""

from workbench.investigation import again
from workbench.investigation.answers import ALWAYS, Grant, Ingested, Linked, PlateHit, Trace
from workbench.investigation.basis import Basis, basis_of
from workbench.investigation.believing import (
    Belief,
    Passed,
    believe,
    cameras_between,
    on_the_way,
    with_belief,
)
from workbench.investigation.bundling import Bundled, bundle
from workbench.investigation.calibrated import Calibrated
from workbench.investigation.case_files import (
    add_note,
    add_probes,
    add_subject,
    add_task,
    case_file,
    end_task,
    subject_photographs,
)
from workbench.investigation.cases_over import (
    CandidatesOver,
    candidates_over,
    end_candidates,
)
from workbench.investigation.conflicts import Conflicts, find_conflicts
from workbench.investigation.contradicting import (
    Accompanied,
    Contradicted,
    contradictions,
    convoys,
)
from workbench.investigation.enveloping import bundle_for
from workbench.investigation.exchanging import (
    TakenIn,
    export_sightings,
    import_sightings,
    imports,
    origin,
    remove_import,
    searched_elsewhere,
    watched,
)
from workbench.investigation.facade import (
    GRANT_S,
    LONGEST_PLATE,
    Workbench,
    open_workbench,
)
from workbench.investigation.face_calibrating import (
    FaceCalibration,
    FaceStrength,
    calibrate_faces,
    encoder_in_use,
    face_calibration,
)
from workbench.investigation.face_lists import (
    faces_mark,
    faces_off,
    judge_photographs,
    list_faces,
)
from workbench.investigation.face_readings import (
    FaceResult,
    FaceSheet,
    face_candidates,
    face_crop,
    face_photographs,
    face_results,
    read_faces,
    run_calibration,
)
from workbench.investigation.face_requests import (
    Asked,
    approve_faces,
    ask_faces,
    face_requests,
    refuse_faces,
    settle_faces,
    switch_faces,
)
from workbench.investigation.face_runs import FaceCost, face_cost, foretell_faces, run_faces
from workbench.investigation.face_starting import (
    FaceRunning,
    end_faces,
    face_running,
    start_faces,
)
from workbench.investigation.flowing import export_flows, flows, summed_flows
from workbench.investigation.following import Followed
from workbench.investigation.giving import export_trace, trace_bytes
from workbench.investigation.in_time import InTime, sightings_in_time
from workbench.investigation.keeping_tracks import (
    keep_track,
    kept_track,
    kept_tracks,
    undo_step,
)
from workbench.investigation.lookouts import (
    approve_lookout,
    ask_lookout,
    decide_hit,
    end_lookout,
    end_overdue,
    list_lookouts,
    lookout_switch,
    lookouts_mark,
    switch_lookouts,
)
from workbench.investigation.looks import by_colour, by_likeness
from workbench.investigation.measured_paper import write_measured
from workbench.investigation.measuring import (
    Measured,
    Track,
    calibrate,
    calibration_at,
    calibrations,
    check_points,
    corrected,
    frame_at,
    measure,
    place_m,
    statements_of,
    track_of_sheet,
    track_of_sighting,
)
from workbench.investigation.models import (
    Comparison,
    Listed,
    compare_model,
    list_models,
    use_model,
    use_shipped,
)
from workbench.investigation.notebooks import Exported, export_notebook
from workbench.investigation.onsets import Onsets, find_onsets
from workbench.investigation.opening import case_history, change_case
from workbench.investigation.oversight import Inspected, inspect, page_of, write_inspected
from workbench.investigation.people import (
    SignIn,
    add_person,
    cases_of,
    change_person,
    could,
    list_people,
    seen_by,
)
from workbench.investigation.public_notices import (
    SiteNotice,
    notices_of,
    record_notice,
)
from workbench.investigation.reaching import Whereabouts, reach
from workbench.investigation.replaying import Compared, Replay
from workbench.investigation.running import Candidates, first_candidates
from workbench.investigation.scene_papers import draw_photos, draw_scene, write_papers
from workbench.investigation.speeding import Measurable, measurable, measure_sighting

__all__ = [
    "ALWAYS",
    "GRANT_S",
    "LONGEST_PLATE",
    "Accompanied",
    "Asked",
    "Basis",
    "Belief",
    "Bundled",
    "Calibrated",
    "Candidates",
    "CandidatesOver",
    "Compared",
    "Comparison",
    "Conflicts",
    "Contradicted",
    "Exported",
    "FaceCalibration",
    "FaceCost",
    "FaceResult",
    "FaceRunning",
    "FaceSheet",
    "FaceStrength",
    "Followed",
    "Grant",
    "InTime",
    "Ingested",
    "Inspected",
    "Linked",
    "Listed",
    "Measurable",
    "Measured",
    "Onsets",
    "Passed",
    "PlateHit",
    "Replay",
    "SignIn",
    "SiteNotice",
    "TakenIn",
    "Trace",
    "Track",
    "Whereabouts",
    "Workbench",
    "add_note",
    "add_person",
    "add_probes",
    "add_subject",
    "add_task",
    "again",
    "approve_faces",
    "approve_lookout",
    "ask_faces",
    "ask_lookout",
    "basis_of",
    "believe",
    "bundle",
    "bundle_for",
    "by_colour",
    "by_likeness",
    "calibrate",
    "calibrate_faces",
    "calibration_at",
    "calibrations",
    "cameras_between",
    "candidates_over",
    "case_file",
    "case_history",
    "cases_of",
    "change_case",
    "change_person",
    "check_points",
    "compare_model",
    "contradictions",
    "convoys",
    "corrected",
    "could",
    "decide_hit",
    "draw_photos",
    "draw_scene",
    "encoder_in_use",
    "end_candidates",
    "end_faces",
    "end_lookout",
    "end_overdue",
    "end_task",
    "export_flows",
    "export_notebook",
    "export_sightings",
    "export_trace",
    "face_calibration",
    "face_candidates",
    "face_cost",
    "face_crop",
    "face_photographs",
    "face_requests",
    "face_results",
    "face_running",
    "faces_mark",
    "faces_off",
    "find_conflicts",
    "find_onsets",
    "first_candidates",
    "flows",
    "foretell_faces",
    "frame_at",
    "import_sightings",
    "imports",
    "inspect",
    "judge_photographs",
    "keep_track",
    "kept_track",
    "kept_tracks",
    "list_faces",
    "list_lookouts",
    "list_models",
    "list_people",
    "lookout_switch",
    "lookouts_mark",
    "measurable",
    "measure",
    "measure_sighting",
    "notices_of",
    "on_the_way",
    "open_workbench",
    "origin",
    "page_of",
    "place_m",
    "reach",
    "read_faces",
    "record_notice",
    "refuse_faces",
    "remove_import",
    "run_calibration",
    "run_faces",
    "searched_elsewhere",
    "seen_by",
    "settle_faces",
    "sightings_in_time",
    "start_faces",
    "statements_of",
    "subject_photographs",
    "summed_flows",
    "switch_faces",
    "switch_lookouts",
    "trace_bytes",
    "track_of_sheet",
    "track_of_sighting",
    "undo_step",
    "use_model",
    "use_shipped",
    "watched",
    "with_belief",
    "write_inspected",
    "write_measured",
    "write_papers",
]
