"""How SelaVPR is trained (Lu et al., ICLR 2024): triplets with mined negatives, adapters on a frozen trunk.

What its authors call an epoch is several rounds of mining here: every round is an epoch of the engine, and
`validation.every` says how many make one of theirs. MSLS first, then Pittsburgh30k with `initial` set to that run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import nn

from vprkit import config
from vprkit.config import option
from vprkit.data.benchmark import Benchmark, open_benchmark
from vprkit.data.triplets import TripletSet, triplet_set
from vprkit.errors import ConfigError
from vprkit.methods.selavpr.network import SelaVPRConfig
from vprkit.methods.selavpr.task import SelaVPRTask
from vprkit.methods.selavpr.triplets import freeze
from vprkit.training.augmentation import Augmentation
from vprkit.training.gathering import check_shared
from vprkit.training.settings import Optimiser, Running, TrainingConfig, Validation
from vprkit.training.starting import PRETRAINED, RANDOM, dinov2_name, dinov2_state, start_network
from vprkit.weights.fitting import fit
from vprkit.weights.resolving import choose_by_name


@dataclass(frozen=True)
class SelaVPRRecipe(TrainingConfig):
    """Settings of recipe `selavpr`."""

    model: SelaVPRConfig = option(factory=SelaVPRConfig, help="the network")
    foundation: str = option(
        PRETRAINED, "the DINOv2 to start from: pretrained (in the weights folder), random, or a file"
    )
    train_trunk: bool = option(False, "let the whole network learn, not the adapters alone (small models from nothing)")
    image_size: tuple[int, int] = option((224, 224), "(height, width) of training and test images")
    epochs: int = option(1500, "[free] rounds of mining at most (MSLS: 50 times 30)")
    queries: int = option(1000, "queries of a round")
    batch: int = option(4, "queries of an optimiser step")
    negatives: int = option(2, "negatives of a query")
    samples: int = option(1000, "database images that negatives are sought among")
    mining: Literal["partial", "full", "random", "msls_weighted"] = option("partial", "how negatives are found")
    positive_radius: float = option(10.0, "metres within which a database image may be the positive")
    excluded_radius: float = option(25.0, "metres within which none is a negative")
    margin: float = option(0.1, "of the global hinge")
    augmentation: Augmentation = option(
        factory=partial(Augmentation, shuffle_jitter=False), help="how queries are changed in training"
    )
    optimiser: Optimiser = option(factory=partial(Optimiser, "adam", 1e-5), help="how weights follow gradients")
    validation: Validation = option(
        factory=partial(Validation, every=30, monitor="val:R@5", patience=3, rerank=100),
        help="the deployed metric during training",
    )
    running: Running = option(
        factory=partial(Running, precision="fp32", deterministic=True, last_every=30), help="devices, memory, logs"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.queries, self.batch, self.negatives, self.samples) < 1 or self.queries < self.batch:
            raise ConfigError("queries, batch, negatives and samples must be positive, and a round at least one batch")
        if self.running.chunk is not None:
            raise ConfigError("recipe selavpr has no gradient caching; lower batch, or use running.accumulate")


def task(settings: SelaVPRRecipe, train: Mapping[str, Any]) -> SelaVPRTask:
    """Triplets of one training set.

    Raises:
        ConfigError: several training sets, or more processes than queries in a batch.
    """
    check_shared(settings.batch)
    if len(train) != 1:
        raise ConfigError(f"recipe selavpr draws from one training set, got {', '.join(train)}")
    places = _opened(next(iter(train.values())), settings)
    choice = choose_by_name("selavpr", config.to_dict(settings.model))
    network = start_network(choice, settings.initial, settings.seed)
    if settings.initial is None:
        _start(network, settings)
    if not settings.train_trunk:
        freeze(network)  # type: ignore[arg-type]
    return SelaVPRTask(choice, network, places, settings)


def _start(network: nn.Module, settings: SelaVPRRecipe) -> None:
    """A DINOv2 under adapters that change nothing yet; only adapters may be missing in its file."""
    if settings.foundation == RANDOM:
        return
    trunk = network.get_submodule("backbone")
    name = dinov2_name(settings.model.size, settings.model.registers)
    own = {key: value for key, value in trunk.state_dict().items() if ".adapter" in key}
    fit(trunk, {**dinov2_state(settings.foundation, name), **own}, source=f"{name} does not fit selavpr")


def _opened(source: Any, settings: SelaVPRRecipe) -> TripletSet:
    if isinstance(source, TripletSet):
        return source
    benchmark = source if isinstance(source, Benchmark) else _benchmark(source)
    return triplet_set(
        benchmark.name, benchmark.database, benchmark.queries, settings.positive_radius, settings.excluded_radius
    )


def _benchmark(path: Path) -> Benchmark:
    """The training split of an evaluation set, or the split named after `#`."""
    place, separator, split = str(path).rpartition("#")
    return open_benchmark(place, split) if separator else open_benchmark(path, "train")
