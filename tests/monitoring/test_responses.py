"""A camera that is lost: what the recorder does, keeps and says. Real RTSP, real processes."""

from __future__ import annotations

import csv
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from lab.rtsp import RtspLab
from make.clips import make_clip

from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring
from workbench.timeline import SECOND_NS, Span

RATE = 12
ONE = "S01-P1"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name, size in (("main", (160, 96)), ("sub", (128, 80))):
        make_clip(folder / f"{name}.mp4", 60 * RATE, rate=RATE, gop=RATE, size=size)
    return folder


@pytest.fixture
def lab():
    with RtspLab() as made:
        yield made


@pytest.fixture
def root(tmp_path, ward_folder):
    folder = tmp_path / "root"
    open_workbench(folder, actor="t", create_from=ward_folder)
    return folder


def write_addresses(root, **columns):
    table = root / "ward" / "cameras.csv"
    rows = list(csv.DictReader(table.open()))
    for row in rows:
        for column, addresses in columns.items():
            row[column] = addresses.get(row["camera_id"], "")
    with table.open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


class Script:
    """Steps one after another inside a running recorder: each waits for what it says."""

    def __init__(self, *steps, seconds=60.0):
        self._steps, self._end, self.times = list(steps), time.monotonic() + seconds, []

    def __call__(self):
        assert time.monotonic() < self._end, f"step {len(self.times)} did not come to pass"
        if self._steps and self._steps[0]():
            self._steps.pop(0)
            self.times.append(time.time())
        return not self._steps


def do(act):
    def step():
        act()
        return True

    return step


@pytest.fixture
def webhook():
    """A real HTTP server that keeps what is posted to it."""
    posted = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/notices", posted
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_refused_main_stream_gives_way_to_the_sub_stream_and_comes_back(root, lab, clips):
    main, sub = lab.add("m", clips / "main.mp4"), lab.add("s", clips / "sub.mp4")
    write_addresses(root, stream_url={ONE: main.address}, substream_url={ONE: sub.address})
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")

    def told():
        return house.status()[1].get(ONE)

    def recorded(source):
        return lambda: told() and told().state == "recording" and told().source == source

    script = Script(
        recorded("main"),
        lambda: len(wb.segments([ONE])) >= 1,
        do(lambda: main.fault("refuse")),
        recorded("sub"),
        lambda: any("sub-stream" in note for one in wb.segments([ONE]) for note in one.notes),
        do(main.recover),
        recorded("main"),
        lambda: house.incidents() and not house.incidents(only_open=True),
        lambda: house.incidents()[0].lost_s is not None,
    )
    house.record(segment_s=2, stopped=script)
    assert script.times[3] - script.times[2] < 10
    segments = wb.segments([ONE])
    assert {one.width_px for one in segments if not one.notes} == {160}
    assert {one.width_px for one in segments if one.notes} == {128}
    whole = Span(segments[0].stamped.start_ns, max(one.stamped.stop_ns for one in segments))
    found = house.gaps(whole, [ONE])
    assert found
    assert all(gap.cause for gap in found)
    lost = sum(gap.span.duration_ns for gap in found) / SECOND_NS
    assert lost < 10
    causes = [loss.cause for loss in house._store.upkeep.losses([ONE])]
    assert causes.count("switched") == 2
    (incident,) = house.incidents()
    assert incident.kind == "lost"
    assert incident.lost_s == pytest.approx(lost, abs=0.5)
    assert [one.what.sentence() for one in incident.responses] == [
        "recorded from its sub-stream, because the main one fails",
        "recorded from its main stream again",
    ]


def test_a_branch_that_is_cut_is_one_incident_one_message_one_task(root, lab, clips, webhook):
    house = open_monitoring(root, actor="t")
    ward = house.ward
    branch = ward.site_of(ONE).fibre_branch
    cut = [one for one in ward.cameras if ward.site_of(one).fibre_branch == branch][:6]
    sound = [one for one in ward.cameras if ward.site_of(one).fibre_branch != branch][:3]
    cameras = {name: lab.add(name, clips / "main.mp4") for name in (*cut, *sound)}
    write_addresses(root, stream_url={name: one.address for name, one in cameras.items()})
    url, posted = webhook
    settings = root / "notify.toml"
    settings.write_text(
        f'[rules]\nafter_s = 4\ntask_s = 6\n[webhook]\nurl = "{url}"\n', encoding="utf-8"
    )
    settings.chmod(0o600)
    house = open_monitoring(root, actor="t")

    def all_recorded():
        status = house.status()[1]
        return len(status) == 9 and all(one.state == "recording" for one in status.values())

    def cut_it():
        for name in cut:
            cameras[name].fault("hang")
            cameras[name].drop(reset=True)

    script = Script(
        all_recorded,
        do(cut_it),
        lambda: posted,
        lambda: any(one.task for one in house.incidents(only_open=True)),
        do(lambda: [cameras[name].recover() for name in cut]),
        lambda: house.incidents() and not house.incidents(only_open=True),
        lambda: len(posted) >= 2,
        seconds=120,
    )
    house.record(segment_s=2, stopped=script)
    (incident,) = house.incidents()
    assert set(incident.cameras) == set(cut)
    assert incident.closed_by == ""
    assert incident.task is not None
    assert incident.task.closed_ns == incident.closed_ns
    assert [one["event"] for one in posted] == ["opened", "closed"]
    assert set(posted[0]["cameras"]) == set(cut)
    assert posted[0]["checks"]
    for one in incident.affected:
        assert one.lost_s == pytest.approx((one.back_ns - one.since_ns) / SECOND_NS, abs=6)
        assert one.lost_s > 1
    kept = [json.loads(line) for line in (root / "notices.jsonl").read_text().splitlines()]
    assert [line["event"] for line in kept] == ["opened", "closed"]


def test_an_open_incident_is_taken_up_by_the_next_recorder(root, lab, clips):
    camera = lab.add("m", clips / "main.mp4")
    write_addresses(root, stream_url={ONE: camera.address})
    camera.fault("refuse")
    house = open_monitoring(root, actor="t")
    house.record(segment_s=2, stopped=Script(lambda: house.incidents(only_open=True)))
    (before,) = house.incidents()
    assert before.is_open
    script = Script(
        lambda: house.is_recording(),
        do(camera.recover),
        lambda: not house.incidents(only_open=True),
    )
    house.record(segment_s=2, stopped=script)
    (after,) = house.incidents()
    assert after.incident_id == before.incident_id
    assert after.closed_ns > before.opened_ns
