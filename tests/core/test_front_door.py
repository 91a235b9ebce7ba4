"""The C++ programs print what maury.fit gives, to the last digit; the library accepts what Python writes."""

import ctypes
import subprocess
import sys
import warnings
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import front_door
import maury
from maury.catalog.flags import flag_names
from maury.emulator.builtin import built_in_file, emulator_of_formats
from network_twin import ACTIVATIONS, random_labels, three_labels

pytestmark = pytest.mark.skipif(front_door.FOLDER is None, reason=front_door.WHY_NOT)
EXAMPLES = Path(__file__).parents[2] / "cpp" / "examples"
SURVEYS = {
    "LAMOST DR10": "lamost_dr10/spec-59522-EG224840N075042B03_sp03-194.fits.gz",
    "LAMOST DR1": "lamost_formats/spec-55859-F5902_sp01-013_dr8.fits.gz",
    "SDSS": "sdss/spec-4961-55719-0378.fits",
    "SDSS, an M dwarf": "sdss/spec-0618-52049-0372.fits",
    "MaStar": "mastar_dr17/goodspec.fits",
}


def model_of(spectra):
    """Return the emulator file that maury.fit takes for spectra of these files."""
    return files("maury") / "data" / f"{emulator_of_formats(spectra.format)}.onnx"


def write_text(spectra, path):
    """Write spectra as the examples read them, with all digits."""
    with path.open("w") as file:
        for own in spectra:
            wavelength = np.atleast_2d(own.wavelength)[0]
            arm = None if own.arm is None else np.atleast_2d(own.arm)[0]
            file.write(f"# rv {own.rv[0]:.17g}\n# snr {own.snr[0]:.17g}\n# quality {own.quality[0]}\n")
            for p in np.flatnonzero(np.isfinite(wavelength)):
                sigma = np.nan if own.lsf is None else own.lsf[0, p]
                ivar = 0.0 if own.mask[0, p] else own.ivar[0, p]
                numbers = [f"{float(x):.17g}" for x in (wavelength[p], own.flux[0, p], ivar, sigma)]
                file.write(" ".join([*numbers, *([] if arm is None else [str(arm[p])])]) + "\n")
            file.write("\n")


def value(catalog, name, i=0):
    return float(getattr(catalog[name][i], "value", catalog[name][i]))


def printed(catalog):
    """Return what fit_one prints, from the catalogue of maury.fit."""
    lines = [
        f"{name} {value(catalog, name):.7g} "
        + " ".join(f"{value(catalog, f'{name}_err{part}'):.5g}" for part in ("", "_formal", "_model"))
        for name in catalog.meta["LABELS"].split(",")
    ]
    flags = int(catalog["flags"][0])
    return [
        *lines,
        f"rv {value(catalog, 'rv'):.6g} {value(catalog, 'rv_err'):.5g}",
        f"chi2 {value(catalog, 'chi2'):.8g} {value(catalog, 'rchi2'):.7g}",
        f"pixels {catalog['n_pixels'][0]} {catalog['n_clipped'][0]}",
        f"status {catalog['status'][0]}",
        ", ".join([f"flags {flags}", *flag_names(flags)]),
    ]


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module", params=SURVEYS)
def survey(request, data_folder, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spectra = maury.read_spectra(data_folder / SURVEYS[request.param])[:1]
    path = tmp_path_factory.mktemp("text") / "spectrum.txt"
    write_text(spectra, path)
    return model_of(spectra), path, maury.fit(spectra, threads=1)


def test_the_program_prints_what_maury_fit_gives(survey):
    model, path, catalog = survey
    assert run(front_door.FOLDER / "cpp/examples/fit_one", model, path) == printed(catalog)


def test_the_c_program_prints_the_same(survey):
    model, path, catalog = survey
    assert run(front_door.FOLDER / "cpp/examples/fit_one_c", model, path) == printed(catalog)


def test_python_through_the_c_interface_prints_the_same(survey):
    model, path, catalog = survey
    found = run(sys.executable, EXAMPLES / "fit_one.py", front_door.FOLDER / "libmaury.so", model, path)
    wanted = printed(catalog)
    n = len(found) - 1
    assert found[:n] == [" ".join(line.split()[:3]) for line in wanted[:n]]
    assert found[n] == wanted[-1].split(",")[0]


def test_the_fortran_program_prints_the_same(survey):
    program = front_door.FOLDER / "cpp/examples/fit_one_f"
    if not program.exists():
        pytest.skip("no Fortran compiler when the library was built")
    model, path, catalog = survey
    found = run(program, model, path)
    for line, name in zip(found[:-1], catalog.meta["LABELS"].split(","), strict=True):
        assert line.split() == [f"{value(catalog, name):.6E}", f"{value(catalog, f'{name}_err'):.4E}"]
    assert found[-1] == f"flags {catalog['flags'][0]}"


def test_many_spectra_with_threads_are_those_of_maury_fit(data_folder, tmp_path):
    paths = sorted((data_folder / "lamost_dr10").glob("*.gz"))[:8]
    spectra = maury.read_spectra(paths)
    write_text(spectra, tmp_path / "spectra.txt")
    catalog = maury.fit(spectra, leave_out=["telluric"], threads=2)
    found = {
        n: run(front_door.FOLDER / "cpp/examples/fit_many", model_of(spectra), tmp_path / "spectra.txt", n)
        for n in (1, 2)
    }
    assert found[1] == found[2]
    names = catalog.meta["LABELS"].split(",")
    for i, line in enumerate(found[2]):
        wanted = [f"{value(catalog, n, i):.7g} {value(catalog, f'{n}_err', i):.5g}" for n in names]
        end = "" if catalog["valid"][i] else " do not use"
        assert line == " ".join([*wanted, f"{value(catalog, 'rv', i):.6g}", f"{catalog['flags'][i]}{end}"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_python_writes_is_accepted_and_computes_the_same(activation):
    emulator = maury.Emulator.from_layers(**three_labels(activation=activation, lsf=np.ones(40)))
    data, library = emulator.to_bytes(), front_door.LIBRARY
    assert front_door.refusal(data) == ""
    model, pointer = ctypes.c_void_p(), ctypes.c_void_p
    library.maury_model_from_bytes(data, len(data), b"", ctypes.byref(model))
    library.maury_model_flux.argtypes = [pointer, pointer, pointer]
    for labels in random_labels(emulator, 5):
        flux = np.empty(len(emulator.wavelength))
        library.maury_model_flux(model, labels.ctypes.data, flux.ctypes.data)
        np.testing.assert_array_equal(flux, emulator.predict(labels))
    library.maury_model_free(model)


def test_the_errors_of_the_model_are_those_of_python():
    emulator, library, pointer = maury.Emulator.load(), front_door.LIBRARY, ctypes.c_void_p
    model, data = pointer(), built_in_file("default")
    library.maury_model_from_bytes(data, len(data), b"", ctypes.byref(model))
    library.maury_model_error.argtypes = [pointer, pointer, pointer]
    labels = random_labels(emulator, 200)
    labels[:3] = [[np.nan, 4, 0], [-5000, 4, 0], [5000, np.inf, 0]]
    found = np.empty_like(labels)
    for row, out in zip(labels, found, strict=True):
        library.maury_model_error(model, row.ctypes.data, out.ctypes.data)
    library.maury_model_free(model)
    np.testing.assert_allclose(found, emulator.model_error(labels), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (b"velocty=fit", "options: unknown name 'velocty'"),
        (b"velocity=maybe", "velocity: expected fit or given"),
        (b"max_rv=-1", "max_rv: expected km/s above 0"),
        (b"max_rv=fast", "max_rv: expected a number, got 'fast'"),
        (b"leave_out=ozone", "leave_out: unknown region ozone; known are telluric"),
        (b"fixed=logg:9", "fixed: expected logg inside its bounds"),
        (b"fixed=age:9", "fixed: unknown label age"),
        (b"lower=1 upper=2", "lower, upper: expected one for each of 3 labels"),
        (b"resolution=2000 fwhm=3", "pass one of them"),
        (b"n_starts", "expected name=value"),
    ],
)
def test_options_that_make_no_sense_are_named(options, message):
    library, pointer = front_door.LIBRARY, ctypes.c_void_p
    model, fit, data = pointer(), pointer(), built_in_file("default")
    library.maury_model_from_bytes(data, len(data), b"", ctypes.byref(model))
    library.maury_fit_new.argtypes = [pointer, ctypes.c_char_p, ctypes.POINTER(pointer)]
    assert library.maury_fit_new(model, options, ctypes.byref(fit)) == 1
    assert message in library.maury_error().decode()
    library.maury_model_free(model)
