"""Protections hold whatever is asked to go; a drop is told, whole, and finished by the next one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make.rows import case, fix, index, segment, sighting_row, sightings_table

from workbench.errors import BadInput, Unavailable
from workbench.store import LiveRows, Store, keeping, provisional_name
from workbench.timeline import SECOND_NS, Span

S = SECOND_NS
HOUR = 3600


def put(store: Store, name: object, camera: str = "C01", start_s: int = 0, **more):
    made = segment(name, camera, stamped_start_ns=start_s * S, **more)
    path = store.root / made.path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"film")
    store.add_segment(made, index())
    return made


def protect(store: Store, cameras, start_s: float, stop_s: float, **more):
    facts = {"number": "HS-1", "reason": "r", "made_by": "me", "at_ns": 1} | more
    return store.keeping.protect(cameras, Span(round(start_s * S), round(stop_s * S)), **facts)


def files_of(store: Store) -> set[str]:
    return {
        path.stem
        for folder in ("archive", "index")
        for path in (store.root / folder).rglob("*")
        if path.is_file()
    }


def test_a_dropped_segment_leaves_its_row_and_nothing_else(store: Store) -> None:
    one, two = put(store, 1), put(store, 2, "C02")
    rows = [sighting_row(n, "C01", segment_sha256=one.sha256) for n in range(30)]
    rows += [sighting_row(n, "C01", segment_sha256=two.sha256) for n in range(30, 40)]
    store.append_sightings(sightings_table(rows))
    store.mark_searched(one.sha256, 0, 10, "m")
    told = []
    done = store.keeping.drop([one], why="age", at_ns=5, tell=told.append)
    assert (done.files, done.size_bytes, done.kept) == (1, one.size_bytes, 0)
    assert told == [
        {
            "why": "age", "files": 1, "bytes": one.size_bytes, "first": one.sha256,
            "last": one.sha256, "cameras": {"C01": {"files": 1, "bytes": one.size_bytes}},
        }
    ]  # fmt: skip
    assert store.segments() == [two]
    assert files_of(store) == {two.sha256}
    assert store.searched() == []
    assert set(store.sightings()["segment_sha256"].to_pylist()) == {two.sha256}
    assert store.check_sightings() == []
    (gone,) = store.keeping.dropped(["C01"], Span(0, 10**18))
    assert (gone.sha256, gone.span, gone.why) == (one.sha256, one.stamped, "age")
    # a search that was under way when it went writes nothing more of it
    late = [sighting_row(99, "C01", segment_sha256=one.sha256)]
    assert store.append_sightings(sightings_table(late)) == 0
    # the same bytes may come back
    put(store, 1)
    assert store.append_sightings(sightings_table(late)) == 1


def leave_rows(store: Store, recording: str) -> LiveRows:
    """Leave a provisional row of a recording of C01, as whoever follows the cameras does."""
    name = provisional_name("C01", recording)
    table = sightings_table([sighting_row(5, segment_sha256=name, camera_id="C01")])
    made = LiveRows("C01", recording, table, (1,), (), "m@1")
    store.live.put(made)
    return made


@pytest.mark.parametrize("where", ["list", "rows", "told", "file", "index", "lake", "live"])
def test_killed_in_the_middle_it_is_finished_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    one, two = put(store, 1), put(store, 2)
    rows = [sighting_row(1, segment_sha256=one.sha256)]
    store.append_sightings(sightings_table(rows))
    unsettled = {one.sha256: leave_rows(store, "1"), two.sha256: leave_rows(store, "2")}

    class Killed(BaseException):
        pass

    def die(*_args, **_more):
        raise Killed

    told = []
    with monkeypatch.context() as patch:
        if where == "list":
            patch.setattr(store.keeping, "_move", die)
        elif where == "rows":
            patch.setattr(store.journal, "settle", die)
        elif where == "lake":
            patch.setattr(store.keeping._lake, "forget", die)
        elif where == "live":
            patch.setattr(store.live, "forget", die)
        elif where in ("file", "index"):
            real = Path.unlink
            seen = []

            def unlink(path, missing_ok=False):
                seen.append(path)
                if len(seen) > ("file", "index").index(where) + 1:
                    raise Killed
                real(path, missing_ok=missing_ok)

            patch.setattr(Path, "unlink", unlink)
        tell = die if where == "told" else told.append
        with pytest.raises(Killed):
            store.keeping.drop([one], why="age", at_ns=5, tell=tell, provisional=unsettled)
    again = Store.open(store.root)
    again.keeping.finish(told.append)
    if where == "list":  # it was not begun: nothing went
        assert len(again.segments()) == len(again.live.all()) == 2
        assert again.keeping.listed() == []
        return
    assert again.segments() == [two]
    assert files_of(again) == {two.sha256}
    # of the rows nobody has settled, those of what went are gone, and the statement names them
    assert [rows.recording for rows in again.live.all()] == ["2"]
    assert again.sightings().num_rows == 1
    assert [one["provisional"] for one in told] == [[["C01", "1", 1]]]
    again.keeping.finish(told.append)
    assert len(told) == 1
    again.journal.settle()
    assert any(line.table == "dropped" for line in again.journal.lines())


def test_a_drop_that_fails_again_and_again_is_told_once(store: Store, monkeypatch) -> None:
    one = put(store, 1)
    told = []

    def full(_gone):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store.keeping._lake, "forget", full)
        with pytest.raises(OSError, match="No space"):
            store.keeping.drop([one], why="age", at_ns=5, tell=told.append)
        for _try in range(3):
            with pytest.raises(OSError, match="No space"):
                store.keeping.finish(told.append)
    store.keeping.finish(told.append)
    assert len(told) == 1
    assert store.keeping.listed() == []
    assert files_of(store) == set()


def test_a_file_that_the_disk_does_not_let_go_holds_up_no_other(store: Store, monkeypatch) -> None:
    one, two, three = put(store, 1), put(store, 2, "C02"), put(store, 3, "C02")
    bad = store.root / one.path
    bad.unlink()
    bad.mkdir()  # nothing removes a folder as if it were a file
    told = []
    done = store.keeping.drop([one, two], why="age", at_ns=5, tell=told.append)
    assert (done.files, list(done.stuck)) == (2, [str(bad)])
    assert store.segments() == [three]
    assert not (store.root / two.path).exists()
    assert store.keeping.listed() == [one.sha256]
    # the next drop goes on as ever, and tells of its own files alone
    done = store.keeping.drop([three], why="age", at_ns=6, tell=told.append)
    assert (done.files, list(done.stuck)) == (1, [str(bad)])
    assert [said["files"] for said in told] == [2, 1]
    assert store.segments() == []
    monkeypatch.setattr(keeping, "MOST_STUCK", 1)
    four = put(store, 4, "C02")
    with pytest.raises(Unavailable, match="1 dropped files cannot be removed"):
        store.keeping.drop([four], why="age", at_ns=7, tell=told.append)
    assert store.segments() == [four]
    bad.rmdir()
    bad.write_bytes(b"film")
    assert Store.open(store.root).keeping.finish(told.append) == {}
    assert not bad.exists()
    assert store.keeping.listed() == []
    assert len(told) == 2


def test_a_stuck_file_whose_bytes_came_back_stays(store: Store) -> None:
    one = put(store, 1)
    bad = store.root / one.path
    bad.unlink()
    bad.mkdir()
    store.keeping.drop([one], why="age", at_ns=5, tell=lambda _said: None)
    bad.rmdir()
    put(store, 1)
    assert store.keeping.finish(lambda _said: None) == {}
    assert bad.read_bytes() == b"film"
    assert store.segments() == [one]


@pytest.mark.parametrize("text", ["", "[]", '{"why": "age"}', '{"why": "age", "segments": [1]}'])
def test_a_list_that_cannot_be_read_is_moved_aside_and_holds_up_nothing(store: Store, text) -> None:
    one = put(store, 1)
    path = store.root / "journal" / "dropping.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert store.keeping.listed() == []
    assert store.keeping.drop([one], why="age", at_ns=5, tell=lambda _told: None).files == 1
    (aside,) = store.keeping.unreadable()
    assert aside.read_text() == text
    assert not path.exists()
    assert list(store.journal.lines())


def test_protections_are_lifted_once_and_kept_in_the_books(store: Store) -> None:
    one = put(store, 1, start_s=HOUR)
    made = protect(store, [], HOUR + 59, HOUR + 61)
    assert store.keeping.drop([one], why="age", at_ns=5, tell=list).kept == 1
    store.keeping.lift(made.protection_id, reason="over", lifted_by="you", at_ns=9)
    (lifted,) = store.keeping.protections()
    assert (lifted.lifted_by, lifted.lifted_at_ns, lifted.lift_reason) == ("you", 9, "over")
    for number in (made.protection_id, 77):
        with pytest.raises(BadInput, match=f"no protection {number} is in force"):
            store.keeping.lift(number, reason="again", lifted_by="you", at_ns=9)
    assert store.keeping.drop([one], why="age", at_ns=5, tell=list).files == 1


def test_an_open_case_keeps_its_period_and_cameras_until_it_is_closed(store: Store) -> None:
    one, other = put(store, 1, "C01"), put(store, 2, "C02")
    mine = case(period=Span(0, HOUR * S), cameras=("C01",))
    store.put_case(mine)
    assert store.keeping.drop([one, other], why="disk", at_ns=5, tell=list).files == 1
    assert store.segments() == [one]
    store.put_case(case(period=Span(0, HOUR * S), cameras=("C01",), closed=True))
    assert store.keeping.drop([one], why="disk", at_ns=5, tell=list).files == 1


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.randoms(use_true_random=False))
def test_no_protected_segment_ever_goes(tmp_path_factory, rng: random.Random) -> None:
    """Random protections, cases, clocks and requests to drop: what is covered stays."""
    folder = tmp_path_factory.mktemp("keeping")
    (folder / "tables").mkdir()
    store = Store.create(folder / "root", folder / "tables")
    cameras = ["C01", "C02", "C03"]
    made = []
    for number in range(rng.randrange(1, 15)):
        camera, start_s = rng.choice(cameras), rng.randrange(24 * HOUR)
        made.append(put(store, number, camera, start_s))
    for _ in range(rng.randrange(3)):
        span = Span(rng.randrange(12 * HOUR) * S, rng.randrange(12, 30) * HOUR * S)
        offset_ns = rng.randrange(-2 * HOUR, 2 * HOUR) * S
        store.add_clock_fix(fix(rng.choice(cameras), valid=span, offset_ns=offset_ns))
    lifted = []
    for number in range(rng.randrange(5)):
        start_s = rng.randrange(24 * HOUR)
        chosen = rng.sample(cameras, rng.randrange(3))
        stop_s = start_s + rng.randrange(1, 4 * HOUR)
        if rng.random() < 0.3:
            period = Span(start_s * S, stop_s * S)
            store.put_case(case(f"HS-{number}", period=period, cameras=tuple(chosen)))
            continue
        one = protect(store, chosen, start_s, stop_s)
        if rng.random() < 0.2:
            store.keeping.lift(one.protection_id, reason="r", lifted_by="me", at_ns=2)
            lifted.append(one)
    holds = store.keeping.holds(0)
    asked = rng.sample(made, rng.randrange(len(made) + 1))
    store.keeping.drop(asked, why=rng.choice(["age", "disk"]), at_ns=5, tell=list)
    left = {one.sha256 for one in store.segments()}
    for one in made:
        fixes = store.clock_fixes(one.camera_id)
        covered = any(
            not hold.cameras or one.camera_id in hold.cameras
            for hold in holds
            if hold.span.overlap(one.utc_span(fixes)) or hold.span.overlap(one.stamped)
        )
        if covered or one not in asked:
            assert one.sha256 in left
            assert store.file(one).exists()
        elif not keeping.is_kept(one, fixes, holds):
            assert one.sha256 not in left


@pytest.mark.parametrize("number", [0, -1, 2**63, 99999999999999999999])
def test_a_number_that_no_protection_can_have_is_refused_in_a_sentence(
    store: Store, number: int
) -> None:
    with pytest.raises(BadInput, match=f"no protection {number} is in force"):
        store.keeping.lift(number, reason="r", lifted_by="me", at_ns=1)
