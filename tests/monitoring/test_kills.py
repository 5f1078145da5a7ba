"""Kill -9 at random instants: the disk alone still tells what the catalogue tells, row by row."""

from __future__ import annotations

import csv
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress

import pytest
from make.clips import make_clip

from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring, rebuild
from workbench.store import Store
from workbench.timeline import SECOND_NS

RATE = 12
CAMERAS = ("S01-P1", "S01-P2")
TABLES = ("segments", "clock_fixes", "losses", "cases", "protections", "lifts", "dropped", "audit")


@pytest.fixture
def root(tmp_path, ward_folder):
    folder, clip = tmp_path / "root", tmp_path / "clip.mp4"
    make_clip(clip, 60 * RATE, rate=RATE, gop=RATE, size=(160, 96))
    open_workbench(folder, actor="t", create_from=ward_folder)
    table = folder / "ward" / "cameras.csv"
    rows = list(csv.DictReader(table.open()))
    for row in rows:
        # the second camera is never there: losses to be told
        row["stream_url"] = str(clip) if row["camera_id"] == CAMERAS[0] else ""
        if row["camera_id"] == CAMERAS[1]:
            row["stream_url"] = str(tmp_path / "no-such.mp4")
    with table.open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        threading.Event().wait(0.05)


def start(*words):
    command = [sys.executable, "-m", "workbench.cli", *map(str, words)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)


def kill(process):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def rows(root):
    with closing(sqlite3.connect(root / "catalogue.sqlite")) as db:
        return {
            name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for name in TABLES
        }


@pytest.mark.slow
def test_whatever_was_killed_the_disk_tells_the_same(root):
    rng = random.Random(20261125)
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")
    for _ in range(3):
        before = len(wb.segments())
        process = start("record", root, "--segment", "2")
        try:
            until(lambda n=before: len(wb.segments()) > n)
            threading.Event().wait(rng.uniform(0, 2.5))  # at any point of a file's life
        finally:
            kill(process)
        # what the killed one had not yet catalogued lies whole in its camera's folder
        waiting = len(list((root / "recording").glob("*/[0-9]*.mp4")))
        only_disk = house.keeping.rebuilt_differs()
        assert len(only_disk) <= waiting
        assert all("segments: on the disk" in line for line in only_disk)
    ended_ns = time.time_ns()

    def again():
        return any(one.stamped.stop_ns > ended_ns for one in wb.segments())

    house.record(segment_s=2, stopped=again)
    assert house.keeping.rebuilt_differs() == []
    found = rows(root)
    assert len(found["segments"]) >= 4
    assert {loss[2] for loss in found["losses"]} >= {"unreachable", "not recording"}
    assert found["clock_fixes"]
    for path in root.glob("catalogue.sqlite*"):
        path.unlink()
    made = rebuild(root, actor="t")
    assert made.findings == []
    after = rows(root)
    for name in TABLES[:-1]:
        assert after[name] == found[name], name


@pytest.mark.slow
def test_a_rebuild_that_is_killed_leaves_a_whole_catalogue(root, tmp_path):
    rng = random.Random(3)
    store = Store.open(root)
    wb = open_workbench(root, actor="t")
    for number in range(6):
        make_clip(tmp_path / f"{number}.mp4", 20, first_number=100 * number)
        wb.ingest(tmp_path / f"{number}.mp4", CAMERAS[0], (1000 + number) * SECOND_NS)
    before = rows(root)
    began = time.monotonic()
    whole = start("rebuild", root)
    whole.wait()
    took_s = time.monotonic() - began
    before["audit"] = rows(root)["audit"]
    for _ in range(4):
        process = start("rebuild", root)
        threading.Event().wait(rng.uniform(0.5, 1.05) * took_s)
        kill(process)
        now = rows(root)
        for name in TABLES[:-1]:
            assert now[name] == before[name], name
        assert set(before["audit"]) <= set(now["audit"])
        before["audit"] = now["audit"]
    assert store.journal.settle() == 0
    assert wb.verify() == []
