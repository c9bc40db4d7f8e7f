"""What was made lately, kept while there is room."""

from vprkit.retrieval.recent import Recent


def test_the_least_recently_used_goes_first():
    recent: Recent[str] = Recent(10)
    for number, word in enumerate("abc"):
        recent.keep(number, word, 3)
    assert recent.get(0) == "a" and recent.used == 9
    recent.keep(3, "d", 4)
    assert [recent.get(number) for number in range(4)] == ["a", None, "c", "d"]
    assert recent.used == 10 and len(recent) == 3


def test_what_is_larger_than_the_room_is_not_kept_and_drives_nothing_out():
    recent: Recent[str] = Recent(10)
    recent.keep(0, "a", 3)
    recent.keep(1, "b", 11)
    assert recent.get(0) == "a" and recent.get(1) is None
    recent.keep(0, "other", 9)
    assert recent.get(0) == "other" and recent.used == 9
    assert len(Recent[str](0)) == 0


def test_anything_that_can_be_a_key_is_one():
    recent: Recent[str] = Recent(10)
    recent.keep((3, 96), "a", 4)
    recent.keep("b", "b", 4)
    assert recent.get((3, 96)) == "a" and recent.get("b") == "b" and recent.get((3, 97)) is None
