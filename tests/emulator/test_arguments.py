"""Emulator.from_layers: every wrong argument is named, with what came and what was wanted."""

import numpy as np
import pytest

from maury.emulator.emulator import Emulator
from network_twin import three_labels


def _with(key, change):
    """Return the arguments with one array changed in place."""
    arguments = three_labels()
    values = (
        [np.array(value) for value in arguments[key]]
        if key in ("weights", "biases")
        else np.array(arguments[key])
    )
    change(values)
    return arguments | {key: values}


def _set(index, value):
    def change(values):
        if isinstance(values, list):
            values[index[0]][index[1:]] = value
        else:
            values[index] = value

    return change


BAD = {
    "no weights": ({"weights": [], "biases": []}, r"weights, biases: .* at least one; got 0 and 0"),
    "one bias too few": (
        {"biases": three_labels()["biases"][:-1]},
        r"weights, biases: expected equal numbers, at least one; got 3 and 2",
    ),
    "weights all transposed": (
        {"weights": [w.T for w in three_labels()["weights"]]},
        r"weights\[0\]: shape \(3, 12\) .* the 3 labels; weights are \(out, in\).*pass weights\[0\]\.T",
    ),
    "second weight transposed": (
        {"weights": [w.T if i == 1 else w for i, w in enumerate(three_labels()["weights"])]},
        r"weights\[1\]: shape \(12, 9\) .* 12 outputs of layer 0; weights are \(out, in\).* weights\[1\]\.T",
    ),
    "broken chain": (
        {"weights": [*three_labels()["weights"][:2], np.ones((40, 8))]},
        r"weights\[2\]: shape \(40, 8\) does not match the 9 outputs of layer 1; .* \(any, 9\) is expected$",
    ),
    "weight not 2-D": (
        {"weights": [np.ones(3), *three_labels()["weights"][1:]]},
        r"weights\[0\]: expected shape \(any, any\), got \(3,\)",
    ),
    "empty weight": (
        {"weights": [np.ones((0, 3)), *three_labels()["weights"][1:]]},
        r"weights\[0\]: shape \(0, 3\) is empty",
    ),
    "bias of the wrong size": (
        {"biases": [np.ones(11), *three_labels()["biases"][1:]]},
        r"biases\[0\]: expected shape \(12\), got \(11,\)",
    ),
    "NaN weight": (
        _with("weights", _set((1, 2, 3), np.nan)),
        r"weights\[1\]: 1 of 108 values are not finite",
    ),
    "infinite bias": (_with("biases", _set((0, 0), np.inf)), r"biases\[0\]: 1 of 12 values are not finite"),
    "too large for float32": (
        _with("weights", _set((0, 0, 0), 1e300)),
        r"weights\[0\]: values up to 1\.0e\+300 exceed the range of float32",
    ),
    "weights as text": (
        {"weights": [[["a"] * 3], *three_labels()["weights"][1:]]},
        r"weights\[0\]: expected real numbers",
    ),
    "complex": (
        {"label_min": [1j, 0, 0]},
        r"label_min: expected real numbers, got list \(dtype complex128\)",
    ),
    "ragged": ({"label_min": [[1, 2], 0, 0]}, r"label_min: expected real numbers"),
    "unknown activation": (
        {"activation": "swish"},
        r"activation: 'swish' is unknown; use one of identity, relu",
    ),
    "unknown activation in list": ({"activation": ["relu", "swish"]}, r"activation: 'swish' is unknown"),
    "too many activations": (
        {"activation": ["relu", "relu", "identity"]},
        r"activation: 3 given for 2 hidden layers; .*the last layer is always linear",
    ),
    "activation is no text": ({"activation": [None, "relu"]}, r"activation: expected a list of strings"),
    "no label": ({"labels": []}, r"labels: at least one is needed"),
    "labels as one string": ({"labels": "teff"}, r"labels: expected a list of strings, got 'teff'"),
    "label twice": ({"labels": ["teff", "logg", "teff"]}, r"labels: 'teff' occurs twice"),
    "label twice but for case": ({"labels": ["teff", "logg", "Teff"]}, r"labels: 'Teff' occurs twice"),
    "blank label": ({"labels": ["teff", " ", "fe_h"]}, r"labels: ' ' is not a name"),
    "label with a line break": ({"labels": ["teff", "logg\n", "fe_h"]}, r"labels: 'logg\\n' is not a name"),
    "too few units": ({"units": ["K"]}, r"units: 1 given for 3 labels"),
    "too few label_min": ({"label_min": [1.0, 2.0]}, r"label_min: expected shape \(3\), got \(2,\)"),
    "NaN label_max": ({"label_max": [np.nan, 5, 1]}, r"label_max: 1 of 3 values are not finite"),
    "min above max": (
        {"label_min": [3000, 5.5, -1]},
        r"label_min, label_max: the lower value of 'logg' must be below the upper, got 5\.5, 5",
    ),
    "min equals max": (
        {"label_min": [3000, 5, -1]},
        r"the lower value of 'logg' must be below the upper, got 5, 5",
    ),
    "log10 of zero": (
        {"transforms": ["log10", "log10", "linear"]},
        r"label_min, label_max: 'logg' is scaled by log10, so its lower value must be above 0, got 0; use",
    ),
    "log10 of a negative bound": (
        {"bounds": [[-1, 9000], [0, 5], [-1, 1]]},
        r"bounds: 'teff' is scaled by log10, so its lower value must be above 0, got -1",
    ),
    "unknown transform": (
        {"transforms": ["ln", "linear", "linear"]},
        r"transforms: 'ln' of 'teff' is unknown; use linear or log10",
    ),
    "too few transforms": ({"transforms": ["linear"]}, r"transforms: 1 given for 3 labels"),
    "transforms as one string": (
        {"transforms": "log10"},
        r"transforms: expected a list of strings, got 'log10'",
    ),
    "bounds turned": (
        {"bounds": [[3000, 0, -1], [4000, 1, 1]]},
        r"bounds: expected shape \(3, 2\), got \(2, 3\)",
    ),
    "bounds upside down": ({"bounds": [[9000, 4000], [0, 5], [-1, 1]]}, r"bounds: the lower value of 'teff'"),
    "training labels of another shape": (
        {"training_labels": np.ones((5, 4))},
        r"training_labels: expected shape \(any, 3\), got \(5, 4\)",
    ),
    "training labels with NaN": (
        {"training_labels": [[5000, np.nan, 0]]},
        r"training_labels: 1 of 3 values are not",
    ),
    "training range": (
        {"training_range": [[5, 4], [0, 1], [0, 1]]},
        r"training_range: the lower value of 'teff'",
    ),
    "wavelength too short": (
        {"wavelength": np.arange(4000.0, 4039.0)},
        r"wavelength: 39 values, but the last layer gives 40 pixels",
    ),
    "wavelength falls": (
        _with("wavelength", _set(7, 3900.0)),
        r"wavelength: must increase from pixel to pixel, but pixel 6 is .* and pixel 7 is 3900 Angstrom",
    ),
    "wavelength repeats": (
        {"wavelength": np.full(40, 5000.0)},
        r"wavelength: must increase .* pixel 0 is 5000",
    ),
    "wavelength negative": (
        {"wavelength": np.arange(40.0) - 1},
        r"wavelength: must be positive \(Angstrom\), got -1",
    ),
    "wavelength 2-D": (
        {"wavelength": np.ones((40, 1))},
        r"wavelength: expected shape \(any\), got \(40, 1\)",
    ),
    "wavelength NaN": (_with("wavelength", _set(3, np.nan)), r"wavelength: 1 of 40 values are not finite"),
    "scatter negative": (
        {"scatter": np.linspace(-0.1, 0.1, 40)},
        r"scatter: must be 0 or more .* got -0\.1 in pixel 0",
    ),
    "modes above the scatter": (
        {"scatter": np.full(40, 0.01), "modes": np.full((40, 2), 0.01)},
        r"modes: their rms 0\.0141 in pixel 0 exceeds the scatter 0\.01",
    ),
    "modes without scatter": ({"modes": np.full((40, 1), 0.01)}, "exceeds the scatter 0"),
    "modes transposed": ({"modes": np.zeros((2, 40))}, r"modes: expected shape \(40, any\), got \(2, 40\)"),
    "modes too many": ({"modes": np.zeros((40, 65))}, "modes: expected at most 64, got 65"),
    "scatter short": ({"scatter": np.ones(39)}, r"scatter: expected shape \(40\), got \(39,\)"),
    "scatter NaN": ({"scatter": np.full(40, np.nan)}, r"scatter: 40 of 40 values are not finite"),
    "lsf zero": ({"lsf": np.zeros(40)}, r"lsf: must be above 0 in every pixel, got 0 in pixel 0"),
    "lsf one number": ({"lsf": 1.0}, r"lsf: expected shape \(40\), got \(\)"),
    "window zero": ({"window": 0}, r"window: expected a whole number of pixels, 1 or more, got 0"),
    "window fraction": ({"window": 10.5}, r"window: expected a whole number"),
    "window bool": ({"window": True}, r"window: expected a whole number"),
    "meta object": ({"meta": {"data": object()}}, r"meta: must be representable as JSON"),
    "meta NaN": ({"meta": {"rms": float("nan")}}, r"meta: must be representable as JSON"),
    "meta key": ({"meta": {1: "a"}}, r"meta: .* a key is not a string"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_argument_is_named(case):
    changes, message = BAD[case]
    with pytest.raises(ValueError, match=message) as caught:
        Emulator.from_layers(**(three_labels() | changes))
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)
