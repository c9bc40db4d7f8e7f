"""The CLIP files that ProGEO starts from: OpenAI's four by their manifests, and a small one as OpenAI writes it."""

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.reference import runner
from vprkit import registry
from vprkit.backbones.clip_text import VOCABULARY, ClipText, encode_ids
from vprkit.backbones.clip_vit import ClipViT
from vprkit.errors import NotAvailable, WeightsError
from vprkit.methods.progeo.clip_files import OPENAI, clip_of, find_clip, image_encoder, read_clip, start_backbone
from vprkit.methods.progeo.clip_files import text_tower as tower_of
from vprkit.methods.progeo.prompts import Prompts
from vprkit.weights.resolving import choose_by_name

MANIFESTS = {
    "openai_clip_rn50": ("progeo-rn50", 224),
    "openai_clip_rn101": ("progeo-rn101", 224),
    "openai_clip_vit_b_16": ("progeo-vit-b-16", 224),
    "openai_clip_vit_b_32": ("progeo-vit-b-32", 224),
}
COMPLETE = "left without value"  # what stays of a fit of tensors without memory: every name and shape was right


def manifest(name: str) -> dict[str, list[int]]:
    path = runner.root() / "progeo" / "manifests" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"the manifests of the reference are not at {runner.root()}")
    return {key: shape for key, shape in json.loads(path.read_text()).items() if key != "_meta"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_openais_files_fit_both_towers_and_progeos_encoder(name: str) -> None:
    variant, _ = MANIFESTS[name]
    state = {key: torch.empty(shape, device="meta") for key, shape in manifest(name).items()}
    clip = clip_of(state, Path(OPENAI[variant]), "")
    assert clip.table.shape == (VOCABULARY, 512)
    choice = choose_by_name(variant, {})
    assert choice.configuration.dim == clip.text["text_projection"].shape[1]
    with torch.device("meta"):
        network = choice.build()
        with pytest.raises(WeightsError, match=COMPLETE):
            image_encoder(clip)
        with pytest.raises(WeightsError, match=COMPLETE):
            tower_of(clip)
        with pytest.raises(WeightsError, match=COMPLETE):
            start_backbone(network.backbone, clip)
    broken = {key: value for key, value in state.items() if key != "ln_final.bias"}
    with torch.device("meta"), pytest.raises(WeightsError, match="ln_final.bias"):
        tower_of(clip_of(broken, Path("x.pt"), ""))


def test_prompt_learners_have_the_published_keys_and_shapes() -> None:
    expected = manifest("progeo_prompt_learner")
    own = Prompts(7, torch.zeros(1, 77, 512)).state_dict()
    assert set(own) == set(expected)
    for key, (classes, *shape) in expected.items():
        assert list(own[key].shape) == [7 if key == "cls_ctx" else classes, *shape]


class OpenAI(ClipText):
    """A CLIP laid out as OpenAI's: text parameters on top, the image encoder under `visual`."""

    def __init__(self) -> None:
        super().__init__(64, 1, 1, 24)
        self.visual = ClipViT(32, 16, 64, 2, 24)
        self.token_embedding = nn.Embedding(VOCABULARY, 64)
        self.logit_scale = nn.Parameter(torch.tensor(4.6))
        self.register_buffer("input_resolution", torch.tensor(32))

    def forward(self, images: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return self.visual(images), ClipText.forward(self, self.token_embedding(ids)) * self.logit_scale


@pytest.mark.filterwarnings("ignore")  # tracing is deprecated, but OpenAI's files are traced
@torch.no_grad()
def test_an_archive_as_openai_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, images, ids = OpenAI().half().float().eval(), torch.rand(2, 3, 32, 32), torch.tensor([[4, 5, 49407]])
    path = tmp_path / "ViT.pt"
    traced = torch.jit.trace(copy.deepcopy(model), (images, ids))  # type: ignore[no-untyped-call]
    torch.jit.save(traced.half(), path)  # type: ignore[no-untyped-call]
    monkeypatch.setattr(torch.jit, "load", None)
    clip = read_clip(path)
    encoder, side = image_encoder(clip)
    assert side == 32 and all(value.dtype == torch.float32 for value in clip.image.values())
    torch.testing.assert_close(encoder.eval()(images), model.visual(images))
    words = nn.Embedding.from_pretrained(clip.table)
    expected = ClipText.forward(model, model.token_embedding(ids))
    torch.testing.assert_close(encode_ids(tower_of(clip), words, ids), expected)


def test_every_variant_names_openais_file_and_misses_it_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(tmp_path))
    assert set(OPENAI) == set(registry.find_declaration("progeo").variants)
    for variant, file in OPENAI.items():
        with pytest.raises(NotAvailable, match=f"OpenAI's {file} is not here"):
            find_clip("pretrained", variant)
