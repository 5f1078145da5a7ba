"""Whoever alters database, log, rows, originals or a bundle: `workbench verify` names each."""

import json
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from make.small_root import CASE, PLATE, build

from workbench.errors import Damaged
from workbench.investigation import bundle, open_workbench
from workbench.records import Purpose

PURPOSE = Purpose(CASE.case_id, "kiểm tra")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, ward_folder):
    return build(tmp_path_factory.mktemp("whole") / "root", ward_folder, cameras=2)


@pytest.fixture(scope="module")
def packed(whole, tmp_path_factory):
    out = tmp_path_factory.mktemp("packed") / "one.zip"
    return bundle(whole, PURPOSE, out, plates=[PLATE]).path


@pytest.fixture
def house(whole, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(whole.root, root)
    return open_workbench(root, actor="thu")


def in_catalogue(house, *statements):
    """Alter the database as somebody with the file in hands would, past every trigger."""
    with sqlite3.connect(house.root / "catalogue.sqlite") as base:
        for name, *_ in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            base.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            base.execute(statement)
    base.close()


def last(house):
    return house.audit()[-1].seq


def altered(house):
    in_catalogue(house, f"UPDATE audit SET reason = 'khác' WHERE seq = {last(house) - 2}")


def dropped(house):
    in_catalogue(house, f"DELETE FROM audit WHERE seq = {last(house) - 2}")


def cut(house):
    in_catalogue(house, f"DELETE FROM audit WHERE seq > {last(house) - 2}")


def inserted(house):
    end = last(house)
    in_catalogue(
        house,
        "INSERT INTO audit SELECT seq + 1, at_ns, actor, action, subject, case_id, 'sau', details, "
        f"prev_sha256, sha256 FROM audit WHERE seq = {end}",
    )


def reordered(house):
    end = last(house)
    in_catalogue(
        house,
        f"UPDATE audit SET seq = -1 WHERE seq = {end - 1}",
        f"UPDATE audit SET seq = {end - 1} WHERE seq = {end - 2}",
        f"UPDATE audit SET seq = {end - 2} WHERE seq = -1",
    )


def forgotten(house):
    in_catalogue(house, "DELETE FROM audit")


def headless(house):
    (house.root / "audit-head.json").unlink()
    open_workbench(house.root, actor="thu").grant(None, PURPOSE)


def swapped(house):
    path = house.file(house.segments()[0])
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def lost(house):
    house.file(house.segments()[0]).unlink()


def misled(house):
    in_catalogue(house, "UPDATE segments SET size_bytes = size_bytes + 1")


def outward(house):
    in_catalogue(house, "UPDATE segments SET path = '../../outside.mp4'")


def unread(house):
    for path in (house.root / "sightings").rglob("*.parquet"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-20])


FAULTS = {
    altered: "was altered after it was written", dropped: "is missing", cut: "it was cut",
    inserted: "altered", reordered: "entry", forgotten: "it was cut",
    headless: "head of the ledger was missing", swapped: "", lost: "", misled: "", outward: "",
    unread: "",
}  # fmt: skip


def verified(path):
    """Run the command as an officer does; returns its exit status and what it said of faults."""
    done = subprocess.run(
        [sys.executable, "-m", "workbench.cli", "verify", str(path)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stderr


def found(house):
    return open_workbench(house.root, actor="kiem-tra").verify()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_tampering_with_a_root_is_named(house, fault):
    assert found(house) == []
    fault(house)
    try:
        said = found(house)
    except Damaged as error:
        said = [error.sentence()]
    assert said, "nothing was noticed"
    assert any(FAULTS[fault] in sentence for sentence in said), said
    assert not any("Traceback" in sentence for sentence in said)


def test_the_command_says_it_in_sentences_and_exits_with_one(house):
    altered(house)
    status, said = verified(house.root)
    assert status == 1
    assert "was altered after it was written" in said
    assert "Traceback" not in said


def resealed(packed, folder, change):
    """Return a copy of a bundle in which one file was changed."""
    out = folder / "changed.zip"
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(out, "w") as new:
        change(old, new)
    return out


def bundle_faults():
    def copy(old, new, skip=()):
        for name in old.namelist():
            if name not in skip:
                new.writestr(name, old.read(name))

    def flipped(old, new):
        copy(old, new, ["searches.json"])
        data = bytearray(old.read("searches.json"))
        data[9] ^= 1
        new.writestr("searches.json", bytes(data))

    def outside(old, new):
        copy(old, new)
        new.writestr("../../outside.txt", "x")

    def absolute(old, new):
        copy(old, new)
        new.writestr("/tmp/outside.txt", "x")

    def unsigned(old, new):
        copy(old, new, ["manifest.sig"])

    def renamed(old, new):
        copy(old, new, ["manifest.json"])
        told = json.loads(old.read("manifest.json"))
        told["case"] = "khác"
        new.writestr("manifest.json", json.dumps(told))

    def emptied(old, new):
        new.writestr("manifest.json", old.read("manifest.json"))

    return {one.__name__: one for one in (flipped, outside, absolute, unsigned, renamed, emptied)}


@pytest.mark.parametrize("fault", bundle_faults())
def test_each_tampering_with_a_bundle_is_named(packed, tmp_path, fault):
    from workbench.cases import verifier

    assert verifier.check(str(packed))[0] == []
    changed = resealed(packed, tmp_path, bundle_faults()[fault])
    assert verifier.check(str(changed))[0]
    assert not list(tmp_path.parent.glob("outside*"))
    assert not Path("/tmp/outside.txt").exists()


def test_the_command_names_a_name_that_leads_out_of_a_bundle_and_unpacks_nothing(packed, tmp_path):
    status, said = verified(resealed(packed, tmp_path, bundle_faults()["outside"]))
    assert status == 1
    assert "../../outside.txt" in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed.zip"]
