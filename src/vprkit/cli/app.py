"""The `vpr` application: its commands, and how errors reach the user."""

import io
import os
import sys
import traceback

import typer

from vprkit.cli import (
    confidence,
    data,
    demo,
    describe_check,
    evaluate,
    export,
    locate,
    maps,
    methods,
    report,
    reproduce,
    search_checkpoints,
    serve,
    show,
    sweep,
    train,
    weights,
)
from vprkit.errors import VprError

INTERRUPTED = 130
"""Exit status after Ctrl-C, which typer turns into an exit."""

app = typer.Typer(
    name="vpr",
    help="Visual place recognition: find where a photo was taken in a geo-tagged image database.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import vprkit

        typer.echo(vprkit.__version__)
        raise typer.Exit


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks."),
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", is_eager=True, callback=_show_version
    ),
) -> None:
    if debug:
        os.environ["VPRKIT_DEBUG"] = "1"


app.command("demo")(demo.demo)
app.command("methods")(methods.methods)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(evaluate.compare)
app.command("sweep")(sweep.sweep)
app.command("train")(train.train)
app.command("search-checkpoints")(search_checkpoints.search_checkpoints)
app.command("reproduce")(reproduce.reproduce)
app.command("locate")(locate.locate)
app.command("search")(locate.search)
app.command("report")(report.report)
app.command("serve")(serve.serve)
data.app.command("describe-check")(describe_check.describe_check)
app.add_typer(maps.app, name="map")
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
app.add_typer(confidence.app, name="confidence")
app.add_typer(export.app, name="export")
app.add_typer(show.app, name="show")


def main() -> None:
    """Run a command; every expected error becomes one message and exit status 1."""
    # Threads that spin at the end of every parallel loop wait for whole time slices as soon as another program wants a
    # core: measured 60 times slower beside one busy process. Read by OpenMP when torch loads, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names may hold bytes that no encoding knows
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            print("interrupted; what was committed is kept, run the same command again to go on", file=sys.stderr)
        raise
    except VprError as error:
        _say(str(error))
    except BrokenPipeError:
        # The reader of our output went away (`vpr ... | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except RuntimeError as error:
        from vprkit.device import out_of_memory  # torch is loaded already where it raised this

        if not out_of_memory(error):
            raise
        _say("the accelerator has too little memory for this. Describing takes less with a smaller --batch-size, "
             "training with running.chunk=16 (the same gradient from fewer images at once) or fewer images in a batch; "
             "--device cpu takes none of it")  # fmt: skip
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _say(message: str) -> None:
    if os.environ.get("VPRKIT_DEBUG"):
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)
