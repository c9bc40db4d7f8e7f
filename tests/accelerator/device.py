"""The device that `check_*.py` run on: `$VPRKIT_TEST_DEVICE` (`auto`: a GPU), else one that only pretends to be one."""

import os

from vprkit.device import resolve_device

if "VPRKIT_TEST_DEVICE" in os.environ:
    DEVICE = resolve_device(os.environ["VPRKIT_TEST_DEVICE"])
else:
    from tests.accelerator.elsewhere import DEVICE

__all__ = ["DEVICE"]
