"""A device that is none: tensors on `elsewhere` compute with the CPU's kernels, and mix with the CPU's as a GPU's do.

What forgets to bring a tensor to the device of the others, or takes a device's tensor for NumPy's, fails here as it
does on a GPU; numbers come out as on a CPU. It tells nothing of speed, precision, streams or memory.
"""

from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend


class _Backend(_DummyBackendModule):  # type: ignore[misc]
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """Autocast may be asked for and changes nothing: there are no rules for this device."""
        return [torch.bfloat16, torch.float16]


NAME = "elsewhere"
_setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
DEVICE = torch.device(NAME, 0)

aten = torch.ops.aten
ACROSS = {aten.copy_.default, aten._to_copy.default, aten.index.Tensor, aten.index_put_.default,
          aten._index_put_impl_.default}  # fmt: skip
"""Operations that take tensors of two devices; an index may lie on the CPU."""


class Elsewhere(torch.Tensor):
    """A tensor on the device.

    Args:
        inner: its numbers, on the CPU.
    """

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Elsewhere":
        made: Elsewhere = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            layout=inner.layout, device=DEVICE, requires_grad=False,
        )  # fmt: skip
        made.inner = inner
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Elsewhere({self.inner})"

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.detach().inner.untyped_storage()

    def tolist(self) -> Any:
        return self.detach().inner.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"can't convert {NAME} tensor to numpy; use Tensor.cpu() first")

    __array__ = numpy

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Files hold the numbers."""
        return self.detach().inner.__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        given, shape = pytree.tree_flatten((args, kwargs))
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        strangers = [value for value in tensors if not isinstance(value, cls) and value.dim()]
        if strangers and any(isinstance(value, cls) for value in tensors) and function not in ACROSS:
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {NAME} and cpu in {function}")
        plain = [value.inner if isinstance(value, cls) else value for value in given]
        inner_args, inner_kwargs = pytree.tree_unflatten(plain, shape)
        if function is aten._to_copy.default or "device" in kwargs:
            return cls._elsewhere_or_not(function, inner_args, inner_kwargs)
        result = function(*inner_args, **inner_kwargs)
        if function is aten.copy_.default:
            return args[0]
        wrapped = pytree.tree_map(lambda value: cls(value) if isinstance(value, torch.Tensor) else value, result)
        return return_and_correct_aliasing(function, args, kwargs, wrapped)

    @classmethod
    def _elsewhere_or_not(cls, function: Any, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
        """What says on which device its result is wanted."""
        wanted = kwargs.get("device")
        for key in ("device", "pin_memory", "non_blocking"):
            kwargs.pop(key, None)
        made: torch.Tensor = function(*args, **kwargs, device=torch.device("cpu"))
        return cls(made) if wanted is None or torch.device(wanted).type == NAME else made


def _empty(size: Any, dtype: Any = None, memory_format: Any = None, **_: Any) -> Elsewhere:
    kept = torch.contiguous_format if memory_format is None else memory_format
    return Elsewhere(torch.empty(size, dtype=dtype, memory_format=kept, device="cpu"))


def _empty_strided(size: Any, stride: Any, dtype: Any = None, **_: Any) -> Elsewhere:
    return Elsewhere(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def _copy_from(source: torch.Tensor, into: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    here, there = (value.inner if isinstance(value, Elsewhere) else value for value in (source, into))
    there.copy_(here)
    return into


_LIBRARY = torch.library.Library("aten", "IMPL")
_LIBRARY.impl("empty.memory_format", lambda size, dtype=None, layout=None, device=None, pin_memory=None,
              memory_format=None: _empty(size, dtype, memory_format), "PrivateUse1")  # fmt: skip
_LIBRARY.impl("empty_strided", lambda size, stride, dtype=None, layout=None, device=None, pin_memory=None:
              _empty_strided(size, stride, dtype), "PrivateUse1")  # fmt: skip
_LIBRARY.impl("_copy_from", _copy_from, "PrivateUse1")
