"""The command line: a mistake is one sentence and an exit status, and the whole path works."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from make.clips import make_clip
from make.rows import sighting_row, sightings_table

from workbench import cli
from workbench.investigation import open_workbench
from workbench.recognition.runs import fanout
from workbench.timeline import parse_instant
from workbench.views.account import account

START = "2026-11-20T07:15:00+07:00"


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs the command line: exit status, output, errors."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture(scope="module")
def root(tmp_path_factory, ward_folder):
    made = tmp_path_factory.mktemp("cli") / "root"
    open_workbench(made, actor="thu", create_from=ward_folder)
    return made


@pytest.fixture(scope="module")
def camera(root):
    return next(iter(open_workbench(root, actor="thu").ward.cameras))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    make_clip(path, 20, rate=10, gop=10, size=(320, 180))
    return path


def one_sentence(err):
    """Say whether standard error holds one line that ends as a sentence, and no traceback."""
    lines = err.strip().splitlines()
    return len(lines) == 1 and lines[0].endswith(".") and "Traceback" not in err


MISTAKES = {
    "missing root": (("coverage", "{nowhere}"), 2, "no workbench"),
    "missing root, search": (("search", "{nowhere}", "99B1"), 2, "no workbench"),
    "missing table of cameras": (("cameras", "import", "{root}", "{nowhere}"), 2, "no such file"),
    "a folder for a table": (("cameras", "import", "{root}", "{root}"), 2, "folder"),
    "missing footage": (
        ("ingest", "{root}", "{nowhere}", "--camera", "{camera}", "--start", START),
        2, "no such file",
    ),
    "start without offset": (
        ("ingest", "{root}", "{clip}", "--camera", "{camera}", "--start", "2026-11-20T07:15:00"),
        2, "time zone",
    ),
    "start that is none": (
        ("ingest", "{root}", "{clip}", "--camera", "{camera}", "--start", "morning"), 2, "morning",
    ),
    "start that no store holds": (
        ("ingest", "{root}", "{clip}", "--camera", "{camera}", "--start", "9999-01-01T00:00:00Z"),
        2, "--start",
    ),
    "not a video": (
        ("ingest", "{root}", "{text}", "--camera", "{camera}", "--start", START), 2, "text.mp4",
    ),
    "zero bytes": (
        ("ingest", "{root}", "{empty}", "--camera", "{camera}", "--start", START), 2, "empty.mp4",
    ),
    "bad rate": (
        ("ingest", "{root}", "{clip}", "--camera", "{camera}", "--start", START, "--rate", "fast"),
        2, "fast",
    ),
    "rate of nothing": (
        ("ingest", "{root}", "{clip}", "--camera", "{camera}", "--start", START, "--rate", "1/0"),
        2, "1/0",
    ),
    "rate without end": (
        ("ingest", "{root}", "{clip}", "--camera", "{camera}", "--start", START,
         "--rate", "1e999999999"),
        2, "frame rate",
    ),
    "sigma that is none": (
        ("ingest", "{root}", "{clip}", "--camera", "{camera}", "--start", START,
         "--clock-sigma", "inf"),
        2, "--clock-sigma",
    ),
    "sigma of no offset": (
        ("ingest", "{root}", "{clip}", "--camera", "{camera}", "--start", START,
         "--clock-sigma", "0.5"),
        2, "Give --clock-offset too",
    ),
    "offset that is none": (
        ("clock", "set", "{root}", "{camera}", "--offset", "nan", "--sigma", "1"), 2, "--offset",
    ),
    "negative sigma": (
        ("clock", "set", "{root}", "{camera}", "--offset", "1", "--sigma", "-1"), 2, "negative",
    ),
    "search without a case": (("search", "{root}", "99B1*"), 3, "refused: "),
    "search in no such case": (
        ("search", "{root}", "99B1*", "--case", "X-1", "--reason", "why"), 2, "X-1",
    ),
    "trace without a case": (("trace", "{root}", "99B1-123.45"), 3, "refused: "),
    "case without a period": (
        ("case", "open", "{root}", "A", "--title", "t", "--legal-basis", "l", "--reason", "r",
         "--from", "", "--to", ""),
        2, "period",
    ),
    "case that ends before it starts": (
        ("case", "open", "{root}", "A", "--title", "t", "--legal-basis", "l", "--reason", "r",
         "--from", START, "--to", "2026-11-20T07:00:00+07:00"),
        2, "ends before",
    ),
    "case of no such camera": (
        ("case", "open", "{root}", "A", "--title", "t", "--legal-basis", "l", "--reason", "r",
         "--from", START, "--to", "2026-11-20T08:00:00+07:00", "--cameras", "S99-P9"),
        2, "S99-P9",
    ),
    "case of no such category": (
        ("case", "open", "{root}", "A", "--title", "t", "--legal-basis", "l", "--reason", "r",
         "--from", START, "--to", "2026-11-20T08:00:00+07:00", "--category", "murder"),
        2, "Choose of traffic",
    ),
    "changing no such case": (
        ("case", "change", "{root}", "X-1", "--reason", "r", "--offence", "theft"), 2, "X-1",
    ),
    "changing without a reason": (
        ("case", "change", "{root}", "X-1", "--reason", "", "--offence", "theft"), 2, "a reason",
    ),
    "closing no such case": (("case", "close", "{root}", "X-1", "--reason", "r"), 2, "X-1"),
    "unknown bench": (("bench", "speed"), 2, "speed"),
    "unknown part of linking": (("bench", "trajectories", "--only", "hard,speed"), 2, "'speed'"),
    "unknown part of recognition": (("bench", "recognition", "--only", "speed"), 2, "'speed'"),
    "recognise first at no such camera": (
        ("recognise", "{root}", "--first", "S99-P9", "--estimate"), 2, "S99-P9",
    ),
    "recognise under no case": (
        ("recognise", "{root}", "--case", "HS-404", "--reason", "thu", "--estimate"), 2, "HS-404",
    ),
    "gaps of no such camera": (
        ("gaps", "{root}", "--from", START, "--to", "2026-11-21T07:15:00+07:00", "--cameras",
         "S99-P9"), 2, "S99-P9",
    ),
    "workers that are none": (
        ("recognise", "{root}", "--workers", "-7", "--estimate"), 2, "--workers",
    ),
    "recognise at no such camera": (
        ("recognise", "{root}", "--cameras", "S99-P9", "--workers", "0"), 2, "S99-P9",
    ),
    "serve beyond loopback": (("serve", "{root}", "--address", "0.0.0.0"), 3, "sign-in"),
    "serve on no port": (("serve", "{root}", "--port", "70000"), 2, "--port"),
    "serve with half a certificate": (("serve", "{root}", "--tls-cert", "{text}"), 2, "--tls-key"),
    "serve with a certificate that is none": (
        ("serve", "{root}", "--tls-cert", "{text}", "--tls-key", "{text}"), 2, "PEM",
    ),
    "a bundle of nothing": (
        ("bundle", "{root}", "{nowhere}.zip", "--plate", "X", "--case", "HS-404", "--reason", "x"),
        2, "HS-404",
    ),
    "a bundle without a case": (("bundle", "{root}", "{nowhere}.zip", "--plate", "X"), 3, "case"),
    "a bundle that is no zip": (("bundle", "{root}", "{nowhere}.tar", "--plate", "X"), 2, ".zip"),
    "a bundle for nobody's key": (
        ("bundle", "{root}", "{nowhere}.zip.age", "--plate", "X", "--recipient", "age1x"), 2, "age",
    ),
    "a notebook of no case": (
        ("case", "export-notebook", "{root}", "HS-404", "{nowhere}.ipynb", "--reason", "x"),
        2, "HS-404",
    ),
    "a notebook that is none": (
        ("case", "export-notebook", "{root}", "HS-1", "{nowhere}.txt", "--reason", "x"), 2, "ipynb",
    ),
    "a bundle to verify that is none": (("verify", "{text}"), 2, "bundle"),
    "people of no role": (("people", "add", "{root}", "lan", "--roles", "king"), 2, "king"),
    "people without a terminal": (
        ("people", "add", "{root}", "lan", "--roles", "operator"), 2, "--password-stdin",
    ),
    "people changed that are not there": (
        ("people", "change", "{root}", "lan", "--lock"), 2, "nobody",
    ),
    "people until no time": (
        ("people", "change", "{root}", "lan", "--until", "tomorrow"), 2, "tomorrow",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "status", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(run, root, camera, clip, tmp_path, words, status, says):
    text, empty = tmp_path / "text.mp4", tmp_path / "empty.mp4"
    text.write_text("this is no film\n" * 99)
    empty.touch()
    places = {
        "root": root, "camera": camera, "clip": clip, "nowhere": tmp_path / "nowhere",
        "text": text, "empty": empty,
    }  # fmt: skip
    got, _out, err = run(*(word.format(**places) for word in words))
    assert (got, one_sentence(err)) == (status, True), err
    assert says in err


def test_a_slip_in_retention_toml_hides_no_camera(run, tmp_path, ward_folder):
    made = tmp_path / "root"
    open_workbench(made, actor="thu", create_from=ward_folder)
    (made / "retention.toml").write_text("[default\n")
    (made / "recording").mkdir()
    told = {"at_ns": 1, "cameras": {"S01-P1": {"since_ns": 1, "state": "lost"}}}
    (made / "recording" / "status.json").write_text(json.dumps(told))
    status, out, err = run("health", made)
    assert status == 1
    assert "S01-P1" in out
    assert "retention.toml cannot be read" in err


def test_a_wrong_camera_names_the_nearest(run, root, camera, clip):
    wrong = camera[:-1] + "9"
    status, _out, err = run("ingest", root, clip, "--camera", wrong, "--start", START)
    assert (status, one_sentence(err)) == (2, True), err
    assert wrong in err
    assert camera in err


def test_a_result_that_cannot_be_written_is_one_sentence(run, root, tmp_path):
    case = ("--title", "t", "--legal-basis", "l", "--reason", "r", "--from", START)
    assert run("case", "open", root, "W", *case, "--to", "2026-11-20T08:00:00+07:00")[0] == 0
    out = tmp_path / "no" / "legs.json"
    words = ("trace", root, "99B1-123.45", "--case", "W", "--reason", "r", "--json", out)
    status, _out, err = run(*words)
    assert (status, one_sentence(err)) == (2, True), err


def test_a_trace_tells_each_leg_in_words_and_in_times_that_say_their_zone(
    run, ward_folder, tmp_path
):
    root, begin = tmp_path / "root", parse_instant(START)
    wb = open_workbench(root, actor=account(), create_from=ward_folder)
    read = [one.camera_id for one in wb.ward.cameras.values() if one.kind == "plate"]
    wb._store.append_sightings(
        sightings_table(
            [
                sighting_row(1, read[0], utc_ns=begin, plate="99B1-123.45"),
                sighting_row(2, read[-1], utc_ns=begin + 10**12, plate="99B1-123.45"),
            ]
        )
    )
    case = ("--title", "t", "--legal-basis", "l", "--reason", "r", "--from", START)
    assert run("case", "open", root, "W", *case, "--to", "2026-11-20T08:00:00+07:00")[0] == 0
    words = ("--case", "W", "--reason", "r")
    status, out, err = run("trace", root, "99b112345", *words)
    assert (status, "2 sightings, 1 legs" in out) == (0, True), (out, err)
    leg = out.splitlines()[0]
    assert leg.startswith("2026-11-20T00:15:00.000Z ")
    assert "1000 s for a way of" in leg
    assert "{" not in leg
    out = run("trace", root, "99Z9-999.99", *words)[1]
    assert "absence of a read is not absence of a vehicle" in out


def test_a_case_says_what_it_is_about_and_changes_with_a_reason(run, root):
    case = ("--title", "t", "--legal-basis", "l", "--reason", "r", "--from", START, "--to",
            "2026-11-20T08:00:00+07:00")  # fmt: skip
    about = ("--offence", "leaving the scene", "--category", "traffic", "--people", "lan, minh")
    assert run("case", "open", root, "HS-9", *case, *about)[0] == 0
    assert "HS-9  open" in run("case", "list", root)[1]
    status, out, err = run("case", "file", root, "HS-9", "--reason", "r")
    assert (status, "leaving the scene" in out, "people: lan, minh" in out) == (0, True, True), err
    words = ("case", "change", root, "HS-9", "--reason", "it was more", "--category", "criminal")
    assert run(*words, "--people", "")[0] == 0
    out = run("case", "file", root, "HS-9", "--reason", "r")[1]
    assert "case.change: it was more" in out
    assert "category: criminal offence" in out
    assert "people: whoever may work on cases" in out
    status, _out, err = run(*words, "--people", "")
    assert (status, one_sentence(err)) == (2, True), err
    out = run("case", "categories", root)[1]
    assert re.search(r"criminal +1827 days .*article 27", out)
    (root / "retention.toml").write_text("[cases]\ncriminal = 3653\n")
    try:
        assert re.search(r"criminal +3653 days .*else 1827", run("case", "categories", root)[1])
        assert run("case", "close", root, "HS-9", "--reason", "done")[0] == 0
        assert "HS-9" in run("protect", "list", root)[1]  # its footage is held all the same
    finally:
        (root / "retention.toml").unlink()


def test_a_fault_in_the_wards_tables_is_one_sentence_and_status_1(run, ward_folder, tmp_path):
    folder = tmp_path / "ward"
    folder.mkdir()
    for table in ward_folder.iterdir():
        if table.is_file():
            (folder / table.name).write_bytes(table.read_bytes())
    cameras = folder / "cameras.csv"
    lines = cameras.read_text(encoding="utf-8").splitlines()
    lines.append(lines[-1])
    cameras.write_text("\n".join(lines) + "\n", encoding="utf-8")
    status, _out, err = run("ward", "check", folder)
    faults = [line for line in err.splitlines() if not line.startswith("advice: ")]
    assert status == 1
    assert len(faults) == 1
    assert "cameras.csv" in faults[0]
    assert run("ward", "check", ward_folder)[0] == 0


def command(*words, **environment):
    """Run the installed command as a process of its own."""
    script = Path(sys.executable).with_name("workbench")
    return subprocess.run(
        [script, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, **environment},
    )


def test_an_unreachable_scheduler_is_one_sentence(
    run, camera, clip, ward_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(fanout, "_START_S", 1)
    made = tmp_path / "root"
    wb = open_workbench(made, actor="thu", create_from=ward_folder)
    wb.ingest(clip, camera, parse_instant(START))
    status, _out, err = run("recognise", made, "--scheduler", "tcp://127.0.0.1:9")
    assert status == 2
    assert one_sentence(err), err
    assert "scheduler does not answer" in err


def test_the_log_names_the_account_whatever_the_environment_says(ward_folder, tmp_path):
    made = tmp_path / "root"
    boss = dict.fromkeys(("WORKBENCH_ACTOR", "USER", "LOGNAME", "USERNAME"), "boss")
    assert command("init", made, "--ward", ward_folder, **boss).returncode == 0
    done = command("search", made, "99B1*", **boss)
    assert (done.returncode, one_sentence(done.stderr)) == (3, True), done.stderr
    assert {entry.actor for entry in open_workbench(made, actor="t").audit()} == {account()}


def test_what_was_taken_in_before_and_what_is_of_the_future_is_said(run, camera, clip, tmp_path):
    root, made = tmp_path / "root", ("--camera", camera, "--start")
    status, out, _err = run("ingest", root, clip, *made, "2020-11-20T07:15:00+07:00")
    assert (status, "note" in out) == (0, False), out
    status, out, _err = run("ingest", root, clip, *made, "2020-11-20T07:15:00+07:00")
    assert (status, out.count("the archive had this file already")) == (0, 1)
    # kept, for a camera's clock may be wrong, but not in silence: a year is soon mistyped
    status, out, _err = run("ingest", tmp_path / "b", clip, *made, "2226-11-20T07:15:00+07:00")
    assert (status, out.count("it starts in the future")) == (0, 1)


def test_a_clock_that_changes_inside_a_file_is_said(run, camera, clip, tmp_path):
    root, made = tmp_path / "root", ("--camera", camera, "--start", START)
    until = "2026-11-20T07:15:01+07:00"
    assert run("init", root)[0] == 0
    words = ("clock", "set", root, camera, "--offset", "-7", "--sigma", "0.2", "--to", until)
    assert run(*words)[0] == 0
    status, out, _err = run("ingest", root, clip, *made)
    assert (status, out.count("its clock changes inside it")) == (0, 1), out
    assert "00:15:01.000Z as stamped: -7.00 s ± 0.20 becomes +0.00 s ± 1.00" in out
    status, out, _err = run("ingest", root, clip, *made, "--clock-offset", "-7")
    assert (status, out.count("its clock changes inside it")) == (0, 0), out


def test_from_footage_to_sightings(run, camera, clip, tmp_path):
    root = tmp_path / "root"
    status, out, _err = run("ingest", root, clip, "--camera", camera, "--start", START)
    assert status == 0
    assert "20 frames" in out
    status, out, err = run("recognise", root, "--cameras", camera, "--workers", "0")
    assert status == 0, err
    assert "0 failed" in out
    assert "1 of 1 spans searched, 0 searched before" in out
    status, out, _err = run("recognise", root, "--cameras", camera, "--workers", "0")
    assert (status, "0 of 0 spans searched, 1 searched before" in out) == (0, True), out
    status, out, _err = run("coverage", root)
    assert (status, out.count(camera)) == (0, 1)
    assert "2.0 s" in out
    status, out, _err = run("verify", root)
    assert status == 0
    assert "1 files" in out
    original = next((root / "archive").rglob("*.mp4"))
    original.chmod(0o644)
    original.write_bytes(original.read_bytes()[:-1] + b"x")
    status, _out, err = run("verify", root)
    assert status == 1
    assert "Traceback" not in err
