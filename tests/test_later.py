"""What a command or a process does not need is not imported before it begins."""

import subprocess
import sys

import pytest

LARGE = [
    "dask", "distributed", "insightface", "networkx", "onnx", "scipy.stats", "torch", "vtkmodules",
    "xarray",
]  # fmt: skip


@pytest.mark.parametrize("begins", ["workbench.cli", "workbench.views.media_server"])
def test_large_libraries_are_not_imported_to_begin(begins):
    code = f"import sys, {begins}; print(*(one for one in {LARGE} if one in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_cluster_starts_in_a_process_that_has_imported_nothing_of_it():
    code = """
if __name__ == "__main__":
    from workbench.recognition.runs.fanout import dask_client

    with dask_client(None, 1, most=1) as client:
        print(client.submit(sum, [1, 2]).result())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3"]
