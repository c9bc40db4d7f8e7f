import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vprkit.retrieval.export import FORMATS, sure, to_gpx, to_kml
from vprkit.retrieval.location import Estimate, Hit, Location


@pytest.mark.parametrize("write", [to_gpx, to_kml], ids=["gpx", "kml"])
@pytest.mark.parametrize(
    "sign", ["\ufffe", "\uffff", "\x00", "\x1b", "\r", "\ud800", "<&>\"]]>"],
    ids=["fffe", "ffff", "zero", "escape", "return", "half", "marks"],
)  # fmt: skip
def test_every_file_name_gives_xml_that_can_be_read(write, sign):
    written = write([Location(f"{sign}ö\U0001f600.jpg", (), Estimate(46.2, 7.4, 0.0, 1))])
    assert "ö\U0001f600.jpg" in "".join(ElementTree.fromstring(written.encode()).itertext())


@pytest.mark.parametrize("form", ["table", "kml", "gpx"])
def test_one_view_is_said_to_have_no_spread(form):
    one, alone, three = (FORMATS[form]([Location("a.jpg", (), Estimate(46.2, 7.4, spread, hits), looked_at=looked_at)])
                         for spread, hits, looked_at in ((0.0, 1, 10), (0.0, 1, 1), (4.56, 3, 8)))  # fmt: skip
    assert "from one of the best 10 hits" in one and "spread" not in one
    assert "from one hit" in alone and "spread" not in alone
    assert "of the best 8 hits, 3 lie within 50 m; spread 4.6 m" in three


@pytest.mark.parametrize(("known", "told", "cell"), [(None, None, ""), (True, True, "true"), (False, False, "false")])
def test_only_what_was_judged_is_said_to_be_known(known, told, cell):
    hit = Hit(1, "b.jpg", Path("b.jpg"), 0.5, 46.2, 7.4, None, None, None, False, None, 0)
    located = [Location("a.jpg", (hit,), Estimate(46.2, 7.4, 0.0, 1), known=known)]
    assert json.loads(FORMATS["json"](located))[0]["known"] is told
    assert [one["properties"]["known"] for one in json.loads(FORMATS["geojson"](located))["features"]] == [told, told]
    assert next(csv.DictReader(io.StringIO(FORMATS["csv"](located))))["known"] == cell
    for form in ("table", "kml", "gpx"):
        assert ("I do not know this place" in FORMATS[form](located)) == (known is False)
    assert ("<type>photo</type>" in FORMATS["gpx"](located)) == (known is not False)


def test_confidences_are_never_rounded_up():
    assert sure(Location("a.jpg", (), None, confidence=0.9999)) == "confidence 0.99"
