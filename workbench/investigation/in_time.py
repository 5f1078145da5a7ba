"""The sightings of a case in time and by site: counted for any span, so that a page stays light.

A search may find hundreds of thousands. Of all of them only time and site are kept here, the rows
themselves of the first few; what a page draws is counts, at most one a site and bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.investigation.answers import asked_text, frame_of
from workbench.investigation.facade import Workbench
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, Span


@dataclass(frozen=True, slots=True, eq=False)
class InTime:
    """Sightings as instants and sites.

    ``utc_ns`` int64[n], ascending; ``site`` int16[n], index into ``sites``; ``ids`` their names.
    """

    sites: tuple[str, ...]
    utc_ns: NDArray[np.int64]
    site: NDArray[np.int16]
    ids: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.utc_ns)

    @property
    def span(self) -> Span:
        """From the first to just after the last; ten seconds where there is one, or none."""
        if not len(self):
            return Span(0, 10 * SECOND_NS)
        first, last = int(self.utc_ns[0]), int(self.utc_ns[-1])
        return Span(first, max(last + 1, first + 10 * SECOND_NS))

    def inside(self, span: Span) -> Span | None:
        """Return the part of a span that holds sightings of this search; None where none does."""
        if not len(self):
            return None
        return span.overlap(Span(int(self.utc_ns[0]), int(self.utc_ns[-1]) + 1))

    def counts(self, span: Span, bins: int) -> NDArray[np.int64]:
        """Return how many fall into each of `bins` equal parts of `span`: int64 (site, bin).

        Parts are whole nanoseconds long, the last one as long as is left; the counts add up to the
        sightings in the span.

        Raises
        ------
        BadInput
            Where the span is shorter than `bins` nanoseconds, or there is no bin.
        """
        if bins < 1 or span.duration_ns < bins:
            raise BadInput(N_("that span is too short to be counted in {bins} parts"), bins=bins)
        low, high = np.searchsorted(self.utc_ns, [span.start_ns, span.stop_ns])
        width = -(-span.duration_ns // bins)
        part = (self.utc_ns[low:high] - span.start_ns) // width
        place = self.site[low:high].astype(np.int64) * bins + part
        counted = np.bincount(place, minlength=len(self.sites) * bins)
        return counted.reshape(len(self.sites), bins)


def sightings_in_time(
    wb: Workbench,
    purpose: Purpose,
    *,
    cameras: Sequence[str] | None = None,
    span: Span | None = None,
    kinds: Sequence[str] | None = None,
    most: int = 300,
) -> tuple[InTime, pd.DataFrame]:
    """Return when and where the case has sightings, and the rows of the first `most`.

    One search, one entry in the log, as of ``Workbench.sightings``.

    Raises
    ------
    Refused
        Outside the case's bounds.
    """
    _, allowed, wanted = wb._authorise(purpose, "search", cameras=cameras, span=span)
    found = wb._store.sightings(
        cameras=allowed, span=wanted, kinds=kinds, columns=["sighting_id", "camera_id", "utc"]
    )
    details = asked_text(wanted, kinds, found.num_rows)
    wb._log("search.sightings", ",".join(cameras or ("*",)), purpose, details=details)
    sites = tuple(sorted({wb.camera(one).site_id for one in allowed}))
    at = {site: number for number, site in enumerate(sites)}
    named = found["camera_id"].combine_chunks().dictionary_encode()
    codes = [at[wb.camera(one).site_id] for one in named.dictionary.to_pylist()]
    site = np.array(codes, np.int16)[named.indices.to_numpy()] if codes else np.zeros(0, np.int16)
    utc_ns = found["utc"].cast(pa.int64()).to_numpy()
    listed = found["sighting_id"].slice(0, most)
    rows = wb._store.sightings(
        cameras=allowed,
        span=Span(int(utc_ns[0]), int(utc_ns[min(most, len(utc_ns)) - 1]) + 1)
        if len(utc_ns)
        else wanted,
        ids=listed.to_pylist(),
    )
    return InTime(sites, utc_ns, site, found["sighting_id"]), frame_of(rows)
