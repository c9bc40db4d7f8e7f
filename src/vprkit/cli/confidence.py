"""`vpr confidence fit|check`: how sure an answer is, fitted on evaluations and judged on others."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vprkit.cli import options as shared

if TYPE_CHECKING:
    from vprkit.evaluation.reliability import RejectCurve, Reliability

app = typer.Typer(
    no_args_is_help=True, help="Calibrated confidence: how probably an answer is right.", rich_markup_mode=None
)


@app.command("fit")
def fit(
    runs: Annotated[list[Path], typer.Argument(help="Results that `vpr evaluate --save` wrote, of one method.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Calibration to write (JSON).")] = Path("confidence.json"),
    overwrite: shared.Overwrite = False,
) -> None:
    """Fit a calibration on evaluations with ground truth; judge and use it on others."""
    from vprkit.evaluation.confidence import fit_confidence
    from vprkit.evaluation.result import Result
    from vprkit.files import refuse_to_overwrite

    refuse_to_overwrite(out, overwrite)
    fitted = fit_confidence([Result.load(run) for run in runs])
    fitted.save(out, overwrite)
    quality = fitted.quality
    typer.echo(f"{fitted.told}; looks at {fitted.depth} hits")
    typer.echo(f"cross-validated: calibration error {quality['ece']:.3f}, Brier score {quality['brier']:.3f}, "
               f"{100 * quality['right']:.1f} % of {quality['queries']:,.0f} answers right: {out}")  # fmt: skip


@app.command("check")
def check(
    calibration: Annotated[Path, typer.Argument(help="File that `vpr confidence fit` wrote.")],
    run: Annotated[Path, typer.Argument(help="Result of the same method on other images.")],
    bins: Annotated[int, typer.Option(min=2, help="Groups of equally many answers.")] = 10,
    as_json: shared.Json = False,
) -> None:
    """Judge a calibration on a result that it has not seen: calibration error, Brier score, what rejecting buys."""
    import dataclasses

    from vprkit.evaluation.confidence import cautions, judged, right_answers, seen_in_fit
    from vprkit.evaluation.reliability import reject_curve, reliability
    from vprkit.evaluation.result import Result
    from vprkit.retrieval.confidence import Confidence

    confidence, result = Confidence.load(calibration), Result.load(run)
    values, right = judged(confidence, result), right_answers(result)
    found, curve = reliability(values, right, bins), reject_curve(values, right)
    if as_json:
        told = {
            "calibration": confidence.told,
            "seen_in_fit": seen_in_fit(confidence, result),
            "cautions": cautions(confidence, result),
            **dataclasses.asdict(found),
            "aurc": curve.area,
            "levels": [dataclasses.asdict(level) for level in curve.levels()],
        }
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{result.method} on {result.benchmark}; calibration: {confidence.told}")
    for sentence in cautions(confidence, result):
        typer.echo(f"  note: {sentence}")
    typer.echo("\n".join([*_reliability_lines(found), *_reject_lines(curve)]))


def _reliability_lines(found: "Reliability") -> list[str]:
    from vprkit.report.words import plural

    unsure = f", {plural(found.without, 'query', 'queries')} without a confidence" if found.without else ""
    lines = [f"  {plural(found.count, 'answer')}, {100 * found.right:.1f} % right{unsure}",
             f"  expected calibration error {found.ece:.4f} in {plural(len(found.bins), 'equal-mass bin')}, "
             f"Brier score {found.brier:.4f}",
             "  confidence           mean    right   95 % interval   answers"]  # fmt: skip
    return lines + [
        f"  {one.low:.3f} to {one.high:.3f}   {one.confidence:6.3f}   {one.right:6.3f}   "
        f"[{one.interval[0]:.3f}, {one.interval[1]:.3f}]   {one.count:7,}"
        for one in found.bins
    ]


def _reject_lines(curve: "RejectCurve") -> list[str]:
    lines = [f"  area under risk over coverage (AURC) {curve.area:.4f}"]
    for level in curve.levels():
        share = f"  for {100 * level.wanted:g} % right"
        lines.append(
            f"{share}: no threshold reaches it"
            if level.threshold is None
            else f"{share}: accept from confidence {level.threshold:.3f}, which answers {100 * level.answered:.1f} %"
        )
    return lines
