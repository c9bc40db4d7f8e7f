from xml.etree import ElementTree

import pytest

from vprkit.retrieval.export import to_gpx, to_kml
from vprkit.retrieval.location import Estimate, Location


@pytest.mark.parametrize("write", [to_gpx, to_kml], ids=["gpx", "kml"])
@pytest.mark.parametrize(
    "sign", ["\ufffe", "\uffff", "\x00", "\x1b", "\r", "\ud800", "<&>\"]]>"],
    ids=["fffe", "ffff", "zero", "escape", "return", "half", "marks"],
)  # fmt: skip
def test_every_file_name_gives_xml_that_can_be_read(write, sign):
    written = write([Location(f"{sign}ö\U0001f600.jpg", (), Estimate(46.2, 7.4, 0.0, 1))])
    assert "ö\U0001f600.jpg" in "".join(ElementTree.fromstring(written.encode()).itertext())
