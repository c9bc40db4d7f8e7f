"""The command line `vpr`: one typed function per command. Nothing heavy is imported before a command runs."""

from vprkit.cli.app import main

__all__ = ["main"]
