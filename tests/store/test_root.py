"""The root folder: what it is made of, what is refused, what survives a killed creation."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from make.rows import index, segment, sha, sighting_row, sightings_table

from workbench.errors import BadInput, Damaged
from workbench.store import Store


def test_create_copies_the_ward_and_keeps_what_was_edited_there(
    store: Store, small_ward: Path
) -> None:
    assert (store.ward_folder / "plates" / "grammar.csv").read_text() == "x\n"
    (store.ward_folder / "cameras.csv").write_text("edited\n")
    store.append_audit(at_ns=1, actor="a", action="b", subject="c")
    again = Store.create(store.root, small_ward)
    assert (again.ward_folder / "cameras.csv").read_text() == "edited\n"
    assert len(again.audit()) == 1


def test_create_takes_an_empty_folder_and_refuses_a_foreign_one(
    tmp_path: Path, small_ward: Path
) -> None:
    empty, foreign = tmp_path / "empty", tmp_path / "foreign"
    empty.mkdir()
    Store.create(empty, small_ward)
    foreign.mkdir()
    (foreign / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(BadInput, match=r"not empty and is no workbench\. Choose an empty folder"):
        Store.create(foreign, small_ward)
    assert sorted(path.name for path in foreign.iterdir()) == ["photo.jpg"]


def test_create_refuses_a_file_a_missing_ward_and_the_ward_itself(
    tmp_path: Path, small_ward: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="a file, not a folder"):
        Store.create(tmp_path / "file", small_ward)
    with pytest.raises(BadInput, match=r"cannot be made: .*\. Choose a place where you may write"):
        Store.create(tmp_path / "file" / "root", small_ward)
    with pytest.raises(BadInput, match="no folder with the ward's tables"):
        Store.create(tmp_path / "new", tmp_path / "nowhere")
    assert not (tmp_path / "new").exists()
    with pytest.raises(BadInput, match="inside the ward's own folder"):
        Store.create(small_ward / "root", small_ward)


def test_create_completes_what_was_interrupted(tmp_path: Path, small_ward: Path) -> None:
    root = tmp_path / "root"
    Store.create(root, small_ward)
    for path in (root / "ward").rglob("*.csv"):
        path.unlink()
    (root / "ward" / "plates").rmdir()
    (root / "ward").rmdir()
    (root / "catalogue.sqlite").unlink()
    (root / "audit-head.json").unlink()
    with pytest.raises(Damaged, match="after an interrupted creation, create the workbench again"):
        Store.open(root)
    assert Store.create(root, small_ward).cases() == []
    assert (root / "ward" / "cameras.csv").exists()


def test_a_lost_catalogue_is_not_replaced_by_an_empty_one(store: Store, small_ward: Path) -> None:
    store.append_audit(at_ns=1, actor="a", action="b", subject="c")
    (store.root / "catalogue.sqlite").unlink()
    for attempt in (lambda: Store.open(store.root), lambda: Store.create(store.root, small_ward)):
        with pytest.raises(Damaged, match="catalogue of this workbench is missing"):
            attempt()
    with pytest.raises(Exception, match="catalogue cannot be used now"):
        store.audit()
    assert not (store.root / "catalogue.sqlite").exists()


def test_open_refuses_nothing_newer_and_unreadable(
    store: Store, tmp_path: Path, small_ward: Path
) -> None:
    with pytest.raises(BadInput, match="no workbench here"):
        Store.open(tmp_path / "nowhere")
    marker = store.root / "workbench.json"
    marker.write_text(json.dumps({"format": 2}))
    for attempt in (lambda: Store.open(store.root), lambda: Store.create(store.root, small_ward)):
        with pytest.raises(
            BadInput, match=r"format 2; this one knows 1\). Update the workbench"
        ) as refused:
            attempt()
        assert str(store.root) in str(refused.value)
    marker.write_text("{")
    with pytest.raises(Damaged, match=r"workbench\.json cannot be read"):
        Store.open(store.root)


def test_a_damaged_catalogue_is_a_sentence(store: Store) -> None:
    for path in store.root.glob("catalogue.sqlite*"):
        path.write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(Damaged, match="catalogue is damaged"):
        store.segments()


def test_a_store_pickles(store: Store) -> None:
    store.add_segment(segment(), index())
    assert pickle.loads(pickle.dumps(store)).segments() == [segment()]


def test_original_is_kept_untouched_read_only_and_once(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "Cam 1.MP4"
    source.write_bytes(b"film" * 600_000)
    seen: list[int] = []
    sha256, path = store.keep_original(source, "C01", on_bytes=seen.append)
    assert path == f"archive/C01/{sha256}.mp4"
    kept = store.root / path
    assert kept.read_bytes() == source.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o444
    assert seen[-1] == source.stat().st_size
    assert len(seen) > 1
    before = kept.stat()
    assert store.keep_original(source, "C01") == (sha256, path)
    assert kept.stat().st_ino == before.st_ino
    assert [p.name for p in kept.parent.iterdir()] == [kept.name]


@pytest.mark.parametrize("camera_id", ["", "../C01", "a/b", ".hidden"])
def test_a_camera_cannot_lead_out_of_the_archive(
    store: Store, tmp_path: Path, camera_id: str
) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"x")
    with pytest.raises(BadInput, match="cannot name a camera's folder"):
        store.keep_original(source, camera_id)


@pytest.mark.parametrize("path", ["/etc/passwd", "archive/../../x.mp4", "C01/x.mp4"])
def test_a_segment_cannot_lie_outside_the_archive(store: Store, path: str) -> None:
    with pytest.raises(BadInput, match="not inside the archive"):
        store.add_segment(segment(path=path), index())


def test_lost_or_spoilt_index_is_named(store: Store) -> None:
    store.add_segment(segment(), index())
    path = store.index_path(sha("clip"))
    path.write_bytes(path.read_bytes()[:100])
    for _ in range(2):
        with pytest.raises(Damaged, match=r"frame index .* missing or unreadable") as found:
            store.frame_index(sha("clip"))
        assert found.value.where == str(path)
        path.unlink(missing_ok=True)


def test_secret_is_made_once_and_private(store: Store) -> None:
    key = store.secret()
    assert len(key) == 32
    assert Store.open(store.root).secret() == key
    assert (store.root / "secret.key").stat().st_mode & 0o777 == 0o600
    (store.root / "secret.key").write_bytes(b"")
    with pytest.raises(Damaged, match="signing key is damaged"):
        store.secret()


def test_a_later_search_with_other_models_replaces_what_an_earlier_one_found(
    store: Store,
) -> None:
    first, second = (
        sightings_table([sighting_row(n, segment_sha256=sha("clip"), model_ref=ref)])
        for n, ref in ((1, "old"), (2, "new"))
    )
    other = sightings_table([sighting_row(3, segment_sha256=sha("other"), model_ref="old")])
    for table in (first, second, other):
        store.append_sightings(table)

    def refs():
        found = store.sightings(columns=["model_ref", "sighting_id"])
        assert found.column_names == ["model_ref", "sighting_id"]
        return sorted(found["model_ref"].to_pylist())

    store.mark_searched(sha("clip"), 0, 10**9, "old")
    assert refs() == ["new", "old", "old"]
    store.mark_searched(sha("clip"), 0, 10**9, "new", failure="no such model")
    assert refs() == ["new", "old", "old"]
    store.mark_searched(sha("clip"), 0, 10**9, "new")
    assert refs() == ["new", "old"]
    store.mark_searched(sha("clip"), 0, 10**9, "old")
    assert refs() == ["old", "old"]
    # other settings cut the file elsewhere: none of their jobs lies around one of the old
    store.mark_searched(sha("clip"), -1, 10**8, "third")
    store.mark_searched(sha("clip"), 10**8, 10**9 + 1, "third")
    assert refs() == ["old"]
    # the old ones again, cut into other jobs than before: what came between hides them no more
    store.mark_searched(sha("clip"), 0, 10**9 // 2, "old")
    store.mark_searched(sha("clip"), 10**9 // 2, 10**9, "old")
    assert refs() == ["old", "old"]
    assert {span.model_ref for span in store.superseded()} == {"new", "third"}
