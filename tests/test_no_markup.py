"""What officers and strangers wrote stays text: on pages, on papers, in files that leave."""

import ast
import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree

import pytest
from make.attacks import EVIL

from workbench.exchange.traces import Feature, write_trace
from workbench.investigation.drawing import Sheet
from workbench.paper import pdf_of

HOUSE = Path(__file__).resolve().parent.parent
TEMPLATES = sorted(HOUSE.glob("workbench/**/*.html"))
SOURCES = sorted(HOUSE.glob("workbench/**/*.py"))
PANELS_OWN = {"shell.html", "refused.html"}
PLACE = re.compile(r"{{([^}]*)}}")


def test_every_template_of_papers_is_made_with_escaping():
    found = 0
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Environment"):
                words = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert words.get("autoescape") == "True", path.name
                found += 1
    assert found >= 5
    marked = [path.name for path in SOURCES if "Markup(" in path.read_text("utf-8")]
    assert marked == ["measured_paper.py"], "a text is taken for markup: escape it there"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_takes_a_text_for_markup(path):
    text = path.read_text("utf-8")
    assert not re.search(r"\|\s*safe", text)
    if path.parts[-3] == "views":  # Panel's own templates do not escape: each place says it
        for place in PLACE.findall(text):
            own = re.search(r"embed\(|bokeh_|plot_script|body|\blang\b|slug|\.code|wait_s", place)
            assert own or re.search(r"\|\s*e\b", place), f"{path.name}: {place}"


def test_no_script_of_ours_writes_what_people_wrote_as_markup():
    for path in sorted(HOUSE.glob("workbench/**/assets/*.js")):
        for line in path.read_text("utf-8").splitlines():
            written = re.search(r"(innerHTML|outerHTML)\s*\+?=\s*(.*)", line)
            if written:
                fixed = written[2].startswith(("'", '"', "`", "TEMPLATE"))
                assert fixed, f"{path.name}: {line.strip()}"
                assert "${" not in written[2], f"{path.name}: {line.strip()}"
            assert "insertAdjacentHTML" not in line, path.name
            assert "document.write" not in line, path.name
            assert not re.search(r"\beval\(|new Function\(", line), path.name


def test_a_drawing_and_files_for_other_maps_hold_it_as_text(tmp_path):
    sheet = Sheet(210.0, 297.0)
    sheet.text(10, 10, EVIL)
    sheet.draft(EVIL)
    tree = ElementTree.fromstring(sheet.svg())
    assert EVIL in [one.text for one in tree.iter() if one.text]
    assert not [one for one in tree.iter() if one.tag.endswith("script")]
    facts = {"plate": EVIL}
    feature = Feature("legs", EVIL, ((105.9, 21.1), (105.8, 21.0)), 0, 1, facts)
    for end in (".kml", ".geojson"):
        path = tmp_path / f"out{end}"
        write_trace(path, [feature], {"title": EVIL})
        text = path.read_text("utf-8")
        assert json.loads(text) if end == ".geojson" else ElementTree.fromstring(text)
        if end == ".kml":
            assert "<script" not in text


class _Asked(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_words):
        pass


def test_a_paper_fetches_nothing_though_its_text_asks(tmp_path):
    secret = tmp_path / "people.json"
    secret.write_text("a secret of the house " * 99)
    server = HTTPServer(("127.0.0.1", 0), _Asked)
    server.asked = []
    Thread(target=server.serve_forever, daemon=True).start()
    elsewhere = f"http://127.0.0.1:{server.server_port}"
    try:
        for place in (secret.as_uri(), elsewhere + "/x"):
            pdf = pdf_of(
                f"<link rel=attachment href='{place}'><a rel=attachment href='{place}'>x</a>"
                f"<link rel=stylesheet href='{place}'><img src='{place}'>"
                f"<object data='{place}'></object><style>@import url('{place}');</style>"
            )
            assert pdf.startswith(b"%PDF")
            assert b"EmbeddedFile" not in pdf
    finally:
        server.shutdown()
        server.server_close()
    assert server.asked == []
