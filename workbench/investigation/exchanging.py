"""Sightings of other systems come in, sightings of a case go out.

Coming in needs an actor and a reason, not a case: like recognition it fills the lake, and what is
there is found under a case only. Going out is a search like any other: a case, its bounds, the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench import archive, exchange
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation.answers import span_text
from workbench.investigation.facade import Workbench
from workbench.records import Purpose
from workbench.store import files
from workbench.store.imports import MARK, Imported
from workbench.store.sightings import refuse_columns
from workbench.timeline import Span, union

MOST_FAULTS = 20
"""Bad rows that are told one by one; the others are counted."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What an import did: ``added`` rows were not here, ``twice`` stood in the file again.

    ``left_out`` are columns of the file that speak of footage and are not kept.
    """

    record: Imported
    added: int
    twice: int
    left_out: tuple[str, ...]


def import_sightings(
    wb: Workbench,
    path: Path,
    *,
    source: str,
    reason: str,
    timezone: str = "",
    sigma_s: float | None = None,
    places: Path | None = None,
    covered: Path | None = None,
    on_fault: Callable[[str], None] = lambda _sentence: None,
) -> TakenIn:
    """Take the sightings of another system in, all of a file or none.

    Parameters
    ----------
    source
        The system they come from, in the officers' words; part of what identifies a row.
    timezone
        Zone of times without an offset; without it they are refused.
    sigma_s
        How sure the other system's clock is, for rows that do not say it, seconds.
    places
        A CSV file of ``name`` and ``camera_id``: other names of cameras, and of sites.
    covered
        A table of spans that system looked at: without one no sighting there means nothing.
    on_fault
        Told of each bad row, up to MOST_FAULTS.

    Raises
    ------
    BadInput
        Where the file, a column or a row cannot be used; nothing is stored then.
    """
    wb.allow("upkeep")
    try:
        done = _take_in(wb, path, source, reason, timezone, sigma_s, places, covered, on_fault)
    except WorkbenchError as error:
        details = {"file": path.name, "source": source}
        wb._log("sightings.import.refused", error.sentence()[:500], details=details)
        raise
    record = done.record
    wb._log(
        "sightings.import",
        record.sha256,
        details={
            "source": source, "file": path.name, "reason": reason, "rows": record.rows,
            "added": done.added, "spans": len(record.covered),
        },
    )  # fmt: skip
    return done


def _take_in(
    wb: Workbench, path: Path, source: str, reason: str, timezone: str, sigma_s: float | None,
    places: Path | None, covered: Path | None, on_fault: Callable[[str], None],
) -> TakenIn:  # fmt: skip
    for value, option in ((source, "--source"), (reason, "--reason")):
        if not any(sign.isalnum() for sign in value) or len(value) > exchange.LONGEST:
            raise BadInput(
                N_("say in words where the sightings come from and why they are taken in"),
                N_("at most {most} signs"),
                where=option,
                most=exchange.LONGEST,
            )
    if sigma_s is not None and not 0 <= sigma_s <= exchange.MOST_SIGMA_S:
        raise BadInput(N_("the clock's sigma is negative or more than a day"), where="--sigma")
    names, rows = exchange.read(path)
    exchange.refuse_names(names, refuse_columns)
    sha256 = files.sha256_of(path)
    mapped = exchange.read_places(places)
    for camera_id in mapped.values():
        wb.camera(camera_id)
    reader = exchange.RowReader(
        wb.ward.cameras, wb.ward.sites, wb.now(), mapped, exchange.zone_of(timezone), sigma_s
    )
    found, count = _checked(path, rows, reader, source, on_fault)
    spans = _spans(wb, covered, mapped)
    _refuse_other_values(wb, path, found)
    times = [one.utc_ns for one in found.values()]
    record = Imported(
        sha256, source, path.name, wb.actor, wb.now(), reason, len(found), 0,
        min(times, default=0), max(times, default=0), spans,
    )  # fmt: skip
    table = exchange.as_sightings(found, source, record.model_ref)
    kept, added = wb._store.imports.add(table, record)
    left = tuple(name for name in names if name in exchange.LEFT_OUT)
    return TakenIn(kept, added, count - len(found), left)


def _checked(
    path: Path, rows: Any, reader: exchange.RowReader, source: str, on_fault: Callable[[str], None]
) -> tuple[dict[str, exchange.Incoming], int]:
    """Return the rows by sighting_id, and how many there were; BadInput where any is bad."""
    found: dict[str, exchange.Incoming] = {}
    first_at: dict[str, int] = {}
    faults, count = 0, 0
    for number, row in rows:
        count += 1
        try:
            one = reader.read(row)
            key = exchange.identity(one, source)
            if found.get(key, one) != one:
                raise exchange.BadRow(
                    "source_id",
                    one.source_id,
                    N_("row {other} has the same one and other values: give each its own"),
                    other=first_at[key],
                )
        except exchange.BadRow as bad:
            faults += 1
            if faults <= MOST_FAULTS:
                on_fault(bad.at(f"{path}:{number}").sentence())
            continue
        found[key] = one
        first_at.setdefault(key, number)
    if faults:
        raise BadInput(
            N_("{faults} of {count} rows cannot be used; nothing was imported"),
            N_("correct them and import the file again"),
            where=str(path),
            faults=faults,
            count=count,
        )
    return found, count


def _spans(
    wb: Workbench, covered: Path | None, mapped: Mapping[str, str]
) -> tuple[tuple[str, int, int], ...]:
    found = []
    for named, span in exchange.read_covered(covered):
        camera_id = wb.camera(mapped.get(named, named)).camera_id
        if span.stop_ns > wb.now():
            raise BadInput(
                N_("a span that was looked at ends in time to come"),
                N_("end it where the other system ended"),
                where=str(covered),
            )
        found.append((camera_id, int(span.start_ns), int(span.stop_ns)))
    return tuple(sorted(set(found)))


def _refuse_other_values(wb: Workbench, path: Path, found: Mapping[str, exchange.Incoming]) -> None:
    """Raise BadInput where a row is here already, under its source_id, with other values."""
    named = {key: one for key, one in found.items() if one.source_id}
    if not named:
        return
    known = wb._store.sightings(ids=list(named))
    there = known.set_column(
        known.column_names.index("utc"), "utc", known["utc"].cast(pa.int64())
    ).to_pylist()
    for row in there:
        one = named[row["sighting_id"]]
        facts = {name: getattr(one, name) for name in type(one).__slots__} | {"utc": one.utc_ns}
        column = exchange.same_facts(row, facts)
        if column:
            raise BadInput(
                N_("sighting {source_id} was imported before with another {column}"),
                N_("correct it here, or remove the earlier import first: {earlier}"),
                where=str(path),
                source_id=one.source_id,
                column=column,
                earlier=row["model_ref"].removeprefix(MARK)[:12],
            )


def export_sightings(
    wb: Workbench,
    path: Path,
    purpose: Purpose,
    *,
    cameras: Sequence[str] | None = None,
    span: Span | None = None,
    kinds: Sequence[str] | None = None,
    with_plate: bool = False,
) -> int:
    """Write the sightings of a case, inside its bounds, to a file; return how many they were.

    Raises
    ------
    Refused
        Outside the case's bounds.
    BadInput
        Where the file is there already, or its name is of no format.
    """
    exchange.format_of(path)
    if path.exists():
        raise BadInput(
            N_("this file is there already"), N_("give a name that is free"), where=str(path)
        )
    if not path.absolute().parent.is_dir():
        raise BadInput(
            N_("there is no folder for this file"), N_("make the folder first"), where=str(path)
        )
    for camera_id in cameras or ():
        wb.camera(camera_id)
    case, allowed, wanted = wb._authorise(purpose, "sightings.export", cameras=cameras, span=span)
    found = wb._store.sightings(cameras=allowed, span=wanted, kinds=kinds, with_plate=with_plate)
    table = exchange.exported(found, wb.ward.cameras, case_id=case.case_id, purpose=purpose.reason)
    about = {
        "case": case.case_id, "legal_basis": case.legal_basis, "purpose": purpose.reason,
        "exported_by": wb.actor, "note": "leads, never identities",
    }  # fmt: skip
    # told before the file is there: what leaves is never unsaid
    wb._log(
        "sightings.export", path.name, purpose,
        details={**span_text(wanted), "cameras": ",".join(cameras or ("*",)),
                 "rows": table.num_rows},
    )  # fmt: skip
    exchange.write(table, path, about)
    return int(table.num_rows)


def imports(wb: Workbench) -> list[Imported]:
    """Return the files of other systems that were taken in, oldest first."""
    return wb._store.imports.all()


def origin(wb: Workbench, model_ref: str) -> Imported | None:
    """Return where a sighting came from; None where it is of our own footage."""
    return wb._store.imports.of(model_ref)


def remove_import(wb: Workbench, sha256: str, reason: str) -> tuple[Imported, int]:
    """Take an import away, its rows and its record, with a statement in the log that stays.

    Parameters
    ----------
    sha256
        Of the imported file, or the first 8 digits of it or more.
    """
    wb.allow("upkeep")
    if not any(sign.isalnum() for sign in reason):
        raise BadInput(N_("a reason is missing"), N_("say why it is removed"), where="--reason")
    named = [one for one in imports(wb) if len(sha256) >= 8 and one.sha256.startswith(sha256)]
    if len(named) != 1:
        raise BadInput(
            N_("no import {sha256}"),
            N_("pick one of 'workbench sightings list'"),
            sha256=sha256,
        )
    gone = wb._store.imports.remove(named[0].sha256)
    wb._log(
        "sightings.import.removed", named[0].sha256,
        details={"source": named[0].source, "file": named[0].file, "rows": gone, "reason": reason},
    )  # fmt: skip
    return named[0], gone


def searched_elsewhere(
    wb: Workbench, cameras: Sequence[str] | None = None
) -> dict[str, list[Span]]:
    """Return what other systems looked at, as their files say, camera by camera."""
    return wb._store.imports.covered(cameras or tuple(wb.ward.cameras))


def watched(wb: Workbench, cameras: Sequence[str] | None = None) -> dict[str, list[Span]]:
    """Return when somebody looked, camera by camera: recorded here, or searched elsewhere.

    Outside of it no sighting means nothing.
    """
    named = tuple(cameras or wb.ward.cameras)
    ours, theirs = archive.coverage(wb._store, named), searched_elsewhere(wb, named)
    return {camera_id: union([*ours[camera_id], *theirs[camera_id]]) for camera_id in named}
