"""Run every benchmark, or those named: python bench/run.py [real_spectra] [running_median] [fit] ..."""

import sys
from importlib import import_module

import machine

ALL = ("real_spectra", "running_median", "fit", "scaling", "memory", "accuracy", "reading")


def main():
    names = sys.argv[1:] or ALL
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
