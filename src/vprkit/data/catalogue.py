"""The public data sets by name: what they are for, under which terms, and where to get them.

Licences are quoted as the sources state them; read these before images are passed on.
"""

from dataclasses import dataclass

from vprkit.data.protocols import Protocol, family

STREET_VIEW = "research use on request, no redistribution (street-view imagery)"
UNSTATED = "not stated"
DOWNLOADER = "github.com/gmberton/VPR-datasets-downloader"
BENCH = "github.com/MubarizZaffar/VPR-Bench"


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: family of its protocols.
        title: as papers call it.
        layouts: names of the layouts it comes in.
        licence, source: terms as stated, and where it is found.
        use: evaluation, training, both, or texts for other sets.
        size: images and places of a training set, or what texts there are, in words.
    """

    name: str
    title: str
    layouts: tuple[str, ...]
    licence: str
    source: str
    use: str = "evaluation"
    size: str = ""

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        return family(self.name)


CATALOGUE: tuple[DataSet, ...] = (
    DataSet("msls", "Mapillary Street-Level Sequences", ("msls", "folders", "index-files"), "CC BY-NC-SA 4.0",
            "mapillary.com/dataset/places (patch_v1.1.zip last)", "both", "about 1.4 M frames of 22 cities"),
    DataSet("pitts30k", "Pittsburgh 30k", ("pittsburgh", "folders"), STREET_VIEW, "on request, NetVLAD's authors"),
    DataSet("pitts250k", "Pittsburgh 250k", ("pittsburgh", "folders"), STREET_VIEW,
            "on request from the NetVLAD authors"),
    DataSet("tokyo247", "Tokyo 24/7", ("tokyo247", "folders"), STREET_VIEW, "on request from its authors"),
    DataSet("nordland", "Nordland", ("nordland", "folders", "vpr-bench", "index-files"),
            "NRK footage, CC BY-NC-SA 3.0 NO as the broadcaster states", f"{DOWNLOADER}; {BENCH}"),
    DataSet("st-lucia", "St Lucia", ("folders", "traverses"), UNSTATED, DOWNLOADER),
    DataSet("svox", "SVOX", ("folders",), UNSTATED, DOWNLOADER),
    DataSet("amstertime", "AmsterTime", ("amstertime", "folders"), "CC0 as LaVPR quotes it", DOWNLOADER),
    DataSet("eynsham", "Eynsham", ("folders",), UNSTATED, DOWNLOADER),
    DataSet("baidu-mall", "Baidu Mall", ("baidu-mall", "folders"), UNSTATED, DOWNLOADER),
    DataSet("san-francisco", "San Francisco Landmark", ("san-francisco", "folders"), STREET_VIEW, DOWNLOADER),
    DataSet("sf-xl", "SF-XL (San Francisco eXtra Large)", ("sf-xl",), STREET_VIEW,
            "on request, github.com/gmberton/CosPlace", "both", "41.2 M crops; processed 5.6 M; small 60 k"),
    DataSet("sped", "SPED test", ("vpr-bench", "folders"), UNSTATED, BENCH),
    DataSet("essex3in1", "ESSEX3IN1", ("vpr-bench",), UNSTATED, BENCH),
    DataSet("gardens-point", "Gardens Point Walking", ("vpr-bench", "traverses"), UNSTATED, BENCH),
    DataSet("corridor", "Corridor", ("vpr-bench",), UNSTATED, BENCH),
    DataSet("17places", "17 Places", ("vpr-bench",), UNSTATED, BENCH),
    DataSet("living-room", "Living Room", ("vpr-bench",), UNSTATED, BENCH),
    DataSet("inria-holidays", "INRIA Holidays", ("vpr-bench",), UNSTATED, BENCH),
    DataSet("cross-seasons", "Cross-Seasons", ("vpr-bench",), UNSTATED, BENCH),
    DataSet("synthia-night-to-fall", "Synthia, night to fall", ("vpr-bench",), UNSTATED, BENCH),
    DataSet("gsv-cities", "GSV-Cities", ("gsv-cities",), "CC BY-NC-ND 4.0 as LaVPR quotes it",
            "kaggle.com/datasets/amaralibey/gsv-cities", "training", "about 530,000 images of 62,000 places"),
    DataSet("lavpr", "LaVPR: descriptions of GSV-Cities, Pittsburgh 30k, MSLS and AmsterTime",
            ("folders", "msls", "gsv-cities"), "CC BY 4.0; blurred and weathered images CC BY-NC-SA 4.0",
            "LaVPR's authors, arXiv 2602.03253", "texts",
            "over 650,000 descriptions, attached by texts=; protocols msls-val-blur, msls-val-weather"),
    DataSet("google-landmarks", "Google Landmarks v2, clean", ("google-landmarks",), UNSTATED,
            "github.com/cvdfoundation/google-landmark", "training", "1,580,470 images of 81,313 landmarks"),
)  # fmt: skip
