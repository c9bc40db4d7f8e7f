"""What the benchmarks share: repeated timing and a plain table."""

import json
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch


def best_of(function: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    """Least seconds of several calls: what the work costs when nothing else disturbs it.

    On a machine that others use, `time.process_time` leaves out the time that they had, for work on one thread.
    """
    least = float("inf")
    for _ in range(repeats):
        start = clock()
        function()
        least = min(least, clock() - start)
    return least


def machine() -> str:
    name = torch.cpu.get_capabilities().get("cpu_name", platform.processor())
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n{title} ({machine()})\n")
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def rows_of_seeds(
    seeds: Sequence[int], rows: Path | None, one_seed: Callable[[int, Path], tuple[dict[str, float], str]]
) -> list[dict[str, float]]:
    """Figures of every seed, in order; seeds whose row the file holds already are not run again.

    Args:
        seeds: which.
        rows: file that keeps every seed's row, to go on later; None keeps none.
        one_seed: (seed, scratch folder) to figures and sentences about them.
    """
    known = rows.read_text().splitlines() if rows is not None and rows.exists() else []
    found = {int(row["seed"]): row for row in map(json.loads, known)}
    for seed in (seed for seed in seeds if seed not in found):
        with tempfile.TemporaryDirectory() as scratch:
            figures, told = one_seed(seed, Path(scratch))
        print(f"seed {seed}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()), flush=True)
        print(told, flush=True)
        found[seed] = {"seed": seed, **figures}
        if rows is not None:
            with rows.open("a") as file:
                file.write(json.dumps(found[seed]) + "\n")
    return [{name: value for name, value in found[seed].items() if name != "seed"} for seed in seeds]
