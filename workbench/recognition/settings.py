"""Every threshold of recognition in one frozen record, so that a row can name what made it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property

from workbench.recognition.types import ModelSettings


@dataclass(frozen=True)
class Settings:
    """Thresholds of the gate, tracker, looks and readings; units are in the names.

    Lengths called ``_share`` are parts of the gate picture's width (or of an object's own size
    where it says so), so that one set serves every resolution. Tuned on the clips of
    ``tests/golden/passes.json``; change one and ``ref`` changes, and with it every sighting's id.
    """

    models: ModelSettings = field(default_factory=ModelSettings)

    # -- work units -----------------------------------------------------------------------------
    job_s: float = 20.0
    """CPU seconds of one job as its packets foretell them: a minute of 2160p, two of 1080p."""
    span_s: float = 240.0
    """Most footage of one job, however cheap; whole GOPs, so a long GOP may exceed it."""
    lead_s: float = 5.0
    """Decoded before a job to know what was already on its way."""
    overrun_s: float = 120.0
    """Decoded at most after a job to finish passes that started in it."""

    # -- sweep ----------------------------------------------------------------------------------
    drop_quiet: bool = True
    """Leave stretches undecoded in which no key frame shows anything."""
    sweep_gap_s: float = 0.5
    """Key frames nearer to each other than this are not all looked at."""
    sweep_most_s: float = 1.1
    """No longer stretch goes undecoded, between two key frames or before one: a motorcycle crosses
    a tight view within it, and of 30 movers 1.6 s in sight 7 were lost with one look in 2 s."""
    skip_least_s: float = 0.4
    """Of a GOP in which nothing happens, an end shorter than this is not worth looking ahead."""
    sweep_pictures: int = 25
    sweep_difference: float = 12.0
    sweep_least_px: int = 12
    sweep_restless_share: float = 0.6
    sweep_reach_sizes: float = 8.0
    """Of its own sizes, a candidate goes at most from one key frame to the next."""

    # -- sampling -------------------------------------------------------------------------------
    idle_fps: float = 5.0
    active_fps: float = 10.0
    """Gate pictures a second while nothing / something is tracked."""
    late_share: float = 0.25
    """Of the time between two: what a frame comes later than that is made up for by the next."""
    gate_width_px: int = 400
    glimpse_width_px: int = 320
    glimpse_level: float = 12.0
    glimpse_noise: float = 4.0
    """Of the mean difference: above it lies what noise does not explain (3.2 of its sigmas)."""
    glimpse_s: float = 1.0
    """While nothing is followed and no frame differs, the gate looks this often."""
    going_share: float = 0.5
    """Of the way that makes a pass: after this much a track is worth a look."""
    lively_new_s: float = 1.0
    lively_s: float = 1.5
    """A track holds the quicker pace while it is new, and for so long after it last moved."""
    restless_s: float = 60.0
    restless_least: int = 3
    """A place where so many things began and went nowhere (a burnt-in clock) wakes nobody."""

    # -- gate -----------------------------------------------------------------------------------
    warm_pictures: int = 13
    warm_least_keys: int = 7
    warm_level: float = 24.0
    warm_s: float = 20.0
    """With too few key frames the background comes from this long a start of the job."""
    background_s: float = 60.0
    background_every: int = 5
    stale_rate: float = 0.12
    part_px: int = 60
    """Side of the parts in which the gate picture's modes are asked for."""
    variance_threshold: float = 20.0
    variance_initial: float = 20.0
    variance_least: float = 8.0
    least_difference: float = 14.0
    """Grey levels of 255 a thing must differ from the background in some channel."""
    ghost_pictures: int = 5
    ghost_change: float = 9.0
    ghost_still_share: float = 0.7
    ghost_edges: float = 1.3
    ghost_most_share: float = 0.2
    gain_sample: int = 4000
    """Pixels of the gate picture that the gain of the camera's exposure control is read from."""
    gain_deadband: float = 0.015
    gain_apart: float = 1.35
    gain_least_share: float = 0.25
    """Pixels whose ratio is further than this factor from the picture's say nothing of the gain;
    the picture's is that around the last one, as long as so many keep to it."""
    gain_serves: int = 5
    gain_drift: float = 0.4
    """A gain serves so many pictures, while the mean grey level stays within so much."""
    shake_suspect_share: float = 0.008
    shake_level: float = 20.0
    shake_least_px: float = 0.6
    shake_most_px: float = 16.0
    relearn_share: float = 0.5
    relearn_still_level: float = 3.0
    relearn_structure: float = 0.5
    relearn_sudden_share: float = 0.7
    relearn_pictures: int = 60
    """So many pictures in a row a new view must stand still; a bus does so too, but not as long."""
    shadow_ratio: tuple[float, float] = (0.35, 0.97)
    lit_ratio: tuple[float, float] = (1.03, 1.8)
    shadow_texture: float = 0.05
    shadow_tint: float = 0.15
    shadow_share: float = 0.8
    solid_share: float = 0.9
    """Of a thing: with less left beside its flat part, that part is shadow and cut off."""
    shadow_window_px: int = 7
    cast_ratio: tuple[float, float] = (0.35, 0.985)
    cast_tint: float = 0.22
    """A shadow that hangs on its thing: darker by so much, in all channels alike."""
    cast_texture: float = 0.16
    cast_window_px: int = 5
    cast_thin_px: int = 10
    cast_low_share: float = 0.45
    """Columns of at most so many pixels of the mask that begin below so much of the height are a
    strip of shadow, if dark."""
    cast_head_share: float = 0.25
    cast_even_share: float = 0.4
    """Columns that begin below so much of the height and are even in so much of them, too."""
    cast_dark_share: float = 0.5
    cast_left_share: float = 0.25
    """Of the width: with less left, it was no shadow."""
    cast_gap_px: int = 2
    cast_apart_px: int = 40
    """Things no taller than this come apart where shadow alone joins them, over such a gap."""
    night_level: float = 45.0
    night_stays: float = 1.3
    """A background whose median is darker is a night's; up to so much brighter it stays one."""
    night_difference: float = 7.0
    night_variance: float = 0.25
    """By night things differ by less: the least difference, and what of the modes' variances."""
    night_step: int = 40
    """Grey levels: what is further from the background by night is learned as if only so far."""
    lamp_least: float = 110.0
    """Grey levels above the background: without anything so bright there is no lamp."""
    lamp_least_px: int = 3
    lamps_most: int = 30
    lamp_even: float = 0.85
    lamp_edge_px: int = 12
    """Lamps and pools are what is so bright, of the brightest within so many pixels."""
    lamp_brighter: float = 1.1
    """Than the pool it throws."""
    pool_least: float = 25.0
    pool_below: float = 2.0
    """Of its lamp's height, the most from the lamp to the pool."""
    pool_level_px: int = 3
    pool_falls: float = 0.93
    """A pool begins where the light below its lamp falls to no less than this in so many rows."""
    pool_edge: float = 0.15
    """Of its level: with less light a pool ends."""
    lamp_halo_px: int = 40
    """So near a lamp nothing is told of the camera's exposure."""
    glare_reach_px: int = 12
    glare_share: float = 0.3
    """Brighter by less than so much of the brightest so near, it is glare."""
    glare_spread_px: int = 24
    """So far pools shine on what lies beside them."""
    open_px: int = 3
    close_px: tuple[int, int] = (5, 9)
    blob_least_px: int = 36
    group_gap_px: int = 4

    # -- tracker --------------------------------------------------------------------------------
    match_least: float = 0.15
    coast_s: float = 1.5
    coast_new_s: float = 0.45
    hold_s: float = 90.0
    hold_new_s: float = 8.0
    absorb_share: float = 0.5
    absorb_fill: float = 0.62
    """Of the joint box: pieces of one thing fill it, two things leave it half empty."""
    part_looks: int = 6
    part_share: float = 0.2
    """A piece this large (of the joint box) this often in a row is a thing of its own."""
    merge_share: float = 0.55
    merge_growth: float = 1.35
    swallow_growth: float = 2.0
    swallow_s: float = 0.3
    swallow_old_s: float = 1.0
    """So soon after a thing was seen, a region so many times as large as it, at a border it was not
    at, is a newcomer's that it is now part of; not where it has itself come in so lately."""
    border_share: float = 0.01
    """Of the frame's width: so near a border a box is at it."""
    pass_least_s: float = 0.35
    pass_least_looks: int = 4
    pass_least_shift: float = 0.6
    """Of the object's own size (root of its area): less is leaves, flicker, a fidgeting ghost."""
    pass_least_reach: float = 0.04
    """Of the frame's diagonal: small things must go further than their own size."""
    pass_least_straight: float = 0.25
    """Largest distance from the start over the length of the way: flicker jumps about.
    Asked only of what the detector has not named."""
    pass_most_slim: float = 5.0
    """Long side over short side; a fluttering tape is slimmer than anything that passes."""
    shared_most: float = 0.6
    stitch_s: float = 2.0

    # -- looks: what the detector says ----------------------------------------------------------
    look_s: float = 3.0
    idle_look_s: float = 10.0
    crops_per_look: int = 2
    crops_per_track: int = 3
    crop_gap_s: float = 0.5
    crop_margin: float = 0.35
    crop_least_px: int = 300
    name_score: float = 0.5
    name_enough: float = 0.75
    join_iou: float = 0.3
    join_inside: float = 0.8
    join_smaller: float = 0.5
    part_inside: float = 0.75
    part_smaller: float = 0.7
    part_iou: float = 0.45
    part_apart: float = 0.4
    split_score: float = 0.5
    meet_look_s: float = 0.5
    """So often the detector looks at a region that several are in."""
    meet_margin: float = 0.1
    meet_least_px: float = 160
    meet_inside: float = 0.5
    meet_undrawn: int = 3
    """What so many looks in a row at its region do not show is not there any more."""
    loose_share: float = 0.6
    """Of a region: with less of it drawn as one thing, others may be in it."""
    loose_quick: int = 4
    loose_look_s: float = 1.0
    """After so many quick looks at such a region one look in so long."""
    still_busy: float = 0.3
    still_score: float = 0.6
    still_looks: int = 3
    still_iou: float = 0.5
    still_s: float = 3.0

    # -- best frames, plates, faces -------------------------------------------------------------
    candidates: int = 8
    plate_frames_blind: int = 3
    plate_frames_sure: int = 4
    plate_frames_most: int = 8
    """Frames of a pass read at most: with no plate in sight, one read surely, one unsurely."""
    candidate_gap_s: float = 0.3
    still_margin: float = 0.25
    """Of a box, kept around it for the second look: plates hang over the edge of boxes."""
    sharpness_half: float = 60.0
    cut_penalty: float = 0.35
    cut_margin_px: int = 3
    shared_penalty: float = 0.7
    plate_least_px: int = 80
    """Width of a vehicle whose plate could be read: a plate is a quarter of it."""
    plate_enough: float = 0.97
    plate_follows: float = 0.25
    """Of its own width a plate must go from look to look while the box of its pass goes on, or it
    hangs on something parked."""
    person_least_px: int = 130
    """Width of a "person" whose plate could be read, if it were somebody on a motorcycle."""
    plate_agreeing: int = 3
    """So many frames that read the same, however surely, are enough."""
    drawn_inside: float = 0.5
    """Of what the detector draws on a pass's best frame: with less in its motion box, it is
    somebody else."""
    drawn_large: float = 0.6
    """Of the frame's width or height: of what fills more, its motion tells better how high it is.
    """
    steady_rate: float = 1.0
    """Of its own size: how much the speed of a side changes in a second (one sigma, px/s)."""
    steady_moved: float = 0.08
    steady_shared: float = 2.0
    steady_drawn: float = 0.05
    """Of its own size: how far motion boxes, those guessed while it shares its region, and drawn
    ones lie beside it (one sigma)."""
    steady_beside: float = 0.1
    steady_fades_s: float = 1.0
    """Of its own size: what a motion box holds beside it for so long, a shadow above all."""
    steady_turns: float = 1.0
    """Degrees of freedom of how speeds change: few, so that a sudden stop stays one."""
    steady_tails: float = 3.0
    """Degrees of freedom of the noise of motion boxes: few, so that outliers weigh little."""
    plate_above: float = 0.25
    """Of a vehicle's height: nobody hangs a plate so high."""
    plate_margin: float = 0.08
    face_least_px: int = 40

    @cached_property
    def ref(self) -> str:
        """Stable short name of these values, part of every row's ``model_ref``.

        >>> Settings().ref == Settings(name_score=0.5).ref != Settings(name_score=0.4).ref
        True
        """
        text = json.dumps(asdict(self) | {"models": self.models.values()}, sort_keys=True)
        return "settings-" + hashlib.sha256(text.encode()).hexdigest()[:12]
