"""The machine a benchmark runs on.

To be imported before NumPy: it keeps BLAS to one thread and to the kernel that BLAS itself would choose.
"""

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[_name] = "1"
for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # some systems choose a slow kernel with these
    os.environ.pop(_name, None)


@cache
def print_header():
    """Print, once a process, what the figures depend on: processor, instructions, versions."""
    from maury import _core

    packages = ("numpy", "scipy", "torch", "bottleneck", "pandas", "annieslasso", "maury")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{processor()}, {cores} of {os.cpu_count()} cores; maury: {_core.SIMD_LEVEL}; BLAS: {_blas()}")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{p} {_version(p)}" for p in packages))


def processor():
    """Return the model of the CPU."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _blas():
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "as NumPy brings it"
    import numpy  # noqa: F401  threadpoolctl lists what is loaded

    found = [
        entry for entry in threadpool_info() if entry["user_api"] == "blas" and "numpy" in entry["filepath"]
    ]
    return ", ".join(f"{e['internal_api']} {e['version']} {e.get('architecture', '')}".strip() for e in found)
