"""Published sizes of public evaluation sets: (database, queries) per variant. A mismatch means another variant."""

from pathlib import Path

_FAMILIES: dict[str, dict[str, tuple[int, int]]] = {
    "msls": {
        "MSLS val (740 queries, as in papers)": (18_871, 740),
        "MSLS val (subtask all, before the GPS filter)": (18_871, 747),
        "MSLS val (11,084 queries: unfiltered, lower figures)": (18_871, 11_084),
        "MSLS challenge": (36_565, 1_135),
    },
    "pitts30k": {"test": (10_000, 6_816), "val": (10_000, 7_608), "train": (10_000, 7_416)},
    "pitts250k": {"test": (83_952, 8_280), "val": (78_648, 7_608), "train": (91_464, 7_824)},
    "tokyo247": {"Tokyo 24/7": (75_984, 315), "VPR-Bench's Tokyo": (4_104, 315)},
    "nordland": {
        "all frames": (27_592, 27_592),
        "VPR-Bench / every 10th query": (27_592, 2_760),
        "partitioned test": (3_450, 3_450),
    },
    "stlucia": {"St Lucia": (1_549, 1_464), "RerankVPR's index (queries inside the database)": (3_013, 1_464)},
    "svox": {
        "all": (17_166, 14_278), "night": (17_166, 823), "rain": (17_166, 937), "overcast": (17_166, 872),
        "snow": (17_166, 870), "sun": (17_166, 854),
    },
    "amstertime": {"AmsterTime": (1_231, 1_231)},
    "sped": {"test": (607, 607)},
    "essex3in1": {"ESSEX3IN1": (210, 210)},
    "eynsham": {"Eynsham": (23_935, 23_935)},
    "baidumall": {"Baidu Mall": (689, 2_292)},
    "sfxl": {
        "val": (8_015, 7_993), "test v1": (2_805_840, 1_000), "test v2": (2_805_840, 598),
        "test night": (2_805_840, 466), "test occlusion": (2_805_840, 76),
    },
}  # fmt: skip


def known_counts(root: Path) -> dict[str, tuple[int, int]]:
    """Published variants of the set that lies at `root`, told by its folder names; empty where none is known."""
    for part in reversed(root.resolve().parts):
        name = "".join(character for character in part.lower() if character.isalnum())
        for family, variants in _FAMILIES.items():
            if name in (family, *(family + split for split in ("val", "test", "train", "small"))):
                return variants
    return {}
