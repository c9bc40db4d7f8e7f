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


def test_numerics_of_a_gpu_are_set_for_a_while():
    """The switches are there without a GPU, and are as before afterwards, also after an error."""
    cudnn = torch.backends.cudnn

    def switches():
        return torch.backends.cuda.matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.deterministic

    before = switches()
    seen = []
    for tf32, deterministic in (("none", True), ("convolutions", False), ("all", False)):
        with pytest.raises(KeyError), device.numerics(tf32, deterministic):
            seen.append(switches())
            raise KeyError
    assert seen == [("ieee", "ieee", True), ("ieee", "tf32", False), ("tf32", "tf32", False)]
    assert switches() == before


def test_torch_can_be_asked_for_the_precision_of_all_products():
    """What Lightning does when it starts on a GPU, after a CPU has described something in the same process."""
    enabled = device.enable_fast_fp32()
    with device.plain_products():
        assert torch.get_float32_matmul_precision() == "highest"
    assert (torch.backends.mkldnn.matmul.fp32_precision == "bf16") == enabled


def test_autocast_only_where_asked():
    linear = torch.nn.Linear(4, 4)
    with device.inference(torch.device("cpu"), "fp32"):
        assert linear(torch.ones(1, 4)).dtype == torch.float32
    with device.inference(torch.device("cpu"), "bf16"):
        assert linear(torch.ones(1, 4)).dtype == torch.bfloat16


def test_describing_in_fp32_rounds_nothing_to_tf32_on_a_gpu():
    convolutions = torch.backends.cudnn.conv
    before = convolutions.fp32_precision
    with device.inference(torch.device("cuda"), "fp32"):
        assert convolutions.fp32_precision == "ieee" and torch.backends.cuda.matmul.fp32_precision == "ieee"
    assert convolutions.fp32_precision == before
