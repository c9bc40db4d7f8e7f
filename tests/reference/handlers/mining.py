"""Triplet mining: `selavpr/selavpr_mining_*`, with the draws that the case recorded."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.data.layouts.at import parse_name
from vprkit.data.records import Records
from vprkit.data.triplets import TripletSet, triplet_set
from vprkit.training.mining import MININGS, msls_weights


class Recorded:
    """Gives the case's draws in order and checks that each was asked for as it was recorded."""

    def __init__(self, case: Case) -> None:
        names = [name for name in case.tensors if name.startswith("input/draw")]
        names.sort(key=lambda name: int(name.removeprefix("input/draw")))
        self.draws = [case.tensors[name].numpy() for name in names]

    def choice(self, a: int, size: int, replace: bool = True, p: Any = None) -> np.ndarray:
        draw = self.draws.pop(0)
        assert len(draw) == size and draw.max() < a and not replace
        return draw


def places_of(case: Case) -> TripletSet:
    config = case.config
    database, queries = (
        Records.from_rows(Path(), [parse_name(name).row(name) for name in case.json[f"{role}_files"]])
        for role in ("database", "query")
    )
    return triplet_set(
        "case", database, queries, config["train_positives_dist_threshold"], config["soft_positive_radius"]
    )


@handles(
    *(f"selavpr/selavpr_mining_{kind}" for kind in ("partial", "full", "random", "msls_weighted", "removed_queries"))
)
def mining(case: Case) -> None:
    config, found = case.config, Compared(case)
    places, features = places_of(case), case.input("features").numpy()
    found.check("kept_queries", places.kept)
    for name, positives in (("hard", places.positives), ("soft", places.neighbours)):
        found.check(f"{name}_positives_flat", positives.numbers)
        found.check(f"{name}_positives_len", positives.counts)
    if "query_weights" in case.outputs():
        found.check("query_weights", msls_weights(places))
    miner = MININGS[config["mining"]](places, config["negs_num_per_query"], config["neg_samples_num"])
    recorded, count = Recorded(case), len(places.database)

    def describe(numbers: np.ndarray) -> np.ndarray:
        rows = np.where(numbers < count, numbers, count + places.kept[np.maximum(numbers - count, 0)])
        return features[rows]

    name = "aligned_triplets" if "aligned_triplets" in case.outputs() else "triplets"
    rounds = [miner.round(config["cache_refresh_rate"], recorded, describe) for _ in case.output(name)]
    found.check(name, np.stack(rounds))
    assert not recorded.draws
    found.done.add("official_triplets")  # another query's exclusions: the defect that the case describes
    found.assert_complete()
