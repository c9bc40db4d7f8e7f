"""What loads what: nothing heavy before it is needed, no optional package required, layers point downwards."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "vprkit"
MODULES = sorted(
    ".".join(["vprkit", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
)

LAYERS = [
    {"errors", "extras", "config", "features", "preprocessing", "device", "files", "timing", "registry"},
    {"data"},
    {"weights", "method"},
    {"loading"},
    {"backbones", "aggregators", "losses"},
    {"retrieval", "rerank"},
    {"evaluation"},
    {"training"},
    {"methods", "report", "serve"},
    {"cli"},
    {"__main__"},
]
"""Lowest first; a module imports from its own layer and below. `vprkit.methods` declares parts by name only."""

TORCH_FREE = "import sys, {}; sys.exit('torch' in sys.modules)"


def run(program: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(SOURCE.parent)}, capture_output=True,
                          text=True)  # fmt: skip


@pytest.mark.parametrize("module", ["vprkit", "vprkit.cli", "vprkit.registry", "vprkit.methods.dinov2"])
def test_importing_loads_no_torch(module):
    assert run(TORCH_FREE.format(module)).returncode == 0


def test_what_runs_no_network_loads_no_torch(shared_set):
    for arguments in (
        f"['vpr', 'data', 'check', {str(shared_set)!r}]",
        "['vpr', '--help']",
        "['vpr', 'methods']",
        "['vpr', 'evaluate', '--help']",
        "['vpr', 'train', '--help']",
        "['vpr', 'serve', '--help']",
    ):
        program = (
            f"import sys; sys.argv = {arguments}\nfrom vprkit.cli import main\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\nsys.exit('torch' in sys.modules)"
        )
        assert run(program).returncode == 0, arguments


def test_everything_imports_without_optional_packages():
    """Every module imports, methods are listed and a configuration prints, with all extras blocked."""
    program = f"""
import sys
blocked = ["lightning", "pytorch_metric_learning", "kornia", "transformers", "peft", "ftfy", "matplotlib", "fastapi",
           "uvicorn", "prometheus_client", "python_multipart", "pydantic", "starlette", "timm", "torchvision",
           "sklearn"]
sys.modules.update(dict.fromkeys(blocked))
import importlib
for name in {MODULES!r}:
    importlib.import_module(name)
from vprkit.registry import declarations, list_methods, load_attribute
from vprkit.config import to_yaml
assert "hog" in list_methods()
for declaration in declarations():
    to_yaml(load_attribute(declaration.configuration)())
    for recipe in declaration.recipes:
        to_yaml(load_attribute(recipe.settings)())
"""
    done = run(program)
    assert done.returncode == 0, done.stderr


def imported(path: Path) -> set[str]:
    """First-level parts of vprkit that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("vprkit"):
            parts = node.module.split(".")
            names.update([parts[1]] if len(parts) > 1 else [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            names.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("vprkit."))
    return names


def level(part: str) -> int | None:
    return next((number for number, layer in enumerate(LAYERS) if part in layer), None)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_downwards(path):
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if part == "__init__":
        return
    own = level(part)
    assert own is not None, f"{part} belongs to no layer"
    upward = {name for name in imported(path) if (other := level(name)) is not None and other > own}
    assert not upward, f"{path.name} of layer '{part}' imports {', '.join(sorted(upward))}"


def test_the_names_of_a_device_stand_in_one_file():
    found = [path.name for path in SOURCE.rglob("*.py") if '"cuda' in path.read_text(encoding="utf-8")]
    assert found == ["device.py"]


def test_public_names_exist():
    import vprkit

    for name in vprkit.__all__:
        assert getattr(vprkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = vprkit.evalute
