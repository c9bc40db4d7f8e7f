import pytest

from vprkit.data.layouts.at import condition_of, parse_name

FULL = "@0344096.66@6175626.43@33@U@055.70131@0012.51907@-_19.x@07@210@@@@20180722_1405@night_forward_cph@.jpg"


def test_full_name():
    fields = parse_name(f"folder@with@at/{FULL}")
    assert (fields.east, fields.north, fields.zone, fields.south) == (344096.66, 6175626.43, 33, False)
    assert (fields.latitude, fields.longitude, fields.heading) == (55.70131, 12.51907, 210)
    assert (fields.time, fields.note) == ("20180722_1405", "night_forward_cph")
    assert condition_of(fields.note) == "night"


@pytest.mark.parametrize(
    ("name", "time", "zone", "unreadable"),
    [
        ("@500000.1@4000000@20150101_101112@.jpg", "20150101_101112", 0, False),  # SVOX
        ("@500000.1@4000000@.jpg", None, 0, False),
        ("@500000.1@4000000@7@.jpg", None, 7, False),
        ("@500000.1@4000000@10@S@.jpg", None, 10, False),  # band S is northern
        ("@500000.1@4000000@x@022@.jpg", None, 0, True),
        ("@0@12000@@@@@0012@@@@@@@@.jpg", None, 0, False),  # AmsterTime
        ("@500000.1@4000000@61@T@@@@@@@@@@@.jpg", None, 0, True),
    ],
)
def test_short_and_odd_names(name, time, zone, unreadable):
    fields = parse_name(name)
    assert (fields.time, fields.zone, fields.zone_unreadable, fields.south) == (time, zone, unreadable, False)


@pytest.mark.parametrize("letter", "CDM")
def test_southern_bands(letter):
    assert parse_name(f"@500000@6957461.74@56@{letter}@@@@@@@@@@@.jpg").south


@pytest.mark.parametrize("name", ["plain.jpg", "@x@1@2@.jpg", "@1@nan@.jpg", "@1@inf@.jpg", "a@1@2@.jpg", "@@@.jpg"])
def test_names_without_a_position(name):
    assert parse_name(name) is None


def test_notes_without_a_condition():
    assert condition_of("pitch1_yaw1") is None
    assert condition_of(None) is None
