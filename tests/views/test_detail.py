"""The card of one sighting."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from workbench.records import SIGHTINGS
from workbench.views import detail
from workbench.views.text import translator


@pytest.mark.parametrize(("score", "said"), [(0.9991, "0.99"), (1.0, "0.99"), (0.42, "0.42")])
def test_no_probability_is_rounded_up_to_certainty(score: float, said: str) -> None:
    row = pd.Series(dict.fromkeys(SIGHTINGS.names, None))
    row["utc"], row["camera_id"], row["plate"] = pd.Timestamp("2026-11-20"), "C1", "99A-175.18"
    row["plate_score"], row["kind"], row["segment_sha256"] = score, "car", "00"
    site = SimpleNamespace(name="site", site_id="S1")
    camera = SimpleNamespace(site_id="S1", name="camera", camera_id="C1")
    house = SimpleNamespace(camera=lambda _id: camera, ward=SimpleNamespace(sites={"S1": site}))
    row["sigma_s"], row["direction_deg"], row["pts"], row["model_ref"] = 0.1, 10.0, 5, "m"
    facts = detail._facts(SimpleNamespace(tr=translator("vi"), wb=house), row)
    assert any(f"xác suất {said}" in text for _, _, text in facts)
