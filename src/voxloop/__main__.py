"""`python -m voxloop` is the `voxloop` command."""

from voxloop.cli import main

if __name__ == "__main__":
    main()
