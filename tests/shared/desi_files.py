"""Made-up DESI files in the layout of desidatamodel: HDUs, types, units, arms that overlap."""

import numpy as np
from astropy.io import fits
from scipy.sparse import dia_matrix

from survey_files import star

ARMS = {"B": (3600.0, 5800.0), "R": (5760.0, 7620.0), "Z": (7520.0, 9824.0)}
WIDTH = 11


def wavelengths(step=0.8):
    return {arm: np.arange(low, high + 0.4, step) for arm, (low, high) in ARMS.items()}


def diagonals(rng, n, n_pixels, sigma, width=WIDTH):
    """Diagonals (n, width, n_pixels) as DESI stores them: each row a Gaussian of its own, cut at the ends."""
    offsets = np.arange(width // 2, -(width // 2) - 1, -1)
    data = np.zeros((n, width, n_pixels))
    for i in range(n):
        own = sigma * (1 + 0.1 * rng.random(n_pixels))  # pixels
        p = np.arange(n_pixels)[None, :] - offsets[:, None]  # the row in which an element of the data lies
        inside = (p >= 0) & (p < n_pixels)
        s = own[np.clip(p, 0, n_pixels - 1)]
        data[i] = np.where(inside, np.exp(-0.5 * (offsets[:, None] / s) ** 2) / s / np.sqrt(2 * np.pi), 0.0)
    return data


def dense(data):
    """Matrix of one spectrum, by scipy."""
    width, n_pixels = data.shape
    offsets = np.arange(width // 2, -(width // 2) - 1, -1)
    return dia_matrix((data, offsets), shape=(n_pixels, n_pixels)).toarray()


def write_desi(
    path, n=3, step=0.8, arms=ARMS, exposures=False, leave_out=(), sigma=(0.9, 0.8, 0.75), width=None
):
    """Write a coadd file (or one of exposures); each spectrum is a star of its own brightness.

    Returns the arrays in the file by HDU name.
    """
    rng = np.random.default_rng(4)
    target = np.array([39627652591521181 + 7 * i for i in range(n)], dtype=">i8")
    ids = [fits.Column("TARGETID", "K", array=target), fits.Column("OBJTYPE", "3A", array=["TGT"] * n)]
    held = {"TARGETID": target, "ra": 150.0 + np.arange(n), "dec": -20.0 + np.arange(n)}
    ids += [fits.Column(f"TARGET_{name.upper()}", "D", array=held[name]) for name in ("ra", "dec")]
    if exposures:
        ids.append(fits.Column("EXPID", "J", array=80605 + np.arange(n)))
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(ids, name="FIBERMAP")]
    unit = "10**-17 erg/(s cm2 Angstrom)"
    for (arm, wave), own in zip(wavelengths(step).items(), sigma, strict=True):
        if arm not in arms:
            continue
        shape = (n, len(wave))
        images = {
            "WAVELENGTH": (wave.astype(">f8"), "Angstrom"),
            "FLUX": ((star(wave) * (1 + np.arange(n))[:, None]).astype(">f4"), unit),
            "IVAR": (np.full(shape, 4.0, dtype=">f4"), "10**+34 (s2 cm4 Angstrom2) / erg2"),
            "MASK": (np.zeros(shape, dtype=np.uint32), None),  # stored as int32 and BZERO
            "RESOLUTION": (
                diagonals(rng, n, len(wave), own, (width or {}).get(arm, WIDTH)).astype(">f4"),
                None,
            ),
        }
        images["IVAR"][0][:, 3] = 0
        images["MASK"][0][:, 6] = 1 << 31
        for name, (array, bunit) in images.items():
            if f"{arm}_{name}" in leave_out:
                continue
            hdu = fits.ImageHDU(array, name=f"{arm}_{name}")
            if bunit:
                hdu.header["BUNIT"] = bunit
            hdus.append(hdu)
            held[f"{arm}_{name}"] = array
    scores = fits.Column("TARGETID", "K", array=target)
    hdus.append(fits.BinTableHDU.from_columns([scores], name="SCORES"))
    fits.HDUList([hdu for hdu in hdus if hdu.name not in leave_out]).writeto(path)
    return held
