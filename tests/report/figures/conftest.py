import pytest

import vprkit


@pytest.fixture(scope="session")
def small():
    """RerankVPR of two blocks and two grids: (4, 6) patches of 56 x 84 pixels."""
    return vprkit.load_method("rerankvpr", "random:3", size="S", depth=2, table_size=56, resize="56x84", device="cpu")


@pytest.fixture(scope="session")
def with_registers():
    """The same with four registers, which are no patches."""
    return vprkit.load_method("rerankvpr-small-reg4", "random:5", depth=2, table_size=56, resize="56x84", device="cpu")
