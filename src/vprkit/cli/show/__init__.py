"""`vpr show ...`: pictures of what networks see and compare, of a training run, of a sweep."""

import typer

from vprkit.cli.show import blocks, pairs, runs, sets

app = typer.Typer(help="Pictures: what a network sees in photos, matches, memories, thresholds.", no_args_is_help=True)

app.command("matches")(pairs.matches)
app.command("attention")(pairs.attention)
app.command("heads")(blocks.heads)
app.command("pca")(blocks.pca)
app.command("similarity")(blocks.similarity)
app.command("negatives")(runs.negatives)
app.command("sweep")(runs.sweep)
app.command("sheet")(runs.sheet)
app.command("confidence")(runs.confidence)
app.command("tsne")(sets.tsne)
