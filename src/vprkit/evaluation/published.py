"""Published figures, each under the protocol it belongs to: what a measurement is put beside.

Left out on purpose: figures whose protocol is not stated (CosPlace's "MSLS"), and those that nobody could confirm
(Pair-VPR, LaVPR print no table).
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Figure:
    """One published row.

    Attributes:
        methods: names of the method or variant it belongs to, with wildcards.
        protocol: name of the protocol.
        recalls: K -> per cent.
        weights: file of the authors that gave it.
        stage: `global` (descriptors only) or `re-ranked`.
        candidates: how many each query's second stage looked at, where that is stated.
        source: who states it.
        checked: False where the figure was not compared with the paper itself, or others could not reproduce it.
    """

    methods: tuple[str, ...]
    protocol: str
    recalls: dict[int, float]
    weights: str = ""
    stage: str = "global"
    source: str = ""
    checked: bool = True
    candidates: int | None = None


def _row(*values: float, ks: tuple[int, ...] = (1, 5, 10, 20)) -> dict[int, float]:
    return dict(zip(ks, values, strict=False))


def _selavpr() -> list[Figure]:
    readme, msls, pitts = "SelaVPR README, 100 candidates", "SelaVPR_msls.pth", "SelaVPR_pitts30k.pth"
    reranked = [
        ("msls-val-740", msls, (90.8, 96.4, 97.2)), ("nordland-3450-w2", msls, (85.2, 95.5, 98.5)),
        ("st-lucia", msls, (99.8, 100.0, 100.0)), ("tokyo247", pitts, (94.0, 96.8, 97.5)),
        ("pitts30k-test", pitts, (92.8, 96.8, 97.7)), ("pitts250k-test", pitts, (95.7, 98.8, 99.2)),
    ]  # fmt: skip
    plain = [
        ("msls-val-740", msls, (87.7, 95.8, 96.6)), ("tokyo247", pitts, (81.9, 94.9, 96.5)),
        ("pitts30k-test", pitts, (90.2, 96.1, 97.1)),
    ]  # fmt: skip
    names = {msls: ("selavpr", "selavpr-msls"), pitts: ("selavpr", "selavpr-pitts30k")}
    rows = [Figure(names[weights], protocol, _row(*values), weights, "re-ranked", readme, candidates=100)
            for protocol, weights, values in reranked]  # fmt: skip
    rows += [Figure(names[weights], protocol, _row(*values), weights, "global", "the paper, recalled", False)
             for protocol, weights, values in plain]  # fmt: skip
    told = [("msls-challenge", (73.5, 87.5, 90.6), "the paper, recalled"),
            ("msls-val-11084", (86.6, 93.8, 95.6), "measured by a user")]  # fmt: skip
    rows += [Figure(names[msls], protocol, _row(*values), msls, "re-ranked", source, False, 100)
             for protocol, values, source in told]  # fmt: skip
    return rows


def _cosplace() -> list[Figure]:
    source = "given by the author of CosPlace"
    known = {
        "vgg16-512": {"pitts250k-test": (89.7, 96.4, 97.7, 98.4), "pitts30k-test": (88.5, 94.5, 95.7, 96.7),
                      "tokyo247": (82.8, 90.0, 93.3, 95.8)},
        "resnet101-2048": {"pitts250k-test": (91.8, 97.5, 98.6, 98.9), "pitts30k-test": (90.4, 95.7, 96.7, 97.4),
                           "tokyo247": (88.6, 95.9, 96.5, 96.5)},
    }  # fmt: skip
    return [
        Figure((f"cosplace-{model}",), protocol, _row(*values), source=source)
        for model, rows in known.items()
        for protocol, values in rows.items()
    ]


def _progeo() -> list[Figure]:
    user = "a user's test of the released file, 512x512"
    return [
        Figure(("progeo*vit*b16*",), "pitts30k-test", _row(90.6, 96.1, 97.3, 98.3), source=user),
        Figure(("progeo*vit*b32*",), "pitts30k-test", _row(89.1, 95.1, 96.5, 97.5), source=user),
        Figure(("progeo*rn*",), "pitts30k-test", _row(91.8, 97.4), checked=False,
               source="quoted from the paper; a user could not reproduce it"),
    ]  # fmt: skip


def _rerankvpr() -> list[Figure]:
    best = "RerankVPR's figures, ViT-L, best thresholds of a grid"
    first = {"tokyo247": 97.46, "pitts30k-test": 93.00, "sped": 92.26, "svox-rain": 98.51, "amstertime": 63.36,
             "svox-night": 96.96}  # fmt: skip
    rows = [Figure(("rerankvpr*",), name, {1: value}, stage="re-ranked", source=best) for name, value in first.items()]
    logs = "RerankVPR's logs, ViT-L"
    rows.append(Figure(("rerankvpr*",), "msls-val-740", _row(91.08, 96.49, 96.89), stage="global", source=logs))
    rows.append(Figure(("rerankvpr*",), "msls-val-740", _row(91.08, 95.68, 96.89), stage="re-ranked",
                       source=f"{logs}, saliency 0.1, match 0.1 to 0.5"))  # fmt: skip
    return rows


def _gsv_cities() -> list[Figure]:
    """MixVPR, ConvAP, SALAD and BoQ, as collected with LaVPR's aggregators; BoQ's Nordland leaves its set open."""
    sets = {"250k": "pitts250k-test", "30k": "pitts30k-test", "msls": "msls-val-740", "challenge": "msls-challenge",
            "nordland": "nordland-2760-w1", "sped": "sped", "amstertime": "amstertime"}  # fmt: skip
    known: dict[str, dict[str, tuple[float, ...]]] = {
        "mixvpr-4096": {"250k": (94.3, 98.2, 98.9), "30k": (91.6, 95.5, 96.4), "msls": (88.2, 93.1, 94.3)},
        "mixvpr-512": {"250k": (93.2, 97.9, 98.6), "30k": (90.7, 95.5, 96.3), "msls": (84.1, 91.8, 93.7)},
        "mixvpr-128": {"250k": (88.7, 95.8, 97.4), "30k": (87.8, 94.3, 95.7), "msls": (78.5, 88.2, 90.4)},
        "convap-8192": {"250k": (92.8, 97.7), "30k": (90.5, 95.2), "msls": (83.1, 90.3), "nordland": (42.7, 58.8)},
        "convap-4096": {"250k": (92.5, 97.7), "30k": (90.5, 95.3), "msls": (83.5, 89.7), "nordland": (42.6, 59.8)},
        "convap-2048": {"250k": (92.3, 97.5), "30k": (90.6, 95.1), "msls": (83.4, 90.3), "nordland": (40.3, 56.6)},
        "convap-512": {"250k": (90.7, 96.6), "30k": (89.1, 94.6), "msls": (82.6, 90.0), "nordland": (36.3, 53.1)},
        "salad": {"challenge": (75.0, 88.8, 91.3), "msls": (92.2, 96.4, 97.0), "nordland": (76.0, 89.2, 92.0)},
        "boq-dinov2-12288": {"msls": (93.8, 96.8, 97.0), "30k": (93.7, 97.1, 97.9), "250k": (96.6, 99.1, 99.5),
                             "sped": (92.5, 95.9, 96.7), "amstertime": (63.0, 81.6, 85.1),
                             "challenge": (79.0, 90.3, 92.0)},
        "boq-resnet50-16384": {"msls": (91.2, 95.3, 96.1), "30k": (92.4, 96.5, 97.4), "250k": (95.0, 98.5, 99.1),
                               "sped": (86.5, 93.4, 95.7), "amstertime": (52.2, 72.5, 78.4)},
    }  # fmt: skip
    return [
        Figure((model,), sets[name], _row(*values), source="the authors' table", checked=False)
        for model, rows in known.items()
        for name, values in rows.items()
    ]


FIGURES: tuple[Figure, ...] = (*_selavpr(), *_cosplace(), *_progeo(), *_rerankvpr(), *_gsv_cities())


def figures_of(methods: tuple[str, ...], protocol: str) -> tuple[Figure, ...]:
    """Rows of a method, known by any of the names, under a protocol."""
    return tuple(
        figure
        for figure in FIGURES
        if figure.protocol == protocol
        and any(fnmatchcase(name, pattern) for name in methods for pattern in figure.methods)
    )


def candidates_of(figures: tuple[Figure, ...], able: bool) -> int:
    """How many candidates to look at again for these figures; 0 for a method without a second stage, or none known."""
    stated = [figure.candidates for figure in figures if figure.stage == "re-ranked"]
    return max(count or 100 for count in stated) if able and stated else 0
