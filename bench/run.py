"""Measure all goals in one table: python bench/run.py; or run the benchmarks named, or all of them.

python bench/run.py [goals] [real_spectra] [running_median] [fit] ... | all
"""

import sys
from importlib import import_module

import machine

ALL = ("goals", "real_spectra", "running_median", "fit", "scaling", "memory", "accuracy", "reading")


def main():
    names = sys.argv[1:] or ALL[:1]
    if names == ["all"]:
        names = ALL
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    machine.print_header()
    for name in names:
        print(f"\n== {name} ==", flush=True)
        sys.argv = [name]  # each reads its options from here, and here gets none
        import_module(name).main()


if __name__ == "__main__":
    main()
