"""Optional packages: imported where needed, refused with the command that installs them."""

import importlib
from pathlib import Path
from types import ModuleType

from vprkit.errors import MissingExtra, VprError

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": ("lightning", "pytorch_metric_learning", "kornia"),
    "text": ("transformers", "peft", "ftfy"),
    "report": ("matplotlib", "sklearn"),
    "serve": ("fastapi", "uvicorn", "python_multipart", "prometheus_client"),
    "timm": ("timm",),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
}


def require(extra: str, module: str | None = None) -> ModuleType:
    """Import `module` (default: the first package of `extra`) or say which extra brings it.

    Raises:
        MissingExtra: the package is not installed, or does not import beside the installed torch.
    """
    if extra not in EXTRAS:
        raise VprError(f"there is no extra named '{extra}'; known: {', '.join(EXTRAS)}")
    name = module or EXTRAS[extra][0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"this needs the package '{error.name}', which is not installed. Run: {installing(extra)}"
        ) from error
    except (ImportError, RuntimeError) as error:
        raise MissingExtra(
            f"the package '{name}' is installed but does not import ({error}). A torchvision that does not match torch "
            f"is the usual cause; run: {installing(extra)} --upgrade"
        ) from error


def installing(extra: str) -> str:
    """The command that brings an extra: into a clone, where vprkit runs from one."""
    clone = Path(__file__).parents[2]
    if (clone / "pyproject.toml").is_file():
        return f'pip install -e "{clone}[{extra}]"'
    return f'pip install "vprkit[{extra}]"'
