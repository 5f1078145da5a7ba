"""Frozen records and table schemas: one word, one meaning, every field with its unit.

The glossary (``docs/glossary.md``) says what each word means; a test keeps the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.errors import N_, Refused
from workbench.timeline import ClockFix, Span, UtcNs, correct, correct_span, ns_to_pts, pts_to_ns

Sees = Literal["front", "rear", "both"]
CameraKind = Literal["plate", "overview"]
KINDS = ("car", "motorcycle", "bus", "truck", "bicycle", "person", "unknown")
"""What a pass can be called. "unknown" is a result: it moved and the detector had no name."""


LossCause = Literal[
    "unreachable", "denied", "broken", "ended", "stalled", "disk", "killed", "stopped", "paused",
    "clock", "not recording", "switched",
]  # fmt: skip
"""Why a camera's footage ended: no answer, a wrong password, an unreadable stream, an end the
camera made, no packets, a disk that takes no more, a process that died, the recorder told to stop,
a leap of the stream's own times, the recorder's clock that was set (no footage is missing), no
recorder running, another of its addresses taken."""

Source = Literal["main", "sub", "fallback", "boost"]
"""Which of a camera's addresses footage came from: ``stream_url``, ``substream_url``,
``fallback_url`` or ``boost_url``."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of a camera's footage as the recorder noticed it; ``detail`` is without secrets."""

    camera_id: str
    at_ns: int
    cause: LossCause
    detail: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which a camera recorded nothing, and the losses that explain it, the cause first.

    A gap without a loss is one that nobody knows the cause of.
    """

    camera_id: str
    span: Span
    losses: tuple[Loss, ...]
    dropped: bool = False

    @property
    def cause(self) -> LossCause | Literal["dropped"] | None:
        """Return what ended the footage before it; "dropped": it was recorded and removed."""
        if self.dropped:
            return "dropped"
        return self.losses[0].cause if self.losses else None


@dataclass(frozen=True, slots=True)
class Wording:
    """A text for people as template and values, so that everybody reads it in his own language."""

    template: str
    fields: tuple[tuple[str, str], ...] = ()

    def sentence(self, translate: Callable[[str], str] = str) -> str:
        """Return the text, its template translated first.

        >>> Wording("look at site {scope}", (("scope", "S01"),)).sentence()
        'look at site S01'
        """
        return translate(self.template).format(**dict(self.fields))


@dataclass(frozen=True, slots=True)
class Affected:
    """One camera of an incident.

    ``symptom`` is what was noticed first, a loss's cause or a fault of the picture, and ``then``
    what a later try met (empty: none). ``back_ns`` is when it was well again; None while it is
    not. ``lost_s`` are the seconds not recorded, measured when the incident closed; None before.
    """

    camera_id: str
    since_ns: int
    symptom: str
    then: str = ""
    back_ns: int | None = None
    lost_s: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """Something the recorder did by itself about an incident."""

    at_ns: int
    camera_id: str
    what: Wording


@dataclass(frozen=True, slots=True)
class Task:
    """What somebody should do about an incident that did not mend itself.

    ``checks`` are what to look at, likeliest first. ``closed_by`` is empty where the incident's
    own end closed it.
    """

    opened_ns: int
    checks: tuple[Wording, ...]
    closed_ns: int | None = None
    closed_by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """Cameras that were lost, or ill alike, together: from when until when, why, what was done.

    ``kind`` is "lost" or a fault of the picture or clock ("frozen", "covered", ...).
    ``evidence`` and ``cause`` say what was noticed and what it points to with ``probability``
    (0 to 1), ``cause_kind`` is that cause in a word and ``scope`` the site, branch or camera it is
    about; empty until inferred. ``closed_by`` is empty where it ended by itself. ``told_ns`` is
    when people were told of it; None before. Times are UTC.
    """

    incident_id: str
    kind: str
    opened_ns: int
    affected: tuple[Affected, ...]
    closed_ns: int | None = None
    evidence: Wording | None = None
    cause: Wording | None = None
    cause_kind: str = ""
    scope: str = ""
    probability: float = 0.0
    responses: tuple[Response, ...] = ()
    task: Task | None = None
    acknowledged_by: str = ""
    acknowledged_ns: int | None = None
    closed_by: str = ""
    note: str = ""
    told_ns: int | None = None

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras it took, in the order they fell out."""
        return tuple(one.camera_id for one in self.affected)

    @property
    def missing(self) -> tuple[str, ...]:
        """The cameras of it that are not well again."""
        return tuple(one.camera_id for one in self.affected if one.back_ns is None)

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.closed_ns is None

    @property
    def lost_s(self) -> float | None:
        """The seconds not recorded, of all cameras together; None before they are measured."""
        known = [one.lost_s for one in self.affected if one.lost_s is not None]
        return sum(known) if known else None

    def duration_s(self, now_ns: int) -> float:
        """Return how long it took, or takes until now."""
        return ((self.closed_ns or now_ns) - self.opened_ns) / 1e9

    def why(self, translate: Callable[[str], str] = str) -> str:
        """Return what was noticed, what it points to and how surely; empty until inferred."""
        if self.evidence is None or self.cause is None:
            return ""
        what = f"{self.evidence.sentence(translate)}: {self.cause.sentence(translate)}"
        return f"{what} ({100 * self.probability:.0f} %)"


@dataclass(frozen=True, slots=True)
class Protection:
    """A span of UTC whose footage is not to be dropped, until somebody lifts it.

    ``cameras`` empty means every camera; ``number`` is that of a case or an accident.
    ``lifted_at_ns`` is None while it holds.
    """

    protection_id: int
    cameras: tuple[str, ...]
    span: Span
    number: str
    reason: str
    made_by: str
    made_at_ns: int
    lifted_by: str = ""
    lifted_at_ns: int | None = None
    lift_reason: str = ""

    def covers(self, camera_id: str, span: Span) -> bool:
        """Return whether it keeps footage of a camera that lies, even in part, in `span`.

        >>> held = Protection(1, ("C1",), Span(0, 10), "HS-1", "", "", 0)
        >>> held.covers("C1", Span(9, 20)), held.covers("C1", Span(10, 20))
        (True, False)
        """
        return (
            self.lifted_at_ns is None
            and (not self.cameras or camera_id in self.cameras)
            and self.span.overlap(span) is not None
        )


@dataclass(frozen=True, slots=True)
class Dropped:
    """A segment that was removed on purpose: what, when and why; ``span`` is stamped.

    Of drops of long ago many ``files`` are one, without a hash, and ``at_ns`` is that of the last.
    """

    sha256: str
    camera_id: str
    span: Span
    size_bytes: int
    at_ns: int
    why: str
    files: int = 1

    def files_in(self, span: Span) -> int:
        """Return how many of its files lie in `span`, in proportion where they are many.

        >>> Dropped("", "C1", Span(0, 100), 9, 0, "age", 50).files_in(Span(90, 300))
        5
        """
        inside = self.span.overlap(span)
        if inside is None:
            return 0
        share = inside.duration_ns / max(1, self.span.duration_ns)
        return max(1, round(self.files * share))


@dataclass(frozen=True, slots=True)
class Site:
    """A place with cameras. Positions are WGS 84 degrees."""

    site_id: str
    name: str
    neighbourhood: str
    lon_deg: float
    lat_deg: float
    fibre_branch: str
    power_branch: str


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera: where it stands, where it looks and what it can see.

    ``heading_deg`` is the direction of its optical axis, clockwise from north. ``sees`` tells which
    end of a vehicle shows it its plate on the carriageway nearest. ``pixel_to_ground`` is a 3x3
    homography, row by row, from pixels to metres in ``ground_crs``; None until calibrated.
    """

    camera_id: str
    site_id: str
    name: str
    kind: CameraKind
    lon_deg: float
    lat_deg: float
    heading_deg: float
    fov_deg: float
    range_m: float
    sees: Sees
    road_edge: str
    stream_url: str = ""
    pixel_to_ground: tuple[float, ...] | None = None
    pixel_sigma_px: float = 2.0
    ground_crs: str = ""
    substream_url: str = ""
    fallback_url: str = ""
    boost_url: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One archived file of one camera, named by the SHA-256 of its bytes.

    ``time_base`` is the file's own second per tick; ``tick_s`` is the one used, different only
    where an operator overrode a lying frame rate. ``stamped_start_ns`` is the claimed instant of
    ``first_pts``; ``stop_pts`` is where the presentation of the last frame ends.
    """

    sha256: str
    camera_id: str
    path: str
    stamped_start_ns: int
    first_pts: int
    stop_pts: int
    time_base: Fraction
    tick_s: Fraction
    frame_count: int
    width_px: int
    height_px: int
    codec: str
    rotation_deg: int
    size_bytes: int
    notes: tuple[str, ...] = ()

    def stamped_ns(self, pts: int) -> int:
        """Return the stamped instant of a frame."""
        return self.stamped_start_ns + pts_to_ns(pts - self.first_pts, self.tick_s)

    def pts_at(self, stamped_ns: int) -> int:
        """Return the first tick at or after a stamped instant (not necessarily a frame)."""
        return self.first_pts + ns_to_pts(stamped_ns - self.stamped_start_ns, self.tick_s)

    @property
    def stamped(self) -> Span:
        """The stamped time the file covers."""
        return Span(self.stamped_start_ns, self.stamped_ns(self.stop_pts))

    def utc(self, pts: int, fixes: Sequence[ClockFix]) -> tuple[UtcNs, int]:
        """Return ``(utc_ns, sigma_ns)`` of a frame under a camera's clock fixes."""
        return correct(self.stamped_ns(pts), fixes)

    def utc_span(self, fixes: Sequence[ClockFix]) -> Span:
        """Return the corrected span of the file; never shorter than nothing."""
        return correct_span(self.stamped, fixes)


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """Presentation times of every frame of a file, read from packets, not decoded.

    ``pts`` is int64[n], strictly increasing; ``is_key`` bool[n] marks frames from which decoding
    can start. ``ordinal``: the PTS are ours, not the file's (it has none, or they were mended);
    decoding then counts packets from the start.
    """

    pts: NDArray[np.int64]
    is_key: NDArray[np.bool_]
    ordinal: bool = False

    def __len__(self) -> int:
        return len(self.pts)


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box in pixels of the displayed (rotated) frame; x, y: top left corner."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why something is looked at: an open case and a reason in words."""

    case_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """A short record that gives searches and views their bounds.

    ``cameras`` empty means every camera of the ward, ``people`` empty: whoever may work on cases.
    ``training`` marks simulated footage; ``category`` is a key of ``store.categories``.
    """

    case_id: str
    title: str
    legal_basis: str
    reason: str
    period: Span
    cameras: tuple[str, ...] = ()
    opened_by: str = ""
    opened_at_ns: int = 0
    closed: bool = False
    training: bool = False
    offence: str = ""
    category: str = ""
    people: tuple[str, ...] = ()
    closed_at_ns: int = 0


URGENT_NS = 48 * 3600 * 10**9
"""How long an urgent face search may stand without somebody's approval."""


@dataclass(frozen=True, slots=True)
class FaceAuthority:
    """Leave for comparing faces in the footage of one case: asked by one person, given by another.

    Without one no network that compares faces can be opened. An authority that could allow nothing
    honest cannot be made; whether it stands for a given case is asked in ``workbench.cases``.

    Parameters
    ----------
    purpose
        Whom is looked for and why, in words; no name is needed.
    cameras
        The only cameras it holds for; never empty, for there is no leave for a whole ward.
    period
        The UTC the footage must lie in.
    approved_at_ns, expires_at_ns
        When it was given and when it ends by itself, UTC.
    urgent
        Nobody has approved it yet: no approver is named, and it ends within two days.

    Raises
    ------
    Refused
        Where requester and approver are one, or a bound is missing.
    """

    case_id: str
    requester: str
    approver: str
    purpose: str
    cameras: tuple[str, ...]
    period: Span
    approved_at_ns: int
    expires_at_ns: int
    urgent: bool = False

    def __post_init__(self) -> None:
        names = [" ".join(name.split()).casefold() for name in (self.requester, self.approver)]
        awaited = self.urgent and bool(names[0]) and not names[1]
        if awaited and self.expires_at_ns - self.approved_at_ns > URGENT_NS:
            raise Refused(
                N_("an urgent face search may wait two days for its approval, no longer"),
                N_("have it approved"),
            )
        if self.urgent != awaited or not (all(names) or awaited):
            raise Refused(
                N_("a face search needs one who asks and one who approves"),
                N_("name both"),
            )
        if names[0] == names[1]:
            raise Refused(
                N_("{name} asks for a face search and approves it"),
                N_("have somebody else decide"),
                name=self.requester.strip(),
            )
        bounds = (self.case_id.strip(), self.cameras, self.period.duration_ns > 0)
        if not all(bounds) or not any(sign.isalnum() for sign in self.purpose):
            raise Refused(
                N_("a face search needs a case, a purpose in words, cameras and a period"),
                N_("fill in what is missing"),
            )
        if self.expires_at_ns <= self.approved_at_ns:
            raise Refused(
                N_("the leave for a face search ends before it begins"),
                N_("give an end after its approval"),
            )

    def must_stand(self, now_ns: int) -> None:
        """Raise Refused before its approval and from its expiry on."""
        if self.approved_at_ns <= now_ns < self.expires_at_ns:
            return
        raise Refused(
            N_("the leave to compare faces for case {case_id} does not stand now"),
            N_("have it approved anew"),
            case_id=self.case_id,
        )

    def must_cover(self, camera_id: str, span: Span) -> None:
        """Raise Refused where footage of a camera is not wholly inside its bounds."""
        if camera_id not in self.cameras:
            raise Refused(
                N_("the leave to compare faces for case {case_id} does not name camera {camera}"),
                N_("keep to its cameras, or have it widened by who approves"),
                case_id=self.case_id,
                camera=camera_id,
            )
        if not (self.period.start_ns <= span.start_ns and span.stop_ns <= self.period.stop_ns):
            raise Refused(
                N_("the leave to compare faces for case {case_id} does not cover that time"),
                N_("keep to its period, or have it widened by who approves"),
                case_id=self.case_id,
            )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act, chained to the one before it by hash."""

    seq: int
    at_ns: int
    actor: str
    action: str
    subject: str
    case_id: str
    reason: str
    details: str
    prev_sha256: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long piece of work is; ``done`` and ``total`` are in ``unit``."""

    done: float
    total: float
    unit: str
    text: str = ""
    failed: tuple[str, ...] = field(default=())


def _column(name: str, kind: pa.DataType, unit: str, says: str, *, null: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=null, metadata={"unit": unit, "says": says})


_UTC = pa.timestamp("ns", tz="UTC")

SIGHTINGS = pa.schema(
    [
        _column("sighting_id", pa.string(), "-", "hash of segment, best PTS, box and model"),
        _column("camera_id", pa.string(), "-", "the camera that saw the pass"),
        _column("segment_sha256", pa.string(), "-", "the archived file it is in"),
        _column("pts", pa.int64(), "ticks", "presentation time of the best frame"),
        _column("first_pts", pa.int64(), "ticks", "first frame of the pass"),
        _column("last_pts", pa.int64(), "ticks", "last frame of the pass"),
        _column("utc", _UTC, "UTC", "corrected time of the best frame"),
        _column("first_utc", _UTC, "UTC", "corrected time of the first frame"),
        _column("last_utc", _UTC, "UTC", "corrected time of the last frame"),
        _column("sigma_s", pa.float64(), "s", "one standard deviation of the times"),
        _column("kind", pa.string(), "-", "class named by the detector, or unknown"),
        _column("score", pa.float64(), "0..1", "detector's score of that class; 0 where unknown"),
        _column("moving", pa.bool_(), "-", "False: a sure object that stood still"),
        _column("box_x", pa.float64(), "px", "left edge on the best frame"),
        _column("box_y", pa.float64(), "px", "top edge on the best frame"),
        _column("box_w", pa.float64(), "px", "width on the best frame"),
        _column("box_h", pa.float64(), "px", "height on the best frame"),
        _column("track_pts", pa.list_(pa.int64()), "ticks", "PTS of each observation of the pass"),
        _column("track_box", pa.list_(pa.float64()), "px", "x, y, w, h of each, one after another"),
        _column("motion_dx", pa.float64(), "px/s", "image motion to the right", null=True),
        _column("motion_dy", pa.float64(), "px/s", "image motion downwards", null=True),
        _column("bearing_deg", pa.float64(), "deg", "direction of travel from north", null=True),
        _column("speed_mps", pa.float64(), "m/s", "ground speed; only calibrated", null=True),
        _column("ground_x", pa.float64(), "m", "easting in the camera's ground CRS", null=True),
        _column("ground_y", pa.float64(), "m", "northing in the camera's ground CRS", null=True),
        _column("ground_sigma_m", pa.float64(), "m", "one standard deviation", null=True),
        _column("plate", pa.string(), "-", "best grammatical text, e.g. 99B1-123.45", null=True),
        _column(
            "plate_score", pa.float64(), "0..1", "calibrated: every sign right; 0 unread", null=True
        ),
        _column("plate_raw", pa.string(), "-", "what the reader saw before grammar", null=True),
        _column("plate_lattice", pa.string(), "JSON", "sign probabilities by position", null=True),
        _column("plate_pts", pa.int64(), "ticks", "frame the plate was read on", null=True),
        _column("plate_box", pa.list_(pa.float64()), "px", "x, y, w, h of the plate", null=True),
        _column("face_count", pa.int32(), "faces", "faces found in it, for blurring and counting"),
        _column("face_boxes", pa.list_(pa.float64()), "px", "x, y, w, h of each on the best frame"),
        _column("model_ref", pa.string(), "-", "models and settings that made the row"),
    ],
    metadata={"table": "sightings", "version": "1"},
)
"""One row a pass. No column holds a name, an embedding or anything said of a person's nature."""

LEGS = pa.schema(
    [
        _column("from_id", pa.string(), "-", "earlier sighting"),
        _column("to_id", pa.string(), "-", "later sighting"),
        _column("from_camera", pa.string(), "-", "camera of the earlier sighting"),
        _column("to_camera", pa.string(), "-", "camera of the later sighting"),
        _column("from_utc", _UTC, "UTC", "time of the earlier sighting"),
        _column("to_utc", _UTC, "UTC", "time of the later sighting"),
        _column("elapsed_s", pa.float64(), "s", "time between the two"),
        _column("elapsed_sigma_s", pa.float64(), "s", "one standard deviation of it"),
        _column("road_m", pa.float64(), "m", "shortest way by road", null=True),
        _column("fastest_s", pa.float64(), "s", "shortest possible time by road", null=True),
        _column("edges", pa.list_(pa.string()), "-", "road edges of that way, in order"),
        _column("plate_distance", pa.float64(), "-", "confusable-aware distance of the two reads"),
        _column("plausible", pa.string(), "-", "plausible, stop, doubtful or impossible"),
        _column("reason", pa.string(), "-", "template of the reason in words"),
        _column("probability", pa.float64(), "0..1", "calibrated: next pass of it", null=True),
        _column("unseen", pa.float64(), "0..1", "that no sighting here is its next", null=True),
        _column("others", pa.list_(pa.string()), "-", "sightings next in likelihood", null=True),
        _column("others_p", pa.list_(pa.float64()), "0..1", "probability of each", null=True),
        _column("plate_log", pa.float64(), "ln", "signs: one plate against two", null=True),
        _column("ride_log", pa.float64(), "ln", "way and time: against chance", null=True),
        _column("kind_log", pa.float64(), "ln", "kinds: one vehicle against two", null=True),
    ],
    metadata={"table": "legs", "version": "2"},
)
"""One row a hop between two sightings. Impossible legs stay in, marked, and are never a path."""
