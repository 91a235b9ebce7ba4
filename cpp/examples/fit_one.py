"""Fits one spectrum through the C interface: fit_one.py LIBMAURY MODEL.onnx SPECTRUM.txt; it needs NumPy."""

import ctypes
import sys

import numpy as np

_numbers = ctypes.POINTER(ctypes.c_double)
_ARRAYS = """labels errors formal_errors model_errors covariance formal_covariance arm_rv
    model continuum weight fitted_flux fitted_ivar"""
_NUMBERS = "chi2 chi2_noise rchi2 rchi2_noise rv rv_err broadening broadening_err snr training_distance"
_COUNTS = "n_pixels n_clipped n_starts n_agree n_evaluations status converged start"


class Spectrum(ctypes.Structure):
    """maury_spectrum."""

    _fields_ = [
        ("n_pixels", ctypes.c_size_t),
        *((name, _numbers) for name in ("wavelength", "flux", "ivar", "lsf")),
        ("mask", ctypes.POINTER(ctypes.c_uint8)),
        ("arm", ctypes.POINTER(ctypes.c_int32)),
        ("n_neighbours", ctypes.c_size_t),
        ("resolution", _numbers),
        ("n_starts", ctypes.c_size_t),
        ("starts", _numbers),
        ("rv", ctypes.c_double),
        ("snr", ctypes.c_double),
        ("quality", ctypes.c_int64),
    ]


class Result(ctypes.Structure):
    """maury_result."""

    _fields_ = [
        ("n_labels", ctypes.c_size_t),
        ("n_arms", ctypes.c_size_t),
        *((name, _numbers) for name in _ARRAYS.split()),
        *((name, ctypes.c_double) for name in _NUMBERS.split()),
        *((name, ctypes.c_int32) for name in _COUNTS.split()),
        ("flags", ctypes.c_uint32),
        ("valid", ctypes.c_int32),
        ("problem", ctypes.c_char_p),
    ]


def open_library(path):
    """Return the library, with the types of what is used here."""
    lib = ctypes.CDLL(path)
    pointer = ctypes.c_void_p
    lib.maury_error.restype = ctypes.c_char_p
    lib.maury_model_label.restype = ctypes.c_char_p
    lib.maury_spectrum_of.restype = Spectrum
    lib.maury_model_load.argtypes = [ctypes.c_char_p, ctypes.POINTER(pointer)]
    lib.maury_model_label.argtypes = [pointer, ctypes.c_size_t]
    lib.maury_fit_new.argtypes = [pointer, ctypes.c_char_p, ctypes.POINTER(pointer)]
    lib.maury_spectrum_of.argtypes = [ctypes.c_size_t, _numbers, _numbers, _numbers, _numbers]
    lib.maury_execute.argtypes = [pointer, ctypes.POINTER(Spectrum), ctypes.POINTER(Result)]
    lib.maury_fit_free.argtypes = lib.maury_model_free.argtypes = [pointer]
    return lib


def main(library, model_path, spectrum_path):
    """Fit the spectrum, and print its labels."""
    lib = open_library(library)

    def check(code):
        if code:
            raise SystemExit(lib.maury_error().decode())

    columns = np.ascontiguousarray(np.loadtxt(spectrum_path, unpack=True))
    spectrum = lib.maury_spectrum_of(columns.shape[1], *(c.ctypes.data_as(_numbers) for c in columns[:4]))
    if len(columns) > 4:
        arm = columns[4].astype(np.int32)
        spectrum.arm = arm.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
    with open(spectrum_path) as file:
        for line in file:
            if line.startswith("#"):
                name, value = line[1:].split()
                setattr(spectrum, name, type(getattr(spectrum, name))(float(value)))
    model, fit, result = ctypes.c_void_p(), ctypes.c_void_p(), Result()
    check(lib.maury_model_load(model_path.encode(), ctypes.byref(model)))
    check(lib.maury_fit_new(model, None, ctypes.byref(fit)))
    check(lib.maury_execute(fit, ctypes.byref(spectrum), ctypes.byref(result)))
    for i in range(result.n_labels):
        print(f"{lib.maury_model_label(model, i).decode()} {result.labels[i]:.7g} {result.errors[i]:.5g}")
    print("flags", result.flags)
    lib.maury_fit_free(fit)
    lib.maury_model_free(model)


if __name__ == "__main__":
    main(*sys.argv[1:])
