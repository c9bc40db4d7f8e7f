"""What `check_*.py` need of the device that is none; they run in processes of their own, see `test_accelerator.py`."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch


@pytest.fixture(autouse=True)
def _device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch and Lightning as they meet a device that they know.

    Tensors of Python cannot be views and inference tensors at once; modules move their parameters in place, as they do
    to a GPU; nothing is pinned.
    """
    if not request.path.name.startswith("check_") or "VPRKIT_TEST_DEVICE" in os.environ:
        yield
        return
    import lightning.fabric
    from lightning.fabric.accelerators import CPUAccelerator
    from lightning.fabric.strategies import SingleDeviceStrategy

    class Accelerator(CPUAccelerator):
        def setup_device(self, device: torch.device) -> None: ...

    fabric = lightning.fabric.Fabric

    def launched(accelerator: str, **options: Any) -> Any:
        if accelerator == "cpu":
            return fabric(accelerator=accelerator, **options)
        from tests.accelerator.elsewhere import DEVICE

        return fabric(accelerator=Accelerator(), strategy=SingleDeviceStrategy(device=DEVICE))

    monkeypatch.setattr(lightning.fabric, "Fabric", launched)
    monkeypatch.setattr(torch, "inference_mode", lambda mode=True: torch.no_grad() if mode else nullcontext())
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: self)
    torch.__future__.set_swap_module_params_on_conversion(True)
    yield
    torch.__future__.set_swap_module_params_on_conversion(False)
