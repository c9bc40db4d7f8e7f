"""The `vpr` application: its commands, and how errors reach the user."""

import os
import sys
import traceback

import typer

from vprkit.cli import data, demo, evaluate, locate, maps, methods, report, weights
from vprkit.errors import VprError

app = typer.Typer(
    name="vpr",
    help="Visual place recognition: find where a photo was taken in a geo-tagged image database.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks."),
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if debug:
        os.environ["VPRKIT_DEBUG"] = "1"
    if version:
        import vprkit

        typer.echo(vprkit.__version__)
        raise typer.Exit


app.command("demo")(demo.demo)
app.command("methods")(methods.methods)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(evaluate.compare)
app.command("locate")(locate.locate)
app.command("report")(report.report)
app.add_typer(maps.app, name="map")
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")


def main() -> None:
    """Run a command; every expected error becomes one message and exit status 1."""
    # Threads that spin at the end of every parallel loop wait for whole time slices as soon as another program wants a
    # core: measured 60 times slower beside one busy process. Read by OpenMP when torch loads, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except VprError as error:
        if os.environ.get("VPRKIT_DEBUG"):
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; what was committed is kept, run the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`vpr ... | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
