"""Learn: from labelled spectra to an emulator."""

from importlib.util import find_spec

NO_TORCH = (
    "training requires torch, which is not installed: pip install 'maury[train]' (or, for the small "
    "build without GPU libraries, install the CPU wheel of torch first)"
)


def need_torch() -> None:
    """Raise ImportError if torch is not installed; importing it takes seconds."""
    if find_spec("torch") is None:
        raise ImportError(NO_TORCH)
