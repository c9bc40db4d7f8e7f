"""How true the confidences of a report's runs are, and what rejecting unsure answers buys."""

from collections.abc import Sequence
from dataclasses import dataclass

from vprkit.errors import DataError
from vprkit.evaluation.confidence import cautions, check_fits, judged, right_answers
from vprkit.evaluation.reliability import Level, RejectCurve, Reliability, reject_curve, reliability
from vprkit.evaluation.result import Result
from vprkit.report import words
from vprkit.report.charts import chart_figure, per_cent, thinned
from vprkit.report.groups import Group
from vprkit.report.markup import Html, details, element, join, section, table
from vprkit.report.svg import Series, line_chart
from vprkit.retrieval.confidence import Confidence


@dataclass(frozen=True)
class Judged:
    """A run whose confidences were compared with what was right."""

    label: str
    result: Result
    calibration: Confidence
    found: Reliability
    curve: RejectCurve


def confidence(group: Group, calibrations: Sequence[Confidence]) -> Html:
    """Reliability diagram, calibration error and reject curve of every run that one of the calibrations fits."""
    if not calibrations:
        return Html("")
    runs, notes = [], []
    for label, result in group.labelled:
        try:
            runs.append(_judged(label, result, calibrations))
        except DataError as error:
            notes.append(f"{label}: {error}.")
    notes += [f"{run.label}: {sentence}." for run in runs for sentence in cautions(run.calibration, run.result)]
    shown = element("ul", *(element("li", note) for note in notes), class_="notices") if notes else ""
    if not runs:
        return section("Confidence", shown)
    charts = element("div", _diagram(runs), _reject_chart(runs), class_="charts")
    return section("Confidence", _summary(runs), shown, charts)


def _judged(label: str, result: Result, calibrations: Sequence[Confidence]) -> Judged:
    """By the first calibration that fits; the last one's reason where none does."""
    for one in calibrations[:-1]:
        try:
            check_fits(one, result)
        except DataError:
            continue
        return _by(label, result, one)
    return _by(label, result, calibrations[-1])


def _by(label: str, result: Result, calibration: Confidence) -> Judged:
    values, right = judged(calibration, result), right_answers(result)
    return Judged(label, result, calibration, reliability(values, right), reject_curve(values, right))


def _summary(runs: Sequence[Judged]) -> Html:
    rows = [
        [run.label, run.calibration.told, words.count(run.found.count), words.number(100 * run.found.right),
         words.number(run.found.ece, 3), words.number(run.found.brier, 3), words.number(run.curve.area, 3)]
        for run in runs
    ]  # fmt: skip
    header = ["Run", "Calibration", "Answers", "Right, %", "Calibration error", "Brier score", "AURC"]
    note = ("Confidence is the calibrated probability that the first answer is right. Calibration error: mean distance "
            "of confidence and share right over groups of equally many answers. AURC: area under the share wrong over "
            "the share answered, less is better.")  # fmt: skip
    return join([table("Calibration", header, rows, left=2), element("p", note, class_="note")])


def _diagram(runs: Sequence[Judged]) -> Html:
    series = [
        Series(run.label, [(100 * one.confidence, 100 * one.right) for one in run.found.bins], markers=True,
               bars=[(100 * one.confidence, 100 * one.interval[0], 100 * one.interval[1]) for one in run.found.bins])
        for run in runs
    ]  # fmt: skip
    drawn = line_chart(series, per_cent("confidence, per cent"), per_cent("right, per cent"),
                       "Share right over confidence of each run", diagonal=True)  # fmt: skip
    counts = sorted({one.count for run in runs for one in run.found.bins})
    each = words.count(counts[0]) if len(counts) == 1 else f"{words.count(counts[0])} to {words.count(counts[-1])}"
    note = (f"Each point stands for {each} answers of like confidence, with the 95 % interval of their share right. "
            "True confidences lie on the dashed line.")  # fmt: skip
    tables = (_bins(run, len(runs) > 1) for run in runs)
    return chart_figure("Reliability", _named(runs), drawn, note, details("As a table", *tables))


def _bins(run: Judged, named: bool) -> Html:
    rows = [
        [f"{words.number(100 * one.low)} – {words.number(100 * one.high)}", words.number(100 * one.confidence),
         words.number(100 * one.right),
         f"{words.number(100 * one.interval[0])} – {words.number(100 * one.interval[1])}", words.count(one.count)]
        for one in run.found.bins
    ]  # fmt: skip
    title = element("h4", run.label) if named else ""
    header = ["Confidence, %", "Mean", "Right, %", "95 % interval", "Answers"]
    return join([title, table(f"Share right by confidence, {run.label}", header, rows)])


def _reject_chart(runs: Sequence[Judged]) -> Html:
    series = [Series(run.label, thinned(run.curve.answered, run.curve.right)) for run in runs]
    floor = min(10.0 * int(min((y for one in series for _, y in one.points), default=0.0) / 10), 90.0)
    drawn = line_chart(series, per_cent("answered, per cent of queries"), per_cent("right, per cent of answers", floor),
                       "Share right over share answered of each run")  # fmt: skip
    note = ("Answers below a confidence are given as “I do not know this place”: how many queries are answered then, "
            "and how many of these answers are right.")  # fmt: skip
    rows = [
        [f"{100 * level.wanted:g} %", *([run.label] if len(runs) > 1 else []), *_level(level)]
        for run in runs
        for level in run.curve.levels()
    ]
    header = ["Wanted right", *(["Run"] if len(runs) > 1 else []), "Accept from confidence", "Answered, %"]
    summary = table("Thresholds", header, rows, left=len(header) - 2)
    return chart_figure("Rejecting unsure answers", _named(runs), drawn, note, summary)


def _level(level: Level) -> list[str]:
    if level.threshold is None:
        return ["never reached", words.number(0.0)]
    return [words.number(level.threshold, 3), words.number(100 * level.answered)]


def _named(runs: Sequence[Judged]) -> list[tuple[str, Judged]]:
    return [(run.label, run) for run in runs]
