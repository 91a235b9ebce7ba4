"""The C++ core knows no Python, and a stage includes only stages before it."""

import re
from pathlib import Path

import pytest

CPP = Path(__file__).parents[2] / "cpp"
# Ground floor first, then the stages in the order the data moves.
ORDER = [
    (
        "codes",
        "export",
        "parallel",
        "cholesky",
        "median",
        "aligned",
        "activation",
        "layer",
        "simd",
        "options",
    ),
    ("kernels", "vector", "affine", "activate", "rows", "gram", "sums", "banded", "cubes", "panels", "lines"),
    ("processor", "dispatch"),
    ("rank_sort", "narrow_median", "running_median"),
    ("blurred_step", "step_table", "instrument"),
    ("trunk", "emulator_checks", "emulator"),
    ("box_step", "solve"),
    ("wavelength_grid", "measure"),  # what is measured and what comes of it; plan.cpp, measure.cpp: the end
    ("pixels", "continuum", "clip"),
    ("label_prior", "quadratic", "gram_stretches", "candidates", "search"),
    ("residual_modes",),
    ("plan", "velocity_scan", "finish", "finish_derivatives"),
    ("spectrum_fit", "spectrum_search", "spectrum_finish", "spectrum_known", "spectrum_store"),
    # The front door: what a model consists of, the errors and flags of a fit, and all of it together.
    ("regions", "option_text", "model_parts", "label_space", "starts", "training_distance", "model_error"),
    ("symmetric_eigen", "low_rank"),
    ("maury", "emission", "misfit", "residuals", "quality"),
    ("model_checks", "model_state", "model", "spectrum_checks", "spectrum_result", "fit"),
    (
        "onnx_file",
        "onnx_reading",
        "onnx_node",
        "onnx_values",
        "onnx_graph",
        "model_metadata",
        "model_load",
        "model_no_load",
        "c_api",
    ),
]
# Libraries that one file may use, which is built where they are.
ELSEWHERE = {
    "protozero/exception.hpp": "onnx_reading.hpp",
    "protozero/pbf_reader.hpp": "onnx_reading.hpp",
    "nlohmann/json.hpp": "model_metadata.cpp",
}
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
SOURCES = sorted(path for folder in ("include", "src") for path in (CPP / folder).rglob("*.*"))


def included(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CPP)))
def test_core_file(path):
    text = path.read_text()
    assert "pybind11" not in text
    assert "Python.h" not in text
    assert path.stem in LEVEL, f"say in ORDER which stage {path.name} belongs to"
    own = [name for name in included(path) if "." in name]  # the standard library's names have no dot
    for name in own:
        stem = Path(name).stem
        outside = ("sched.h", "immintrin.h", "cpuid.h", "stddef.h", "stdint.h")
        if name in outside or ELSEWHERE.get(name) == path.name:
            continue
        here = len(ORDER) if path.name == "measure.cpp" else LEVEL[path.stem]
        assert LEVEL[stem] <= here, f"{path.name} includes {name} of a later stage"


def test_only_the_bindings_know_python():
    assert len(SOURCES) >= 15
    for path in (CPP / "bindings").glob("*.*"):
        assert path.suffix in (".cpp", ".hpp")
    for path in (CPP / "tests").rglob("*.?pp"):
        assert "pybind11" not in path.read_text()


@pytest.mark.parametrize("path", sorted(CPP.rglob("*.?pp")), ids=lambda path: str(path.relative_to(CPP)))
def test_files_stay_small(path):
    assert len(path.read_text().splitlines()) < 320
