"""Taking the photos: jobs of one place each, done here or by worker processes.

Workers are plain child processes that read jobs from their standard input. Unlike `multiprocessing` this needs no main
guard in the caller's script, forks no threads and works the same on every system.
"""

import contextlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from vprkit.data.city.describe import describe
from vprkit.data.city.frames import Source
from vprkit.data.city.randomness import generator
from vprkit.data.city.render import take_photo
from vprkit.data.city.scene import City
from vprkit.data.city.shot import Shot
from vprkit.errors import DataError, VprError

Done = dict[str, str]  # path below the output folder -> description


@dataclass(frozen=True)
class Job:
    """The photos of one place: shots and the files they go to, relative to `out`."""

    out: str
    source: Source
    tasks: tuple[tuple[str, Shot], ...]


def run_job(job: Job) -> Done:
    """Take all photos of a job; each file appears complete or not at all."""
    city = _city(job.source.seed, job.source.places)
    texts = {}
    for path, shot in job.tasks:
        photo = take_photo(city, shot, job.source.anchor, job.source.rotation)
        target = Path(job.out, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".part")
        quality = int(generator(city.plan.seed, "quality", *shot.key).integers(82, 95))
        Image.fromarray(photo.pixels).save(temporary, "JPEG", quality=quality)
        temporary.replace(target)
        texts[path] = describe(city.plan.seed, shot, photo.view)
    return texts


@lru_cache(maxsize=2)
def _city(seed: int, places: int) -> City:
    return City(seed, places)


def run_jobs(jobs: Sequence[Job], workers: int, finished: Callable[[Done], None]) -> None:
    """Do all jobs and hand over each result as it comes, in no particular order.

    Raises:
        VprError: a job failed; jobs that were running are given up.
    """
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            finished(run_job(job))
        return
    for done in _in_processes(jobs, min(workers, len(jobs))):
        finished(done)


def _in_processes(jobs: Sequence[Job], workers: int) -> Iterator[Done]:
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    results: queue.SimpleQueue[Done | VprError] = queue.SimpleQueue()
    processes = [_start() for _ in range(workers)]
    threads = [threading.Thread(target=_feed, args=(p, waiting, results), daemon=True) for p in processes]
    try:
        for thread in threads:
            thread.start()
        for _ in jobs:
            result = results.get()
            if isinstance(result, VprError):
                raise result
            yield result
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _start() -> "subprocess.Popen[bytes]":
    # A child must find the same packages, however this process found them, and use one thread each.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from vprkit.data.city.jobs import serve; serve()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _feed(
    process: "subprocess.Popen[bytes]",
    waiting: "queue.SimpleQueue[Job]",
    results: "queue.SimpleQueue[Done | VprError]",
) -> None:
    """Give one worker job after job until none is left."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        return
    with contextlib.suppress(queue.Empty):
        while True:
            job = waiting.get_nowait()
            try:
                pickle.dump(job, stdin)
                stdin.flush()
                answer = json.loads(stdout.readline())
            except (OSError, ValueError):
                results.put(
                    DataError(f"a worker that renders {job.out} ended; see its message above, or use workers=1")
                )
                return
            results.put(DataError(answer["error"]) if "error" in answer else answer["done"])


def serve() -> None:
    """The worker: read pickled jobs, answer each with one line of JSON."""
    # Ctrl-C reaches every process of a terminal; the parent decides what happens to its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            job = pickle.load(source)
        except EOFError:
            return
        try:
            answer: dict[str, object] = {"done": run_job(job)}
        except (VprError, OSError) as error:
            answer = {"error": f"{job.out}: {error}"}
        sink.write(json.dumps(answer).encode() + b"\n")
        sink.flush()
