"""All that can be wrong with one row of a MaStar file, as functions that change its values, (1, ...) each."""

import numpy as np


def put(name, value, at=slice(None)):
    def change(row):
        with np.errstate(over="ignore"):
            row[name][0, at] = value

    return change


def scaled(factor, name="WAVE"):
    def change(row):
        row[name] *= factor

    return change


def ulps(row):
    """Wavelengths one ulp apart."""
    row["WAVE"][0] = row["WAVE"][0, 0] + np.spacing(row["WAVE"][0, 0]) * np.arange(row["WAVE"].shape[1])


def one_ulp(row):
    row["WAVE"][0, 700] = np.nextafter(row["WAVE"][0, 699], np.inf)


def masked_wide(row):
    row["DISP"][0, 700], row["MASK"][0, 700] = 150.0, 1


def named(name, value):
    def change(row):
        row[name][0] = value

    return change


#: Of the spectrum: the row is lost at most.
BAD = {
    "lsf of 150 pixels": scaled(750.0, "DISP"),
    "lsf of 150 pixels in one pixel": put("DISP", 150.0, 700),
    "the same, masked": masked_wide,
    "lsf of 1e30": put("DISP", 1e30),
    "lsf of 1e-30": put("DISP", 1e-30),
    "infinite lsf": put("DISP", np.inf, 700),
    "wavelengths one ulp apart": ulps,
    "two wavelengths one ulp apart": one_ulp,
    "one wavelength at 1e200": put("WAVE", 1e200, -1),
    "wavelengths at 1e200": scaled(1e196),
    "wavelengths at 1e290": scaled(1e286),
    "wavelengths at 1e-297": scaled(1e-300),
    "wavelengths of 0": put("WAVE", 0.0),
    "negative wavelengths": scaled(-1.0),
    "a wavelength is NaN": put("WAVE", np.nan, 500),
    "all wavelengths are NaN": put("WAVE", np.nan),
    "the last wavelength is infinite": put("WAVE", np.inf, -1),
    "nanometres over 1000": scaled(1e-3),
    "flux of 1e38": put("FLUX", 1e38),
    "flux of -1e38": put("FLUX", -1e38),
    "ivar of 1e38": put("IVAR", 1e38),
    "ivar of 1e-38": put("IVAR", 1e-38),
    "ivar is NaN": put("IVAR", np.nan),
    "ivar is infinite": put("IVAR", np.inf),
    "every bit of the mask": put("MASK", -1),
}
#: Of the numbers and names beside it.
BESIDE = {
    "S2N is infinite": named("S2N", np.inf),
    "RA is infinite": named("RA", np.inf),
    "MJDQUAL is negative": named("MJDQUAL", -(2**31)),
    "MANGAID is not ASCII": named("MANGAID", b"7-0000\xe9002"),
    "MANGAID with NUL": named("MANGAID", b"7-00\0\0\0\0002"),
    "MANGAID moves the cursor": named("MANGAID", b"7-\x1b[31m02"),
    "MANGAID with line breaks": named("MANGAID", b"7-00\n\r02\xe2\x80\xa8"),
    "IFUDESIGN is not ASCII": named("IFUDESIGN", b"12\xff01"),
}
