"""`python -m vprkit` is `vpr`."""

from vprkit.cli import main

if __name__ == "__main__":
    main()
