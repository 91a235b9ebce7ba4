"""``import maury`` costs next to nothing, and every public name is there when asked for."""

import subprocess
import sys

import pytest

import maury

HEAVY = ["torch", "onnxruntime", "onnx", "matplotlib", "specutils", "scipy", "astropy", "numpy", "click"]


def modules_after(code):
    """Return the heavy modules that are loaded after running `code` in a fresh Python."""
    code += f"; import sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_import_loads_nothing_heavy():
    assert modules_after("import maury") == []


def test_the_command_line_starts_light():
    assert modules_after("import maury.cli.main") == ["click"]


def test_asking_for_a_version_loads_nothing_heavy():
    assert modules_after("import maury; maury.__version__; dir(maury)") == []


def test_nothing_but_training_needs_torch():
    """Even the name `train` is there without it."""
    code = "import maury; [getattr(maury, name) for name in maury.__all__]"
    assert not {"torch", "onnx", "onnxruntime", "matplotlib", "specutils"} & set(modules_after(code))


@pytest.mark.parametrize("name", maury.__all__)
def test_public_names(name):
    assert getattr(maury, name) is not None
    assert name in dir(maury)
    assert name in vars(maury)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = maury.nonsense


WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
from maury.cli.main import main
main(sys.argv[1:])
"""


def run_without_matplotlib(*words, **options):
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB, *words]
    return subprocess.run(command, capture_output=True, text=True, **options)


def test_only_figures_need_matplotlib():
    run = run_without_matplotlib("demo")
    assert run.returncode == 0, run.stderr
    assert "12 converged" in run.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "no.fits", "--plot", "pictures"),
        ("plot", "stars.fits"),
        ("compare", "a.fits", "b.fits", "--plot", "c.png"),
        ("validate", "miles", "--plot", "pictures"),
        ("twins", "a.fits", "b.fits", "-o", "twins"),
    ],
)
def test_commands_say_before_they_start_that_matplotlib_is_missing(words, tmp_path):
    run = run_without_matplotlib(*words, cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == 'Error: figures require matplotlib: pip install "maury[plot]"\n'
    assert list(tmp_path.iterdir()) == []


def test_a_report_says_that_matplotlib_is_missing(tmp_path):
    run = run_without_matplotlib("report", "a.fits", "-o", "a.html", cwd=tmp_path)
    assert run.stderr == 'Error: a report requires matplotlib: pip install "maury[report]"\n'
