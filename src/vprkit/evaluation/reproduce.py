"""A measurement beside what was published: weights, lists, protocol, counts, and every figure with its difference."""

from dataclasses import asdict, dataclass
from typing import Any

from vprkit.data.protocols import Protocol
from vprkit.evaluation.published import Figure, figures_of
from vprkit.evaluation.result import Result


@dataclass(frozen=True)
class Reproduction:
    """One result under a protocol, and the published rows that it can be put beside."""

    result: Result
    protocol: Protocol
    figures: tuple[Figure, ...]

    @staticmethod
    def of(result: Result, protocol: Protocol, asked: str) -> "Reproduction":
        """With the figures known for the method, under its own name or the one it was asked by."""
        return Reproduction(result, protocol, figures_of((result.method, asked), protocol.name))

    @property
    def comparable(self) -> bool:
        """The counts are the published ones."""
        return self.protocol.fits(self.result.database, self.result.queries)

    def measured(self, stage: str) -> dict[int, float]:
        """K -> recall of descriptors alone (`global`) or after the second stage; empty where not measured."""
        if stage == "global":
            return self.result.first_stage if self.result.reranked else self.result.recalls
        return self.result.recalls if self.result.reranked else {}

    def differences(self, figure: Figure) -> dict[int, float]:
        """K -> measured minus published of the same stage, in percentage points, for the K that both have."""
        measured = self.measured(figure.stage)
        return {k: measured[k] - value for k, value in figure.recalls.items() if k in measured}

    def table(self) -> str:
        """What the console shows."""
        result, protocol = self.result, self.protocol
        weights = result.weights or {}
        lines = [
            f"{result.method} under {protocol.name}: {protocol.title}",
            f"  weights    {weights.get('path') or 'none'}  SHA-256 {weights.get('sha256') or 'none'}",
            f"  counts     {result.database:,} database, {result.queries:,} queries; published {protocol.counts}",
            f"  counted    {protocol.denominator}; positives {result.rule}; images {protocol.images}",
            *(f"  {role:<10} list SHA-256 {value}" for role, value in result.list_hashes.items()),
            f"  source     {protocol.source}",
        ]
        warning = self._warning()
        if warning:
            lines.append(f"  NOT COMPARABLE: {warning}")
        lines += self._figures()
        lines += [f"  note: {notice}" for notice in result.notices if notice != warning]
        return "\n".join(lines)

    def _warning(self) -> str | None:
        """What opening the set said about its counts, which knows more than the result's counts tell."""
        start = f"protocol {self.protocol.name} has "
        said = next((notice for notice in self.result.notices if notice.startswith(start)), None)
        return said or self.protocol.warning(self.result.database, self.result.queries)

    def _figures(self) -> list[str]:
        if not self.result.labelled:
            return ["  ground truth is withheld: there is nothing to compare; write a submission file"]
        ks = list(self.result.recalls)
        lines = ["", "  " + " " * 36 + "".join(f"{f'R@{k}':>13}" for k in ks)]
        again = f"measured, {self.result.reranked} re-ranked" if self.result.reranked else "measured, global"
        lines.append(f"  {again:<36}" + "".join(f"{self.result.recalls[k]:13.1f}" for k in ks))
        intervals = (f"{low:.1f}-{high:.1f}" for low, high in (self.result.intervals[k] for k in ks))
        lines.append(f"  {'  95 % interval':<36}" + "".join(f"{text:>13}" for text in intervals))
        if self.result.reranked:
            before = (f"{self.result.first_stage.get(k, float('nan')):13.1f}" for k in ks)
            lines.append(f"  {'measured, global':<36}" + "".join(before))
        for figure in self.figures:
            lines += self._row(figure, ks)
        if not self.figures:
            lines.append(f"  no published figure is known for {self.result.method} under {self.protocol.name}")
        return [*lines, ""]

    def _row(self, figure: Figure, ks: list[int]) -> list[str]:
        told = self.differences(figure)
        stage = f"{figure.candidates} re-ranked" if figure.candidates else figure.stage
        name = f"published, {stage}" + ("" if figure.checked else ", unconfirmed")
        cells = (f"{figure.recalls[k]:13.1f}" if k in figure.recalls else f"{'':13}" for k in ks)
        apart = (f"{told[k]:+13.1f}" if k in told else f"{'':13}" for k in ks)
        origin = ", ".join(part for part in (figure.source, figure.weights) if part)
        told_not = "" if told or figure.stage == "global" else "; pass --rerank to measure this"
        return [f"  {name:<36}{''.join(cells)}", f"  {'  difference':<36}{''.join(apart)}   ({origin}{told_not})"]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        result = self.result
        return {
            "method": result.method, "protocol": asdict(self.protocol) | {"select": dict(self.protocol.select)},
            "comparable": self.comparable, "weights": result.weights, "lists": result.list_hashes,
            "database": result.database, "queries": result.queries, "rule": result.rule,
            "measured": {str(k): value for k, value in result.recalls.items()}, "reranked": result.reranked,
            "first_stage": {str(k): value for k, value in result.first_stage.items()},
            "intervals": {str(k): list(pair) for k, pair in result.intervals.items()},
            "published": [
                {**asdict(figure), "recalls": {str(k): value for k, value in figure.recalls.items()},
                 "differences": {str(k): value for k, value in self.differences(figure).items()}}
                for figure in self.figures
            ],
            "notices": list(result.notices),
        }  # fmt: skip
