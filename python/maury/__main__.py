"""``python -m maury`` is the ``maury`` command."""

from .cli import main

if __name__ == "__main__":
    main()
