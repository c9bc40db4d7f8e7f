"""Recall tables for papers and readmes: one row per method, a group of columns per benchmark."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vprkit.errors import DataError
from vprkit.evaluation.result import Result
from vprkit.report import words
from vprkit.report.groups import grouped

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
}


@dataclass(frozen=True)
class _Block:
    """The columns of one benchmark: recalls by run and K."""

    title: str
    ks: tuple[int, ...]
    recalls: dict[str, dict[int, float]]


def markdown_table(results: Sequence[Result]) -> str:
    """Recall@K in per cent as a Markdown table, the best of each column bold.

    Raises:
        DataError: no result has recalls.
    """
    blocks = _blocks(results)
    columns = [f"{_markdown(block.title)} R@{k}" for block in blocks for k in block.ks]
    lines = [["Method", *columns], ["---", *("---:" for _ in columns)]]
    lines += [[_markdown(name), *_cells(blocks, name, "**{}**".format)] for name in _names(blocks)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def latex_table(results: Sequence[Result]) -> str:
    r"""The same as a LaTeX `tabular`; needs `\usepackage{booktabs}`.

    Raises:
        DataError: no result has recalls.
    """
    blocks = _blocks(results)
    titles = " & ".join(f"\\multicolumn{{{len(block.ks)}}}{{c}}{{{_latex(block.title)}}}" for block in blocks)
    columns = " & ".join(f"R@{k}" for block in blocks for k in block.ks)
    rows = [" & ".join([_latex(name), *_latex_cells(blocks, name)]) for name in _names(blocks)]
    return "\n".join([
        rf"\begin{{tabular}}{{l{'r' * sum(len(block.ks) for block in blocks)}}}", r"\toprule", rf"& {titles} \\",
        _rules(blocks), rf"Method & {columns} \\", r"\midrule", *(rf"{row} \\" for row in rows), r"\bottomrule",
        r"\end{tabular}", ""])  # fmt: skip


def _blocks(results: Sequence[Result]) -> list[_Block]:
    blocks = []
    for group in grouped(result for result in results if result.labelled):
        runs = {label: result.recalls for label, result in group.labelled}
        blocks.append(_Block(group.title, tuple(sorted({k for recalls in runs.values() for k in recalls})), runs))
    if not blocks:
        raise DataError("none of the results has recalls, so there is no table; they were made without ground truth")
    return blocks


def _names(blocks: Sequence[_Block]) -> list[str]:
    return list(dict.fromkeys(name for block in blocks for name in block.recalls))


def _cells(blocks: Sequence[_Block], name: str, bold: Callable[[str], str]) -> list[str]:
    """The numbers of one row; of several runs the best, as printed, is bold."""
    cells = []
    for block in blocks:
        for k in block.ks:
            column = [words.number(recalls.get(k)) for recalls in block.recalls.values()]
            shown = words.number(block.recalls.get(name, {}).get(k, math.nan))
            best = max((float(cell) for cell in column if cell != words.UNKNOWN), default=None)
            is_best = len(column) > 1 and shown != words.UNKNOWN and float(shown) == best
            cells.append(bold(shown) if is_best else shown)
    return cells


def _latex_cells(blocks: Sequence[_Block], name: str) -> list[str]:
    return [cell.replace(words.UNKNOWN, "--") for cell in _cells(blocks, name, r"\textbf{{{}}}".format)]


def _rules(blocks: Sequence[_Block]) -> str:
    """A line under each benchmark."""
    rules, first = [], 2
    for block in blocks:
        rules.append(rf"\cmidrule(lr){{{first}-{first + len(block.ks) - 1}}}")
        first += len(block.ks)
    return " ".join(rules)


def _markdown(text: str) -> str:
    """A name that breaks no table and hides no markup."""
    clean = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{sign}" if sign in "\\|*_`[]" else sign for sign in clean)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
