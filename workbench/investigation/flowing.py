"""Flows between the sites of a case by hour.

To know flows, reads must be linked, and linking everybody's reads outside a case would be the
pattern-of-life search this house does not have. So flows belong to a case: one about traffic names
the whole ward and its own basis. What leaves the case as a file has no small counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workbench import trajectories
from workbench.errors import N_, BadInput
from workbench.investigation.believing import Belief, believe
from workbench.investigation.facade import Workbench
from workbench.records import Purpose
from workbench.store import files

if TYPE_CHECKING:
    import xarray as xr


def flows(wb: Workbench, purpose: Purpose, belief: Belief | None = None) -> xr.Dataset:
    """Return the flows of a case: dims (origin, destination, hour), see ``trajectories.flows``.

    Parameters
    ----------
    belief
        The links of the case, where they are there already; else they are computed.

    Raises
    ------
    Refused
        Outside an open case and its bounds.
    BadInput
        Where there are too few links to be weighted by their probability.
    """
    case, allowed, span = wb._authorise(purpose, "search")
    found = belief or believe(wb, purpose)
    if not found.calibrated:
        raise BadInput(
            N_("{links} links of {reads} reads are too few to count flows by their probability"),
            N_("widen the case's period or cameras, or search more of its footage"),
            links=found.links,
            reads=found.reads,
        )
    site_of = {camera_id: wb.camera(camera_id).site_id for camera_id in allowed}
    cube = trajectories.flows(found.claims, site_of, sorted(set(site_of.values())), span)
    cube.attrs |= {"case": case.case_id, "purpose": purpose.reason}
    wb._log("search.flows", "*", purpose, details={"links": found.links})
    return cube


def export_flows(wb: Workbench, path: Path, purpose: Purpose, *, least: float = 5.0) -> xr.Dataset:
    """Write the flows of a case as netCDF or CSV, without those below `least`; return what it says.

    Raises
    ------
    Refused
        Outside an open case and its bounds.
    BadInput
        Where `least` is lower than five, the file is there, or its name is of no format.
    """
    _refuse_small(least)
    if path.suffix.lower() not in (".nc", ".csv"):
        raise BadInput(
            N_("flows are written as .nc (netCDF) or .csv"), N_("name the file so"), where=str(path)
        )
    if path.exists() or not path.absolute().parent.is_dir():
        raise BadInput(
            N_("this file is there already, or its folder is not"),
            N_("give a name that is free, in a folder that exists"),
            where=str(path),
        )
    told = trajectories.without_small(flows(wb, purpose), least)
    told.attrs["exported_by"] = wb.actor
    wb._log("flows.export", path.name, purpose, details={"least": least})
    if path.suffix.lower() == ".nc":
        encoding = {"hour": {"units": "hours since 1970-01-01", "dtype": "int32"}}
        with files.replacing(path) as temporary:
            told.to_netcdf(temporary, engine="scipy", encoding=encoding)
    else:
        frame = told["vehicles"].to_dataframe().reset_index()
        frame["hour"] = frame["hour"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        frame["vehicles"] = frame["vehicles"].round(1)
        frame["suppressed"] = frame["vehicles"].isna()
        frame = frame[(frame["vehicles"] != 0)]
        for name in ("case", "purpose"):
            frame[name] = told.attrs[name]
        files.write_bytes(path, frame.to_csv(index=False).encode())
    return told


def summed_flows(cube: xr.Dataset, least: float = 5.0) -> pd.DataFrame:
    """Return origin, destination and vehicles of a cube's whole period, from the largest flow on.

    Those below `least`, which is never under five, are left out.
    """
    _refuse_small(least)
    whole = cube.sum("hour", keep_attrs=True)
    told = trajectories.without_small(whole, least)["vehicles"].to_dataframe().reset_index()
    told = told[told["vehicles"] > 0]
    return told.sort_values(
        ["vehicles", "origin", "destination"], ascending=[False, True, True]
    ).reset_index(drop=True)


def _refuse_small(least: float) -> None:
    if not trajectories.LEAST <= least < float("inf"):
        raise BadInput(
            N_("flows below {least:.0f} vehicles are not given away: they could single one out"),
            N_("give {least:.0f} or more"),
            where="--least",
            least=trajectories.LEAST,
        )
