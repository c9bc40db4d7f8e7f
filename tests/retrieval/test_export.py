from xml.etree import ElementTree

import pytest

from vprkit.retrieval.export import FORMATS, sure, to_gpx, to_kml
from vprkit.retrieval.location import Estimate, Location


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
    one, three = (FORMATS[form]([Location("a.jpg", (), Estimate(46.2, 7.4, spread, hits))])
                  for spread, hits in ((0.0, 1), (4.56, 3)))  # fmt: skip
    assert "from one view" in one and "spread" not in one
    assert "from 3 views within 50 m (spread 4.6 m)" in three


def test_confidences_are_never_rounded_up():
    assert sure(Location("a.jpg", (), None, confidence=0.9999)) == "confidence 0.99"
