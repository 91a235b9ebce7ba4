"""``python -m maury`` is the ``maury`` command."""

from maury.cli.main import main

if __name__ == "__main__":
    main()
