"""Bits of MJDQUAL: what the MaStar team says of a visit (MASTAR_QUAL of DR17), and which to reject."""

from __future__ import annotations

from collections.abc import Iterable

# sdssMaskbits.par of DR17.
QUALITY_BITS = {
    "NODATA": 0,
    "SKYSUBBAD": 1,
    "HIGHSCAT": 2,
    "BADFLUX": 3,
    "LOWCOV": 4,
    "POORCAL": 5,
    "BADHELIORV": 6,
    "MANUAL": 7,
    "EMLINE": 8,
    "LOWSN": 9,
    "MULTIFIBER": 10,
    "BLOWTORCH": 11,
    "SEVEREBT": 12,
    "UPTURNRISK": 13,
    "REDUPTURN": 14,
    "REDDOWNTURN": 15,
    "NONSTELLAR": 16,
    "CRITICAL": 30,
}
# Imig et al. 2021, sec. 2.2: "bad sky subtraction, scattered light, uncertain radial velocity measurements,
# issues manually identified from visual inspection, non-stellar targets, and [...] S/N <= 15".
PAPER_BITS = ("SKYSUBBAD", "HIGHSCAT", "BADHELIORV", "MANUAL", "NONSTELLAR", "LOWSN")


def checked_bits(reject: Iterable[str]) -> tuple[str, ...]:
    """Return the names of bits to reject as a tuple.

    Raises
    ------
    ValueError
        If a name is none of `QUALITY_BITS`.
    """
    bits = (reject,) if isinstance(reject, str) else tuple(reject)
    unknown = [str(bit) for bit in bits if bit not in QUALITY_BITS]
    if unknown:
        raise ValueError(f"reject: expected names among {', '.join(QUALITY_BITS)}, got {', '.join(unknown)}")
    return bits


def bit_mask(bits: Iterable[str]) -> int:
    """Return the sum of the bits of these names."""
    return sum(1 << QUALITY_BITS[bit] for bit in set(bits))
