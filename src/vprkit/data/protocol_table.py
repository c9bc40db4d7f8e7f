"""The protocols. Counts are those of published lists, or of the literature where `confirmed=False`."""

from typing import Any

from vprkit.data.protocols import Protocol

READER = "planar UTM within 25 m, all queries count (VPR-datasets-downloader and its readers)"
MSLS = "Warburg et al., CVPR 2020: mapillary_sls, subtask all, panoramas out, queries without a positive out"
EDITED = "86 of the 740 queries, edited: put {0} beside the queries of the @ layout; not comparable with the 740"
SEQUENCES = "Warburg et al., CVPR 2020: mapillary_sls, tasks of sequences; no counts are published with it"
AGGREGATED = "how a sequence is described from its images is the method's choice: state it"
TASKS = {"seq2seq": "sequences ask, sequences answer", "seq2im": "sequences ask, images answer",
         "im2seq": "images ask, sequences answer"}  # fmt: skip
NETVLAD = "Arandjelovic et al., CVPR 2016: dbStruct lists"
BENCH = "Zaffar et al., IJCV 2021: VPR-Bench's ground_truth_new.npy"


def _msls() -> list[Protocol]:
    def val(name: str, title: str, database: int | None, queries: int | None, **more: Any) -> Protocol:
        more = {"source": MSLS, "answerable_only": True, **more}
        return Protocol(f"msls-val-{name}", "msls", title, database, queries, "val", **more)

    return [
        val("740", "the MSLS-val of papers (740 queries)", 18_871, 740,
            caution="not the 11,084 queries that the @ formatter writes: those give lower figures by several points"),
        val("747", "MSLS-val, subtask all, before queries without a positive are dropped", 18_871, 747,
            answerable_only=False),
        val("11084", "the unfiltered MSLS-val", 18_871, 11_084, answerable_only=False, confirmed=False, source=READER,
            caution="what the @ formatter writes; lower figures than the 740 of papers", deviant=True),
        val("cph", "MSLS-val, Copenhagen only", 12_556, 498, select={"cities": ("cph",)}),
        val("sf", "MSLS-val, San Francisco only", 6_315, 242, select={"cities": ("sf",)}),
        *(val(flag, f"MSLS-val, subtask {flag}", None, None, select={"subtask": flag})
          for flag in ("s2w", "w2s", "o2n", "n2o", "d2n", "n2d")),
        *(val(edit, f"MSLS-val, 86 queries {words} (LaVPR)", 18_871, 86, select={"queries": f"query_{edit}"},
              answerable_only=False, source="LaVPR", caution=EDITED.format(f"query_{edit}"))
          for edit, words in (("blur", "blurred"), ("weather", "in made weather"))),
        *(val(f"{task}-3", f"MSLS-val, {words}, 3 frames each", None, None, select={"task": task, "length": 3},
              source=SEQUENCES, caution=AGGREGATED) for task, words in TASKS.items()),
        Protocol("msls-challenge", "msls", "the MSLS challenge", 36_565, 1_135, "test", "auto", search_inside=True,
                 source=MSLS, caution="positions are withheld: write a submission file; papers also quote the full "
                 "totals 38,770 / 27,092"),
        *(Protocol(f"msls-challenge-{task}-3", "msls", f"the MSLS challenge, {words}, 3 frames each", None, None,
                   "test", "auto", select={"task": task, "length": 3}, search_inside=True, source=SEQUENCES,
                   caution=AGGREGATED)
          for task, words in TASKS.items()),
    ]  # fmt: skip


def _pittsburgh() -> list[Protocol]:
    counts = {
        "pitts30k": {"test": (10_000, 6_816, True), "val": (10_000, 7_608, True), "train": (10_000, 7_416, False)},
        "pitts250k": {"test": (83_952, 8_280, False), "val": (78_648, 7_608, False), "train": (91_464, 7_824, False)},
    }
    return [
        Protocol(f"{name}-{split}", name, f"{name} {split}", database, queries, split, select={"variant": name},
                 confirmed=confirmed, source=NETVLAD)
        for name, splits in counts.items()
        for split, (database, queries, confirmed) in splits.items()
    ]  # fmt: skip


def _nordland() -> list[Protocol]:
    roles = {"database": "summer", "queries": "winter"}

    def full(window: int, source: str, caution: str = "") -> Protocol:
        title = f"Nordland, all frames, summer database, winter queries, +-{window}"
        return Protocol(f"nordland-27592-w{window}", "nordland", title, 27_592, 27_592, "test", f"frames:{window}",
                        select=roles, source=source, caution=caution)  # fmt: skip

    return [
        full(10, "Hausler et al., CVPR 2021; the @ layout's mock coordinates"),
        full(2, "Papers after Patch-NetVLAD", "stricter than +-10: figures are not comparable with w10"),
        full(1, "Papers after Patch-NetVLAD", "stricter than +-10: figures are not comparable with w10"),
        Protocol("nordland-27592-npz", "nordland", "Nordland by Patch-NetVLAD's npz, effectively +-7", 27_592, 27_592,
                 "test", "frames:7", select=roles, source="nordland.npz as published",
                 caution="its points are (n, n) and its radius 10, which accepts +-7 frames"),
        Protocol("nordland-3450-w2", "nordland", "Nordland, partitioned test, downsampled (SelaVPR), +-2", 3_450, 3_450,
                 "test", "frames:2", select=roles, source="Lu et al., ICLR 2024, stated by the author",
                 caution="85.2 R@1 of SelaVPR belongs to this version"),
        Protocol("nordland-2760-w1", "nordland", "Nordland*, winter database, every tenth summer frame (VPR-Bench)",
                 27_592, 2_760, "test", "frames:1x10", source=f"{BENCH}; GSV-Cities, SALAD, Pair-VPR",
                 caution="summer and winter are swapped against the full version"),
        Protocol("nordland-2760-at", "nordland", "Nordland, @ subset, every tenth winter frame asks", 27_592, 2_760,
                 "test", "planar", source=READER),
    ]  # fmt: skip


def _svox() -> list[Protocol]:
    known = {"night": (823, True), "rain": (937, True), "overcast": (872, False), "snow": (870, False),
             "sun": (854, False)}  # fmt: skip
    whole = Protocol("svox", "svox", "SVOX, all queries", 17_166, 14_278, confirmed=False, source=READER)
    single = [
        Protocol(f"svox-{name}", "svox", f"SVOX {name}", 17_166, count, select={"queries": f"queries_{name}"},
                 confirmed=confirmed, source=READER)
        for name, (count, confirmed) in known.items()
    ]  # fmt: skip
    every = sum(count for count, _ in known.values())
    joined = Protocol("svox-conditions", "svox", "SVOX, the five conditions in one table", 17_166, every,
                      select={"queries": "queries_*"}, confirmed=False, source=READER)  # fmt: skip
    return [whole, *single, joined]


def _sf_xl() -> list[Protocol]:
    source = "Berton et al., CVPR 2022; 25 m planar, all queries count"
    tests = {"v1": 1_000, "v2": 598, "night": 466, "occlusion": 76}
    return [
        Protocol("sf-xl-val", "sf-xl", "SF-XL val", 8_015, 7_993, "val", confirmed=False, source=source),
        *(Protocol(f"sf-xl-test-{name}", "sf-xl", f"SF-XL test, queries {name}", 2_805_840, count,
                   select={"queries": f"queries_{name}", "variant": "processed"}, confirmed=False, source=source)
          for name, count in tests.items()),
        Protocol("sf-xl-small", "sf-xl", "SF-XL small test, queries v1", None, 1_000,
                 select={"queries": "queries_v1", "variant": "small"}, source=source,
                 caution="27 thousand database images: easier than the 2.8 million of the test"),
    ]  # fmt: skip


def _bench() -> list[Protocol]:
    """Sets of VPR-Bench and its kind: folders `ref` and `query` with listed truth, or a window of frames."""

    def bench(name: str, title: str, database: int, queries: int, rule: str, family: str = "", **more: Any) -> Protocol:
        more = {"source": BENCH, **more}
        return Protocol(name, family or name, title, database, queries, "test", rule, **more)

    return [
        bench("sped", "SPED test", 607, 607, "frames:0"),
        bench("essex3in1", "ESSEX3IN1", 210, 210, "frames:0"),
        bench("gardens-point", "Gardens Point Walking (VPR-Bench)", 200, 200, "frames:2",
              caution="its file lists the references 200 and 201, which do not exist"),
        bench("gardens-point-tutorial", "Gardens Point, right answers only, +-8 ignored", 200, 200, "frames:0",
              "gardens-point", source="Schubert et al., 2023, GT.npz",
              caution="nearly right answers are ignored where GT.npz lists them; without it they count as wrong",
              select={"database": "day_right", "queries": "night_right"}),
        bench("gardens-point-true-negative", "Gardens Point with 200 queries that have no match", 200, 400, "auto",
              "gardens-point"),
        bench("corridor", "Corridor", 111, 111, "frames:2"),
        bench("17places", "17 Places", 408, 406, "frames:2", confirmed=False),
        bench("living-room", "Living Room", 32, 32, "frames:1", confirmed=False),
        bench("inria-holidays", "INRIA Holidays", 512, 300, "auto"),
        bench("cross-seasons", "Cross-Seasons", 191, 191, "auto"),
        bench("synthia-night-to-fall", "Synthia, night to fall", 911, 813, "auto", confirmed=False),
        bench("pittsburgh-vprbench", "VPR-Bench's Pittsburgh", 23_000, 1_000, "auto", "pitts250k",
              caution="another set than Pittsburgh 250k test"),
        bench("tokyo247-vprbench", "VPR-Bench's Tokyo", 4_104, 315, "auto", "tokyo247", confirmed=False,
              caution="another database than Tokyo 24/7: figures are not comparable"),
    ]  # fmt: skip


PROTOCOLS: tuple[Protocol, ...] = (
    *_msls(),
    *_pittsburgh(),
    Protocol("tokyo247", "tokyo247", "Tokyo 24/7", 75_984, 315, source="Torii et al., CVPR 2015; dbStruct lists",
             images="the @ version resizes queries to a shorter side of 480; state what was done",
             caution="queries have two orientations and many sizes: one image per batch or a fixed resize"),
    *_nordland(),
    Protocol("st-lucia", "st-lucia", "St Lucia", 1_549, 1_464, source=READER),
    Protocol("st-lucia-rerankvpr", "st-lucia", "RerankVPR's St Lucia index, whose queries are in the database", 3_013,
             1_464, source="index file published with RerankVPR",
             caution="every query finds itself: take the 1,464 query images out of the database", deviant=True),
    *_svox(),
    Protocol("amstertime", "amstertime", "AmsterTime", 1_231, 1_231, source="Yildiz et al., ICPR 2022"),
    Protocol("eynsham", "eynsham", "Eynsham", 23_935, 23_935, source=READER, images="greyscale"),
    Protocol("baidu-mall", "baidu-mall", "Baidu Mall", 689, 2_292, source="Sun et al., CVPR 2017",
             caution="papers use different radii: state the 25 m"),
    Protocol("san-francisco", "san-francisco", "San Francisco Landmark (R-SF)", 1_046_587, 598, confirmed=False,
             source="Torii et al., TPAMI 2019"),
    *_sf_xl(),
    *_bench(),
)  # fmt: skip
