"""Semi-empirical against synthetic: two emulators that differ only in their spectra (paper, sec. 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.learn.select import select
from maury.learn.train import train
from maury.measure.fit import fit_normalized
from maury.measure.quality import reduced

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator
    from maury.reference.file import Reference

Array = NDArray[np.float64]

KINDS = ("semi-empirical", "synthetic")


@dataclass(frozen=True)
class Twins:
    """Two emulators, and their results for the same observed stars, which neither was trained on.

    Attributes
    ----------
    emulators : (Emulator, Emulator)
        In the order of `KINDS`.
    star_id : (N,) str
    known : (N, L) float64
        Labels of the reference set.
    fitted : (2, N, L) float64
    rchi2 : (2, N) float64
        Chi-square divided by the degrees of freedom, from the noise alone.
    flux, ivar : (N, P) float64
        The normalised spectra that were fitted.
    """

    emulators: tuple[Emulator, Emulator]
    star_id: NDArray[np.str_]
    known: Array
    fitted: Array
    rchi2: Array
    flux: Array
    ivar: Array

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, L."""
        return self.emulators[0].labels

    def table(self) -> QTable:
        """One row per star: known labels, and those of both emulators with their reduced chi-square."""
        from astropy import units as u
        from astropy.table import QTable

        from maury.labels import find_label

        table = QTable({"star_id": self.star_id})
        for j, name in enumerate(self.names):
            unit = u.Unit(find_label(name).unit)
            table[f"{name}_known"] = self.known[:, j] * unit
            for k, kind in enumerate(KINDS):
                table[f"{name}_{kind}"] = self.fitted[k, :, j] * unit
        for k, kind in enumerate(KINDS):
            table[f"rchi2_{kind}"] = self.rchi2[k]
        return table


def train_twins(reference: Reference, twin: Reference, *, progress: bool = False, **options: Any) -> Twins:
    """Train two emulators with one recipe on two versions of a reference set, and fit the same stars.

    Both are trained on the same stars, those in both sets; the same tenth is withheld. The observed spectra
    among these, those of `reference` with origin "empirical", are fitted, weighted only by their noise.

    Parameters
    ----------
    reference : Reference
        Observed stars, with or without models.
    twin : Reference
        Models for the same star_id, see `maury.reference.theory.build_twin`.
    progress : bool
        Show the progress of both trainings on stderr.
    **options
        Of `maury.train`. `doubt` is None by default, since rejecting stars would make the twins differ;
        `folds` is 0 by default, since the twins are compared with each other.

    Raises
    ------
    ValueError
        If a set names a spectrum twice, the two share too few, or no observed star was withheld.
    """
    rows = _rows_in_common(reference, twin)
    sets = [part.spectra[mine] for part, mine in zip((reference, twin), rows, strict=True)]
    origin = reference.origin[rows[0]]
    if options.get("wavelength") is None:
        ends = [s.wavelength[np.isfinite(s.wavelength)] for s in sets]
        options["wavelength"] = (max(w.min() for w in ends), min(w.max() for w in ends))
    options = {"doubt": None, "folds": 0} | options
    emulators = []
    for kind, spectra in zip(KINDS, sets, strict=True):
        meta = {"name": kind, "training_data": kind}
        emulators.append(train(spectra, meta=meta, progress=f"{kind}, " if progress else False, **options))
    held = [emulator.meta["validation_stars"] for emulator in emulators]
    unseen = np.isin(sets[0].star_id, [name for name in held[0] if name in held[1]])
    unseen &= origin == "empirical"
    if not unseen.any():
        raise ValueError(
            f"reference: of its {int((origin == 'empirical').sum())} observed spectra in both sets none was "
            "withheld; use a larger set, or another seed (--seed)"
        )
    first = emulators[0]
    chosen = select(sets[0][np.flatnonzero(unseen)], first.labels, first.wavelength, first.window)
    results = [fit_normalized(e, chosen.flux, chosen.ivar, use_scatter=False) for e in emulators]
    return Twins(
        (emulators[0], emulators[1]),
        chosen.star_id,
        chosen.labels,
        np.stack([result.labels for result in results]),
        np.stack([reduced(r.chi2_noise, r.n_pixels, len(first.labels)) for r in results]),
        chosen.flux,
        chosen.ivar,
    )


def _rows_in_common(reference: Reference, twin: Reference) -> list[NDArray[np.intp]]:
    """Rows of both sets, in the same order, of the spectra named in both."""
    names = []
    for what, part in (("reference", reference), ("twin", twin)):
        spectra = part.spectra
        both = [f"{star} {visit}" for star, visit in zip(spectra.star_id, spectra.visit_id, strict=True)]
        if len(set(both)) < len(both):
            raise ValueError(f"{what}: some spectra share star_id and visit_id; their twins are ambiguous")
        names.append(np.array(both))
    common, first, second = np.intersect1d(names[0], names[1], return_indices=True)
    if not len(common):
        raise ValueError(
            f"twin: none of its {len(names[1])} spectra has the star_id and visit_id of one in the reference "
            "set; make it with: maury reference theory GRID --at REFERENCE"
        )
    return [first, second]
