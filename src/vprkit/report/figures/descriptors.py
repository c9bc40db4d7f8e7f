"""Global vectors of a benchmark's images on a plane (t-SNE): which places a method keeps together."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from vprkit import extras
from vprkit.data.benchmark import Benchmark
from vprkit.errors import ConfigError
from vprkit.method import Method
from vprkit.registry import Metric
from vprkit.report.figures.canvas import new_figure
from vprkit.retrieval.describe import Streaming, describe_paths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 1000
PERPLEXITY = 30.0
LEAST = 5
"""Images; fewer make no map."""

_DISTANCES: dict[Metric, str] = {"ip": "cosine", "l2": "euclidean"}


def embedded(vectors: np.ndarray, metric: Metric = "ip", seed: int = 0) -> np.ndarray:
    """(N, D) vectors -> (N, 2) by scikit-learn's t-SNE, by the distance that the method is searched with.

    Raises:
        MissingExtra: scikit-learn is not installed.
        ConfigError: there are fewer than five vectors.
    """
    if len(vectors) < LEAST:
        raise ConfigError(f"t-SNE needs at least {LEAST} images, got {len(vectors)}")
    tsne = extras.require("report", "sklearn.manifold").TSNE(
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3), metric=_DISTANCES[metric], init="pca", random_state=seed
    )
    return np.asarray(tsne.fit_transform(np.asarray(vectors, np.float32)))


def descriptor_map(
    method: Method,
    benchmark: Benchmark,
    most: int = MOST,
    *,
    seed: int = 0,
    streaming: Streaming | None = None,
    progress: Callable[[int], None] | None = None,
) -> "Figure":
    """Database images as discs, queries as triangles; colours say where they were taken, so that neighbours are alike.

    Distances between far-off groups mean nothing in a t-SNE; what counts is whether a query lies among its own place.

    Args:
        method: whose global vectors.
        benchmark: its single images; of many, `most` are drawn by lot.
        most: images.
        seed: of the lot and of t-SNE.
        streaming, progress: as of `describe_paths`.

    Raises:
        ImageError: an image cannot be read.
        MissingExtra: matplotlib or scikit-learn is not installed.
        ConfigError: there are fewer than five images.
    """
    sides = (benchmark.database, benchmark.queries)
    paths = [records.path(row) for records in sides for row in range(len(records))]
    drawn = np.sort(np.random.default_rng(seed).permutation(len(paths))[:most])
    blocks = describe_paths(method, [paths[int(row)] for row in drawn], streaming, progress=progress)
    vectors = np.concatenate([method.index_vectors(block.features).cpu().numpy() for block in blocks])
    places = embedded(vectors, method.metric, seed)
    where = np.concatenate([np.stack([records.east, records.north], 1) for records in sides])[drawn]
    asked = drawn >= len(benchmark.database)
    figure = new_figure(6.0, 5.6, f"{method.name} on {benchmark.name}: {len(drawn)} of {len(paths)} images")
    axes = figure.subplots()
    axes.set_axis_off()
    colours = position_colours(where)
    for mark, chosen, label in (("o", ~asked, "database"), ("^", asked, "queries")):
        x, y = places[chosen].T
        axes.scatter(x, y, s=26, c=colours[chosen], marker=mark, edgecolors="black", linewidths=0.4, label=label)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, 1.05), ncols=2)
    return figure


def position_colours(positions: np.ndarray) -> np.ndarray:
    """(N, 2) east and north -> (N, 3) shares of red, green and blue that change steadily over the map.

    Ranks, not metres: crowded quarters get as many colours as they have images. Grey where the position is unknown.
    """
    known = np.isfinite(positions).all(1)
    east, north = (_ranks(positions[known, axis]) for axis in (0, 1))
    colours = np.full((len(positions), 3), 0.6)
    colours[known] = np.stack([east, 0.15 + 0.7 * north, 1 - (east + north) / 2], 1)
    return colours


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of values from 0 to 1, equal ones alike."""
    distinct, places = np.unique(values, return_inverse=True)
    return np.asarray(places / max(1, len(distinct) - 1))
