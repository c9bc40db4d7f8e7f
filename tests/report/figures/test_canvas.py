import sys

import pytest
from PIL import Image

from vprkit.errors import ConfigError, MissingExtra, VprError
from vprkit.report.figures import save_figure
from vprkit.report.figures.canvas import check_figure, new_figure


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("jpg", b"\xff\xd8"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_endings_decide_the_format(tmp_path, ending, start):
    save_figure(new_figure(2, 1, "title"), tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)


def test_files_are_kept_unless_asked(tmp_path):
    path = tmp_path / "deep" / "a.png"
    save_figure(new_figure(2, 1), path)
    assert Image.open(path).size == (300, 150)
    with pytest.raises(VprError, match="--overwrite"):
        save_figure(new_figure(2, 1), path)
    save_figure(new_figure(4, 1), path, overwrite=True)
    assert Image.open(path).size == (600, 150)
    with pytest.raises(ConfigError, match=r"written as .png, .*, not '.gif'"):
        check_figure(tmp_path / "a.gif")


def test_no_window_is_opened():
    new_figure(2, 1)
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r'pip install .*\[report\]"'):
        check_figure(tmp_path / "a.png")
