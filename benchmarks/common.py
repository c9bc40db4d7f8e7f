"""What the benchmarks share: repeated timing and a plain table."""

import platform
import time
from collections.abc import Callable, Sequence

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
