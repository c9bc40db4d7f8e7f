import pytest
import torch

from vprkit import device
from vprkit.errors import ConfigError, NotAvailable


def test_resolution():
    assert device.resolve_device("cpu").type == "cpu"
    assert device.resolve_device(torch.device("cpu")).type == "cpu"
    assert device.resolve_precision("auto", torch.device("cpu")) == "fp32"
    with pytest.raises(ConfigError, match="'gpu9' is no device"):
        device.resolve_device("gpu9")
    with pytest.raises(ConfigError, match="precision 'int8'"):
        device.resolve_precision("int8", torch.device("cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(NotAvailable, match="torch sees no such GPU"):
        device.resolve_device("cuda")


def test_fast_fp32_stays_exact():
    """Whatever the probe decided, products are still float32 products afterwards."""
    device.enable_fast_fp32()
    a, b = torch.randn(300, 300), torch.randn(300, 300)
    exact = a.double() @ b.double()
    assert float(((a @ b).double() - exact).abs().max() / exact.abs().max()) < 2e-6


def test_autocast_only_where_asked():
    linear = torch.nn.Linear(4, 4)
    with device.inference(torch.device("cpu"), "fp32"):
        assert linear(torch.ones(1, 4)).dtype == torch.float32
    with device.inference(torch.device("cpu"), "bf16"):
        assert linear(torch.ones(1, 4)).dtype == torch.bfloat16
