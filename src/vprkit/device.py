"""Devices and precision: the one place that knows what the hardware is called and what it does well."""

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from vprkit.errors import ConfigError, NotAvailable

Precision = Literal["fp32", "bf16", "fp16"]
TF32 = Literal["none", "convolutions", "all"]
_DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """`auto` is the first accelerator that works here, else the CPU.

    Raises:
        NotAvailable: a device was named that this machine does not have.
        ConfigError: the name is no device.
    """
    if isinstance(device, torch.device):
        return device
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"'{device}' is no device; use auto, cpu, cuda, cuda:1 or mps") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise NotAvailable(f"device '{device}' was asked for, but torch sees no such GPU here; use device=auto or cpu")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise NotAvailable(f"device '{device}' was asked for, but this machine has {torch.cuda.device_count()} GPU(s)")
    if resolved.type == "mps" and not torch.backends.mps.is_available():
        raise NotAvailable("device 'mps' was asked for, but torch has no Metal here; use device=auto or cpu")
    return resolved


def count_gpus() -> int:
    """GPUs that this machine has."""
    return torch.cuda.device_count()


def resolve_precision(precision: str, device: torch.device) -> Precision:
    """`auto` is fp32 on a CPU and bf16 on a GPU that has it (fp16 on one that does not)."""
    if precision == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if precision not in _DTYPES:
        raise ConfigError(f"precision '{precision}' is unknown; use auto, fp32, bf16 or fp16")
    return precision  # type: ignore[return-value]


def half_type(device: torch.device) -> torch.dtype:
    """The half precision for products of unit vectors: fp16 keeps three more bits, CPUs have units for bf16 alone."""
    return torch.bfloat16 if device.type == "cpu" else torch.float16


@contextlib.contextmanager
def inference(device: torch.device, precision: Precision) -> Iterator[None]:
    """No gradients, and autocast where the precision asks for it; fp32 means fp32, also of a GPU's convolutions."""
    with torch.inference_mode():
        if precision != "fp32":
            with torch.autocast(device.type, dtype=_DTYPES[precision]):
                yield
        elif device.type == "cuda":
            with numerics("none", torch.backends.cudnn.deterministic):
                yield
        else:
            yield


@contextlib.contextmanager
def numerics(tf32: TF32, deterministic: bool) -> Iterator[None]:
    """Inside, GPUs of this process compute float32 in this way; a CPU takes no notice.

    Args:
        tf32: what may round its factors to TF32's 10 bits: `none`, `convolutions` (torch's own default), or `all`,
            products of matrices too.
        deterministic: cuDNN takes algorithms that give the same sums every time, and does not try which are fastest.
    """
    cudnn: Any = torch.backends.cudnn
    products, convolutions = torch.backends.cuda.matmul, cudnn.conv
    before = products.fp32_precision, convolutions.fp32_precision, cudnn.deterministic, cudnn.benchmark
    products.fp32_precision = "tf32" if tf32 == "all" else "ieee"
    convolutions.fp32_precision = "ieee" if tf32 == "none" else "tf32"
    cudnn.deterministic, cudnn.benchmark = deterministic, cudnn.benchmark and not deterministic
    try:
        yield
    finally:
        products.fp32_precision, convolutions.fp32_precision, cudnn.deterministic, cudnn.benchmark = before


def synchronize(device: torch.device) -> None:
    """Wait for queued work, so that a clock read afterwards tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def out_of_memory(error: BaseException) -> bool:
    """Whether an accelerator's memory ran out."""
    return isinstance(error, torch.OutOfMemoryError)


def computes_beside(device: torch.device) -> bool:
    """Whether the device works while the CPU's cores do something else."""
    return device.type != "cpu"


def uploaded(tensors: Sequence[torch.Tensor], device: torch.device) -> torch.Tensor:
    """(B, ...) CPU tensors of one shape as a batch on the device; a GPU's own copy engine fetches it meanwhile."""
    if device.type != "cuda":
        return torch.stack(list(tensors)).to(device)
    batch = torch.empty((len(tensors), *tensors[0].shape), dtype=tensors[0].dtype, pin_memory=True)
    return torch.stack(list(tensors), out=batch).to(device, non_blocking=True)


def downloading(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor on the CPU. What comes from a GPU is there once the work queued so far is done, see `Stretch`."""
    return tensor.to("cpu", non_blocking=tensor.is_cuda)


class Stretch:
    """Seconds that a stretch of work takes on a device. It begins at once, and a GPU is not waited for until asked."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._start = self._end = self._now()

    def end(self) -> None:
        """The last of the work has been queued."""
        self._end = self._now()

    def seconds(self) -> float:
        """Seconds from start to end, after the work is done."""
        if self.device.type != "cuda":
            return float(self._end - self._start)
        self._end.synchronize()
        return float(self._start.elapsed_time(self._end)) / 1000

    def _now(self) -> Any:
        if self.device.type != "cuda":
            synchronize(self.device)
            return time.perf_counter()
        make: Any = torch.cuda.Event
        event = make(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event


@functools.cache
def enable_fast_fp32() -> bool:
    """Let oneDNN compute fp32 products on this CPU where it does so exactly; True if it is on.

    PyTorch's default matrix library leaves more than half of many AMD processors unused. The flag that routes products
    to oneDNN also allows bf16 rounding on processors with AMX, so a 256x256 product is compared with float64 first.
    """
    try:
        matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
        before = matmul.fp32_precision
    except AttributeError:
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=generator) for _ in range(2))
    exact = a.double() @ b.double()
    matmul.fp32_precision = "bf16"
    error = ((a @ b).double() - exact).abs().max() / exact.abs().max()
    if float(error) < 1e-6:
        return True
    matmul.fp32_precision = before
    return False


@contextlib.contextmanager
def plain_products() -> Iterator[None]:
    """Inside, what `enable_fast_fp32` did is undone.

    Around foreign code that asks torch for the precision of all products at once (Lightning does on a GPU): torch
    raises where one of its libraries has another than the others.
    """
    matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    matmul.fp32_precision = "none"
    try:
        yield
    finally:
        matmul.fp32_precision = before


@functools.cache
def cpu_has_fast_bf16() -> bool:
    """True where the CPU has bf16 units (AVX512-BF16 or AMX), so that bf16 describing is worth offering."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def free_memory() -> int | None:
    """Bytes of RAM that a program can still have without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return None if found is None else 1024 * int(found.split()[1])
