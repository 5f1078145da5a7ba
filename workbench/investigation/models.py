"""The register of models: what is there, what an exchange would change, and the exchange itself.

A model is switched on for a whole root, never for one run: rows name it, and what was searched with
others is searched again. Nothing is switched on that was not compared, as it lies there now, with
what it replaces, as that lies there now; the audit log is where the comparison is looked up.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import recognition
from workbench.errors import N_, BadInput, Damaged, Refused
from workbench.recognition import Chosen, Job, ModelSettings, Settings, registry
from workbench.recognition.models.registry import (
    DrawnChange,
    Examiner,
    FootageChange,
    WeightCard,
)
from workbench.records import Progress, Segment
from workbench.store.choices import ModelChoices

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

COMPARED = "models.compare"
USED = "models.use"
JOBS = 6
"""Stretches of footage that are searched twice for a comparison, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of the register: ``state`` is ready, missing, altered or unusable."""

    name: str
    task: str
    sha256: str
    state: str
    licence: str
    source: str
    card: str
    shipped: bool
    in_use: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What would change with a model switched on.

    ``drawn`` are answers to the inputs that come with the workbench, with the CPU milliseconds of
    one; ``footage`` is what changes in footage of this root, searched with both. ``before_ref`` and
    ``after_ref`` name everything that took part on either side.
    """

    name: str
    task: str
    sha256: str
    replaces: str
    before_ref: str
    after_ref: str
    drawn: tuple[DrawnChange, ...]
    before_ms: float
    after_ms: float
    footage: FootageChange
    self_test: str

    def as_json(self) -> str:
        """Return all of it as JSON; no plate is in it."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)


def models_in_use(house: Workbench) -> tuple[Chosen, ...]:
    """Return what is switched on for this root, in place of the default models."""
    return _chosen(ModelChoices(house.root))


def with_models_in_use(house: Workbench, settings: Settings | None = None) -> Settings:
    """Return settings under which a run on this root goes: those given, with what is switched on.

    Settings that name models of their own keep them.

    Raises
    ------
    BadInput, Damaged, Unavailable
        Where what is switched on is not there any more as it was: once, not once a job.
    """
    settings = settings or Settings()
    if settings.models.own:
        return settings
    own = models_in_use(house)
    for one in own:
        card = registry.card_of_choice(one)
        for key in card.files:
            registry.locate(card, key)
    return replace(settings, models=replace(settings.models, own=own))


def face_models(house: Workbench) -> ModelSettings:
    """Return the settings under which faces of this root are found and compared: see the register.

    Raises
    ------
    BadInput, Damaged
        Where what is switched on is not there any more, or altered.
    """
    return with_models_in_use(house).models


def likeness_in_use(house: Workbench) -> Path:
    """Return the network for the likeness of vehicles that is switched on, its hash checked.

    Raises
    ------
    BadInput
        Where none is.
    """
    cards = registry.cards_in_use(ModelSettings(own=models_in_use(house)))
    if "vehicle likeness" not in cards:
        raise BadInput(
            N_("no network for the likeness of vehicles is switched on"),
            N_("give one, or switch one on: workbench models use ROOT NAME"),
        )
    return registry.locate(cards["vehicle likeness"], "graph")


def list_models(root: Path | None = None) -> list[Listed]:
    """Return the shipped models and those in ``ROOT/models``; faults are states, never raised."""
    choices = ModelChoices(root) if root is not None else None
    use = {} if choices is None else choices.in_use()
    names = {name for name, _ in use.values()}
    idle = {registry.SLOTS[task].shipped for task in use if task in registry.SLOTS}
    found = []
    for card in registry.read_manifest().values():
        by_default = card.task not in registry.READERS or card.name in registry.DEFAULT_READERS
        working = card.name in names or (by_default and card.name not in idle)
        found.append(_listed(card, shipped=True, in_use=working))
    for name in registry.own_names(choices.folder) if choices else ():
        assert choices is not None
        try:
            card = registry.read_own(choices.folder, name)
        except BadInput as problem:
            said, on = problem.sentence(), name in names
            found.append(Listed(name, "", "", "unusable", "", "", "", False, on, said))
            continue
        on = use.get(registry.slot_of(card)) == (card.name, card.sha256)
        found.append(_listed(card, shipped=False, in_use=on))
    return found


def compare_model(
    house: Workbench,
    name: str,
    *,
    jobs: int = JOBS,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Comparison:
    """Run the regression set with and without a model, and return what would change.

    The set is drawn inputs, and stretches of footage that recognition has been through, the richest
    ones first. Of footage only counts and places come out: no case is named here.

    Parameters
    ----------
    name
        A folder of ``ROOT/models``, or a shipped model that is not used by default.
    jobs
        Stretches of footage searched twice, at most; 0: drawn inputs alone.

    Raises
    ------
    BadInput, Damaged, Unavailable
        Where the model is not there, not intact, or cannot be run; one sentence.
    """
    if jobs < 0:
        raise BadInput(N_("{count} is no number of stretches"), N_("give 0 or more"), count=jobs)
    card, before, after = _sides(house, name)
    task = registry.slot_of(card)
    examiner = Examiner(after.models)
    tested = _tested(card, examiner)
    ahead = Examiner(before.models)
    replaced = ahead.cards.get(registry.SLOTS[task].shipped or task)
    drawn, costs = registry.compare_drawn(task, ahead, replaced, examiner, card)
    chosen = [] if task == "vehicle likeness" else _richest(house, before, jobs)
    footage = registry.compare_footage(chosen, before, after, on_progress)
    found = Comparison(
        card.name, task, card.sha256, replaced.name if replaced else "",
        _ref(before, replaced), _ref(after, card), tuple(drawn), *costs, footage, tested,
    )  # fmt: skip
    details = {
        "sha256": found.sha256,
        "before": found.before_ref,
        "after": found.after_ref,
        "drawn_changed": sum(one.changed for one in drawn),
        "stretches": footage.stretches,
        "changes": footage.counts,
        "cpu_s": [footage.cpu_before_s, footage.cpu_after_s],
    }
    house._log(COMPARED, name, details=details)
    return found


def use_model(house: Workbench, name: str) -> Chosen:
    """Switch a model on for this root: from now on recognition uses it, and rows name it.

    Raises
    ------
    Refused
        Where it was not compared as it is with what it replaces as that is, fails its self-test,
        or names no licence.
    BadInput, Damaged, Unavailable
        Where it is not there or not intact.
    """
    house.allow("upkeep")
    card, before, after = _sides(house, name)
    task = registry.slot_of(card)
    if not card.licence_named:
        raise registry.unlicensed(card)
    _tested(card, Examiner(after.models))
    replaced = registry.cards_in_use(before.models).get(registry.SLOTS[task].shipped or task)
    if not _compared(house, card, _ref(before, replaced), _ref(after, card)):
        raise Refused(
            N_("model {name} was not compared with what it would replace"),
            N_("run: workbench models compare ROOT {name}; after any change to either, again"),
            name=name,
        )
    choices = ModelChoices(house.root)
    details = {"task": task, "sha256": card.sha256, "licence": card.licence,
               "before": _ref(before, replaced), "after": _ref(after, card)}  # fmt: skip
    with choices.changing():
        if _chosen(choices) != before.models.own:
            raise Refused(
                N_("somebody else has switched models meanwhile"),
                N_("compare again with what is in use now"),
            )
        # in the log first: an entry without its switch is found out, a switch without one is not
        house._log(USED, name, details=details)
        choices.put({**choices.in_use(), task: (card.name, card.sha256)})
    return registry.choice_of(card)


def use_shipped(house: Workbench, task: str = "") -> list[str]:
    """Go back to the shipped models, of one task or of all; return the names switched off."""
    house.allow("upkeep")
    if task and task not in registry.SLOTS:
        raise BadInput(
            N_("the model for '{task}' cannot be exchanged"),
            N_("exchangeable are: {tasks}"),
            task=task,
            tasks=", ".join(registry.SLOTS),
        )
    choices = ModelChoices(house.root)
    with choices.changing():
        try:
            use = choices.in_use()
        except Damaged:
            if task:
                raise
            use = {"?": ("?", "")}  # all of them go: what the file said does not matter
        off = [name for slot, (name, _) in use.items() if task in ("", slot)]
        house._log(USED, "shipped", details={"task": task, "off": off})
        choices.put({slot: one for slot, one in use.items() if task not in ("", slot)})
    return off


def _chosen(choices: ModelChoices) -> tuple[Chosen, ...]:
    found = []
    for task, (name, sha256) in sorted(choices.in_use().items()):
        shipped = name in registry.read_manifest()
        folder = "" if shipped else str((choices.folder / name).absolute())
        found.append(Chosen(task, name, folder, sha256))
    return tuple(found)


def _sides(house: Workbench, name: str) -> tuple[WeightCard, Settings, Settings]:
    """Return a model's card, and the settings without and with it."""
    choices = ModelChoices(house.root)
    shipped = registry.read_manifest().get(name)
    card = shipped or registry.read_own(choices.folder, name)
    task = registry.slot_of(card)
    before = _chosen(choices)
    if registry.SLOTS[task].shipped == card.name:
        raise BadInput(
            N_("model {name} is the shipped one"),
            N_("go back to it with: workbench models use ROOT --shipped"),
            name=name,
        )
    others = tuple(one for one in before if one.slot != task)
    after = tuple(sorted((*others, registry.choice_of(card)), key=lambda one: one.slot))
    return card, _settings(before), _settings(after)


def _settings(own: Sequence[Chosen]) -> Settings:
    return Settings(models=ModelSettings(own=tuple(own)))


def _ref(settings: Settings, card: WeightCard | None) -> str:
    """Return what rows would be named by, and the model asked about where rows do not name it."""
    alone = f"{card.name}@{card.sha256[:8]}" if card else "none"
    return f"{recognition.model_ref(settings)}; {alone}"


def _tested(card: WeightCard, examiner: Examiner) -> str:
    """Return what a model said in its self-test, its files checked; Refused where it fails."""
    for key in card.files:
        registry.locate(card, key)
    try:
        result = examiner.self_test(card)
    except Exception as error:
        raise registry.one_sentence(card, error) from error
    if not result.passed:
        raise Refused(
            N_("model {name} does not pass its self-test: {said}"),
            N_("see whether its file, or what its manifest expects, is wrong"),
            name=card.name,
            said=result.said,
        )
    return result.said


def _compared(house: Workbench, card: WeightCard, before: str, after: str) -> bool:
    for entry in reversed(house.audit()):
        if entry.action == COMPARED and entry.subject == card.name:
            said = json.loads(entry.details)
            if (said["sha256"], said["before"], said["after"]) == (card.sha256, before, after):
                return True
    return False


def _richest(house: Workbench, settings: Settings, most: int) -> list[Job]:
    """Return jobs over footage that was searched and is there: most rows first, every camera."""
    store = house._store
    searched = {one.segment_sha256 for one in store.searched() if not one.failure}
    rows = Counter(
        store.sightings(columns=["segment_sha256"])["segment_sha256"].to_pylist() if most else ()
    )
    there = sorted(
        (one for one in store.segments() if one.sha256 in searched and store.file(one).exists()),
        key=lambda one: (-rows[one.sha256], one.sha256),
    )
    seen: Counter[str] = Counter()
    turns: list[tuple[int, int, Segment]] = []
    for segment in there:
        turns.append((seen[segment.camera_id], len(turns), segment))
        seen[segment.camera_id] += 1
    found: list[Job] = []
    for _, _, segment in sorted(turns, key=lambda turn: turn[:2]):
        if len(found) >= most:
            break
        found += recognition.plan_jobs(
            segment, store.file(segment), store.frame_index(segment.sha256),
            house.camera(segment.camera_id), tuple(store.clock_fixes(segment.camera_id)), settings,
        )[:1]  # fmt: skip
    return found


def _listed(card: WeightCard, *, shipped: bool, in_use: bool) -> Listed:
    state = registry.status(card)
    return Listed(
        card.name, card.task, card.sha256, state.state, card.licence, card.licence_source,
        card.card, shipped, in_use, state.problem.sentence() if state.problem else "",
    )  # fmt: skip
