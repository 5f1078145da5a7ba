"""A bundle of the small root: complete, signed, and every tampering is named by the bundle's own
program, which runs without any of the house's packages."""

import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import warnings
import zipfile

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.small_root import CASE, PLATE, TWIN, build

from workbench.cases import verifier
from workbench.cases.bundle import new_key, public_key, sign
from workbench.errors import BadInput, Damaged, Refused
from workbench.investigation import Replay, add_person, bundle, reading_copies
from workbench.investigation.reading_copies import make_copies, reading_copy
from workbench.media import decode, index_packets, to_rgb
from workbench.recognition.types import Face
from workbench.records import Box, Purpose

PURPOSE = Purpose(CASE.case_id, "hồ sơ gửi viện kiểm sát")


@pytest.fixture(scope="module")
def wb(tmp_path_factory, ward_folder):
    return build(tmp_path_factory.mktemp("bundle") / "root", ward_folder, cameras=3)


@pytest.fixture(scope="module")
def made(wb, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "HL-01.zip"
    return bundle(wb, PURPOSE, out, plates=[PLATE, "51A-999.99"])


@pytest.fixture
def folder(made, tmp_path):
    with zipfile.ZipFile(made.path) as box:
        box.extractall(tmp_path / "unpacked")
    for path in (tmp_path / "unpacked").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path / "unpacked"


def found(path, key=""):
    return [(one.what, one.facts.get("name", "")) for one in verifier.check(str(path), key)[0]]


def told(folder, name):
    return json.loads((folder / name).read_text("utf-8"))


def test_it_holds_originals_leads_what_was_not_chosen_and_empty_searches(wb, made, folder):
    searches = told(folder, "searches.json")
    assert [one["asked"] for one in searches] == [PLATE, "51A-999.99"]
    assert searches[1]["answers"] == []
    answers = {one["plate"] for one in searches[0]["answers"]}
    assert {PLATE, TWIN} <= answers  # the read that differs by a sign, which nobody chose
    rows = told(folder, "sightings.json")
    assert len(rows) == made.sightings
    assert {row["plate"] for row in rows} == answers
    assert any(leg["plausible"] == "impossible" for leg in told(folder, "legs.json"))
    originals = told(folder, "originals.json")
    for one in originals:
        (file,) = (folder / "originals").glob(f"{one['sha256']}.*")
        assert hashlib.sha256(file.read_bytes()).hexdigest() == one["sha256"]
    assert {row["segment_sha256"] for row in rows} == {one["sha256"] for one in originals}
    assert len(list((folder / "stills").iterdir())) == len(rows)
    gaps = told(folder, "gaps.json")
    assert set(gaps) == set(wb.ward.cameras)
    assert all(one["not_recorded"] for one in gaps.values())
    acts = [one for one in told(folder, "log.json") if "action" in one]
    assert {one["case_id"] for one in acts} == {CASE.case_id}
    assert {"export", "search.plate", "trace", "view"} <= {one["action"] for one in acts}
    assert (folder / "receipt.pdf").read_bytes().startswith(b"%PDF")
    assert made.key in (folder / "receipt.html").read_text("utf-8")
    crate = told(folder, "ro-crate-metadata.json")
    parts = {one["@id"] for one in crate["@graph"][1]["hasPart"]}
    assert "verify.py" in parts
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o444


def test_each_pass_has_a_clip_in_which_only_it_can_be_recognised(wb, made, folder):
    rows = {row["sighting_id"]: row for row in told(folder, "sightings.json")}
    derived = {one["path"]: one for one in told(folder, "derived.json")}
    assert set(derived) == {f"clips/{one}.mp4" for one in rows}
    assert told(folder, "stills.json") == []
    name, row = next(iter(rows.items()))
    said = derived[f"clips/{name}.mp4"]
    assert said["source_sha256"] == row["segment_sha256"]
    assert (said["first_pts"], said["last_pts"]) == (row["first_pts"], row["last_pts"])
    assert said["frames"] == said["frames_of_source"] == len(row["track_pts"])
    facts, index = index_packets(folder / said["path"])
    assert len(index) == said["frames"]
    source = wb.segment(row["segment_sha256"])
    seconds = (row["last_pts"] - row["first_pts"]) * float(source.tick_s)
    assert float((index.pts[-1] - index.pts[0]) * facts.tick_s) == pytest.approx(seconds, abs=0.001)
    at = row["track_pts"].index(row["pts"])
    (_, frame), *_ = decode(folder / said["path"], index, at, at + 1)
    shown, plain = to_rgb(frame).astype(int), wb.still(source.sha256, row["pts"], PURPOSE)
    x, y, w, h = (int(row[side]) for side in ("box_x", "box_y", "box_w", "box_h"))
    inside = np.zeros(plain.shape[:2], bool)
    inside[y + 4 : y + h - 4, x + 4 : x + w - 4] = True
    away = np.abs(shown - plain).mean(axis=2)
    assert away[inside].mean() < 12  # but for the codec, the vehicle is as it was
    hidden = reading_copy(plain, Box(x, y, w, h)).astype(int)
    assert np.abs(shown - hidden).mean() < 12
    views = [one for one in wb.audit() if one.action == "view" and '"last_pts"' in one.details]
    assert len(views) >= len(rows)


def test_a_face_that_one_frame_shows_is_hidden_in_all_of_the_clip(wb, tmp_path, monkeypatch):
    row = wb.sightings(PURPOSE, with_plate=True).iloc[0].to_dict()
    looks = []

    def find(picture, box):
        looks.append(box)
        if len(looks) != 6:
            return []
        face = Box(box.x + 20, box.y + 15, 16, 16)
        return [Face(face, 0.9, np.zeros((5, 2), np.float32))]

    hidden, plain = [], reading_copies.reading_copy

    def spied(picture, box, faces=()):
        hidden.append((box, list(faces)))
        return plain(picture, box, faces)

    monkeypatch.setattr(reading_copies, "reading_copy", spied)
    # frames that are numbered in black and white differ as scenes do
    monkeypatch.setattr(reading_copies.hiding, "_CUT", 256.0)
    copies = make_copies(wb, PURPOSE, row, lambda: find, clips=True)
    (tmp_path / "clip.mp4").write_bytes(copies.clip)
    _, index = index_packets(tmp_path / "clip.mp4")
    assert len(looks) == len(index) == len(row["track_pts"])
    assert len(hidden) == len(index) + 1  # the still, too
    for _box, faces in hidden[:16]:  # a second around the frame that shows it, ten a second
        face = max(faces, key=lambda one: one.w)
        assert face.w >= 16 * 1.6 * 0.99
        assert looks[5].x <= face.x + face.w
    hidden.clear()
    alone = make_copies(wb, PURPOSE, row, lambda: lambda _picture, _box: [], clips=False)
    assert alone.clip is None
    assert len(hidden) == 1


def test_its_recipe_makes_its_searches_again_and_tells_nothing_of_other_plates(wb, made, folder):
    recipe = nbformat.read(folder / "recipe.ipynb", as_version=4)
    nbformat.validate(recipe)
    calls = [one.source for one in recipe.cells if one.source.startswith("so.run(")]
    assert ["search_plate" in one for one in calls] == [True, False, True]
    (source,) = [one.source for one in recipe.cells if "BAN_GHI =" in one.source]
    so = Replay(source.split('"""')[1], wb, PURPOSE)
    assert "entry" in str(so)  # the log knows it
    for call in calls:
        assert eval(call, {"so": so, "wb": wb, "muc_dich": PURPOSE}).same
    assert str(wb.root) not in (folder / "recipe.ipynb").read_text("utf-8")


def test_nothing_of_another_case_is_in_its_log(wb, tmp_path):
    from dataclasses import replace

    wb.open_case(replace(CASE, case_id="HL-02", title="vụ khác", reason="lý do khác"))
    wb.search_plate("30E-555.55", Purpose("HL-02", "biển của vụ khác"))
    out = tmp_path / "one.zip"
    bundle(wb, PURPOSE, out, plates=[PLATE], originals=False)
    with zipfile.ZipFile(out) as box:
        whole = b"".join(box.read(name) for name in box.namelist())
        assert not any(name.startswith("originals/") for name in box.namelist())
    for word in ("30E-555.55", "vụ khác", "HL-02"):
        assert word.encode() not in whole
    assert found(out) == []


def test_the_bundles_own_program_checks_it_with_python_alone(made, folder, tmp_path):
    def run(*words):
        bare = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8"}
        program = [sys.executable, "-I", "-S", folder / "verify.py", *words]
        return subprocess.run(
            program, env=bare, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    whole = run(made.path, "--key", made.key)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "nguyên vẹn" in whole.stdout
    assert run(folder).returncode == 0
    assert "biên nhận" in run().stdout  # beside what it checks
    assert run(made.path, "--key", "0" * 64).returncode == 1
    for nothing in (tmp_path / "nowhere", tmp_path, folder / "verify.py"):
        wrong = run(nothing)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert "Traceback" not in wrong.stderr
    (folder / "case.json").write_bytes(b"{}")
    bad = run(folder, "--english")
    assert bad.returncode == 1
    assert "case.json" in bad.stderr


def test_a_flipped_bit_anywhere_is_found(made, folder):
    rng = random.Random(7)
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in every:
        data = bytearray(path.read_bytes())
        at = rng.randrange(len(data) - 1)
        data[at] ^= 1 << rng.randrange(8)
        kept = path.read_bytes()
        path.write_bytes(data)
        try:
            assert found(folder, made.key), path.name
        except verifier.NoBundleError:
            assert path.name == verifier.MANIFEST
        path.write_bytes(kept)
    assert found(folder, made.key) == []


def test_swapped_dropped_added_and_linked_files_are_found(folder):
    one, other, *_ = sorted((folder / "stills").iterdir())
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes()[: len(kept)].ljust(len(kept), b"\0"))
    assert found(folder) == [("altered", f"stills/{one.name}")]
    one.unlink()
    assert found(folder) == [("missing", f"stills/{one.name}")]
    one.symlink_to(other)
    assert ("link", f"stills/{one.name}") in found(folder)
    one.unlink()
    one.write_bytes(kept)
    (folder / "stills" / "more.jpg").write_bytes(b"x")
    assert found(folder) == [("added", "stills/more.jpg")]


@pytest.fixture(scope="module")
def cut(wb, tmp_path_factory):
    out = tmp_path_factory.mktemp("cut") / "cut.zip"
    return bundle(wb, PURPOSE, out, plates=[PLATE], clips=False, cuts=True)


@pytest.fixture
def cut_folder(cut, tmp_path):
    with zipfile.ZipFile(cut.path) as box:
        box.extractall(tmp_path / "cut")
    for path in (tmp_path / "cut").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path / "cut"


def test_exact_cuts_hold_the_originals_packets_from_a_key_frame_to_the_end_asked_for(
    wb, cut, cut_folder
):
    assert found(cut.path, cut.key) == []
    derived = told(cut_folder, "derived.json")
    assert {one["source_sha256"] for one in derived} == {
        row["segment_sha256"] for row in told(cut_folder, "sightings.json")
    }
    for one in derived:
        segment = wb.segment(one["source_sha256"])
        source = wb.frame_index(segment)
        keys = source.pts[source.is_key]
        first, last = one["asked_pts"]
        assert one["first_pts"] in keys
        assert one["first_pts"] == keys[keys <= first].max()
        _, index = index_packets(cut_folder / one["path"])
        frames = [
            to_rgb(frame) for _, frame in decode(cut_folder / one["path"], index, 0, len(index))
        ]
        start = int(np.searchsorted(source.pts, one["first_pts"]))
        stop = int(np.searchsorted(source.pts, last, side="right"))
        wanted = list(decode(wb.file(segment), source, start, stop))
        assert 0 <= len(frames) - len(wanted) <= 2  # references that are shown later
        for (_, frame), shown in zip(wanted, frames, strict=False):
            assert (to_rgb(frame) == shown).all()
        assert all(packet[3] >= 0 and packet[4] >= 0 for packet in one["packets"])  # of MP4


def listed_again(folder, name, data, pem):
    """Write a file and list it as a forger with a key of their own would."""
    (folder / name).write_bytes(data)

    def change(manifest):
        manifest["files"] = [one for one in manifest["files"] if one["path"] != name]
        sha256 = hashlib.sha256(data).hexdigest()
        entry = {"path": name, "bytes": len(data), "sha256": sha256, "what": "", "made_of": ""}
        manifest["files"] = sorted([*manifest["files"], entry], key=lambda one: one["path"])

    resigned(folder, change, pem)


def test_what_is_not_made_as_it_says_is_found_even_where_all_hashes_are_right(cut_folder):
    pem, derived = new_key(), told(cut_folder, "derived.json")
    name, packets = derived[0]["path"], derived[0]["packets"]
    kept = (cut_folder / name).read_bytes()
    data = bytearray(kept)
    data[packets[1][3] + 2] ^= 1  # one bit of a packet
    listed_again(cut_folder, name, bytes(data), pem)
    assert found(cut_folder) == [("underived", name)]
    listed_again(cut_folder, name, kept, pem)
    assert found(cut_folder) == []

    def says(change):
        other = json.loads(json.dumps(derived))
        change(other[0])
        listed_again(cut_folder, "derived.json", json.dumps(other).encode(), pem)
        return found(cut_folder)

    assert says(lambda one: one.update(source_sha256="0" * 64)) == [("underived", name)]
    assert says(lambda one: one.update(first_pts=one["last_pts"] + 1)) == [("underived", name)]
    assert says(lambda one: one.update(packets=[])) == [("underived", name)]
    assert ("underived", name) in says(lambda one: one.update(path="cuts/other.mp4"))
    # another packet than the original's, with a hash to fit it in the cut
    moved = packets[0][4]
    assert says(lambda one: one["packets"][1].__setitem__(4, moved)) == [("underived", name)]
    for bad in ("packets", "path", "source_sha256"):
        assert says(lambda one, bad=bad: one.pop(bad))[-1][0] in ("unread", "underived")
    listed_again(cut_folder, "derived.json", b"[1]", pem)
    assert ("unread", "derived.json") in found(cut_folder)


def test_cuts_alone_leave_whole_files_out_but_those_that_cannot_be_cut(wb, tmp_path, monkeypatch):
    out = tmp_path / "cuts.zip"
    made = bundle(wb, PURPOSE, out, plates=[PLATE], originals=False, clips=False, cuts=True)
    with zipfile.ZipFile(out) as box:
        names = box.namelist()
    assert not any(name.startswith(("originals/", "clips/")) for name in names)
    assert sum(name.startswith("cuts/") for name in names) == made.segments

    def uncut(*_words):
        raise BadInput("no")

    monkeypatch.setattr("workbench.media.cut_exactly", uncut)
    out = tmp_path / "whole.zip"
    made = bundle(wb, PURPOSE, out, plates=[PLATE], originals=False, clips=False, cuts=True)
    with zipfile.ZipFile(out) as box:
        names = box.namelist()
    assert sum(name.startswith("originals/") for name in names) == made.segments
    assert found(out, made.key) == []


def resigned(folder, change, pem):
    """Change the manifest and sign it with another key, as a forger would."""
    manifest = told(folder, "manifest.json")
    change(manifest)
    manifest["key"] = public_key(pem)
    text = verifier.canonical(manifest)
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sig").write_text(sign(text, pem))


def test_a_forger_with_another_key_is_found_by_the_key_of_the_receipt(made, folder):
    def forged(manifest):
        manifest["reason"] = "khác"

    resigned(folder, forged, new_key())
    assert found(folder) == []  # whole, under a key that is not the house's
    assert [what for what, _ in found(folder, made.key)] == ["foreign"]


def test_a_rearranged_list_and_names_that_lead_out_are_found(folder):
    pem = new_key()
    resigned(folder, lambda one: one["files"].reverse(), pem)
    assert ("order", "") in found(folder)
    for name in ("../x", "/etc/passwd", "a//b", "C:x", "a\\b", "a/../b", "", "a\n"):
        assert not verifier.allowed(name)

    def outside(manifest):
        manifest["files"][0]["path"] = "../outside"

    resigned(folder, outside, pem)
    assert ("name", "../outside") in found(folder)


def test_a_log_with_an_act_taken_out_or_changed_is_found(folder):
    log, pem = told(folder, "log.json"), new_key()

    def with_log(entries):
        data = json.dumps(entries).encode()
        (folder / "log.json").write_bytes(data)

        def listed(manifest):
            for one in manifest["files"]:
                if one["path"] == "log.json":
                    one |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

        resigned(folder, listed, pem)
        return [what for what, _ in found(folder)]

    assert with_log(log) == []
    assert "log" in with_log(log[:2] + log[3:])
    assert "head" in with_log(log[:-1])
    acts = [number for number, one in enumerate(log) if "action" in one]
    changed = json.loads(json.dumps(log))
    changed[acts[-1]]["reason"] = "khác"
    assert "log" in with_log(changed)
    assert "unread" in with_log({"no": "list"})


def test_a_zip_with_two_files_of_one_name_or_one_outside_is_found(made, tmp_path):
    for extra in ("case.json", "../outside.txt", "stills/../case.json"):
        path = tmp_path / "more.zip"
        shutil.copy(made.path, path)
        path.chmod(0o644)
        with zipfile.ZipFile(path, "a") as box, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the name is there
            box.writestr(extra, "{}")
        assert {what for what, _ in found(path)} & {"twice", "name", "added", "altered"}
    assert not (tmp_path.parent / "outside.txt").exists()


def test_what_would_unpack_for_ever_is_read_no_further_than_listed(made, tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(made.path) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name) if name != "case.json" else b"0" * (64 << 20)
            new.writestr(name, data, zipfile.ZIP_DEFLATED)
    assert found(path) == [("size", "case.json")]


def test_outside_the_case_nothing_is_packed(wb, tmp_path):
    out = tmp_path / "no.zip"
    with pytest.raises(BadInput, match="HL-404"):
        bundle(wb, Purpose("HL-404", "x"), out, plates=[PLATE])
    with pytest.raises(Refused):
        bundle(wb, Purpose(CASE.case_id, ""), out, plates=[PLATE])
    for plates in ([], ["x"] * 21):
        with pytest.raises(BadInput, match="plates"):
            bundle(wb, PURPOSE, out, plates=plates)
    for path in (tmp_path / "no.tar", tmp_path / "none" / "no.zip"):
        with pytest.raises(BadInput, match="zip"):
            bundle(wb, PURPOSE, path, plates=[PLATE])
    out.write_bytes(b"mine")
    with pytest.raises(BadInput, match="written over"):
        bundle(wb, PURPOSE, out, plates=[PLATE])
    assert out.read_bytes() == b"mine"


def test_an_auditor_packs_nothing(wb, tmp_path):
    add_person(wb, "hoa", ["auditor"], "sông Ngũ Huyện Khê")
    with pytest.raises(Refused, match="roles"):
        bundle(wb.as_actor("hoa"), PURPOSE, tmp_path / "no.zip", plates=[PLATE])


def test_an_original_that_was_altered_stops_it_and_leaves_nothing(wb, tmp_path):
    sha256 = wb.sightings(PURPOSE, with_plate=True)["segment_sha256"].iloc[0]
    path = wb.file(wb.segment(sha256))
    kept = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    try:
        with pytest.raises(Damaged, match="verify"):
            bundle(wb, PURPOSE, tmp_path / "no.zip", plates=[PLATE])
        assert list(tmp_path.iterdir()) == []
    finally:
        path.write_bytes(kept)
        path.chmod(0o444)


def test_a_key_is_made_once_for_its_owner_alone_and_a_spoilt_one_is_said(wb, made, tmp_path):
    path = wb.root / "signing.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.action for one in wb.audit()].count("key.make") == 1
    kept = path.read_bytes()
    path.write_bytes(b"no key")
    try:
        with pytest.raises(Damaged, match=r"signing\.key"):
            bundle(wb, PURPOSE, tmp_path / "no.zip", plates=[PLATE])
    finally:
        path.write_bytes(kept)
    assert wb.verify() == []


@given(st.binary(max_size=200), st.integers(0, 511))
def test_signatures_are_those_of_the_library_and_no_other_text_has_them(text, bit):
    pem = KEY
    signature, key = bytes.fromhex(sign(text, pem)), public_key(pem)
    assert verifier.signed(text, signature, key)
    assert not verifier.signed(text + b"x", signature, key)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not verifier.signed(text, bytes(flipped), key)


KEY = new_key()


@pytest.mark.parametrize("key", ["", "zz", "01" + "00" * 31, "00" * 32, "ec" + "ff" * 30 + "7f"])
def test_keys_that_are_nobodys_sign_nothing(key):
    # with a key of small order, this would be a signature of any text
    assert not verifier.signed(b"any", bytes.fromhex("01" + "00" * 63), key)


def test_rfc_8032_test_vector():
    key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verifier.signed(b"\x72", bytes.fromhex(signature), key)


def test_a_reading_copy_shows_the_vehicle_and_neither_others_nor_faces():
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 255, (180, 320, 3), np.uint8)
    box, face = Box(100, 50, 60, 40), Box(110, 55, 8, 8)
    shown = reading_copy(picture, box, [face])
    inside = np.zeros((180, 320), bool)
    inside[50:90, 100:160] = True
    inside[53:65, 108:120] = False
    assert (shown[inside] == picture[inside]).all()
    # what is left of the rest is a colour for each block: far fewer values than pixels
    hidden = shown[~inside]
    assert len(np.unique(hidden, axis=0)) < inside.size / 7**2 * 1.2
    assert abs(float(hidden.mean()) - float(picture.mean())) < 3
    whole = reading_copy(picture, Box(-10, -10, 9999, 9999))
    assert (whole == picture).all()
