"""The C++ front door, where MAURY_CPP_BUILD names a folder in which CMake has built it."""

import ctypes
import os
from pathlib import Path

FOLDER = Path(os.environ["MAURY_CPP_BUILD"]) if "MAURY_CPP_BUILD" in os.environ else None
WHY_NOT = "MAURY_CPP_BUILD is not set to a folder with a build of the C++ library"


def open_library():
    """Return the shared library, or None without one."""
    if FOLDER is None:
        return None
    library = ctypes.CDLL(str(FOLDER / "libmaury.so"))
    library.maury_error.restype = ctypes.c_char_p
    library.maury_model_from_bytes.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.c_void_p),
    ]
    library.maury_model_free.argtypes = [ctypes.c_void_p]
    return library


LIBRARY = open_library()


def refusal(data):
    """Return why Model::load refuses the bytes of a file, or "" if it accepts them."""
    model = ctypes.c_void_p()
    code = LIBRARY.maury_model_from_bytes(data, len(data), b"bad.onnx", ctypes.byref(model))
    LIBRARY.maury_model_free(model)
    assert code in (0, 2), LIBRARY.maury_error()
    return LIBRARY.maury_error().decode() if code else ""
