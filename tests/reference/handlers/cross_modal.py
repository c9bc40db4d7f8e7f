"""LaVPR's cross-modal half: losses between images and texts, BLIP's towers, LoRA merged into them."""

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.backbones.blip import Blip
from vprkit.backbones.two_towers import TowerSizes
from vprkit.losses.cross_modal import CrossModalMultiSimilarity, SymmetricContrast
from vprkit.losses.pairs import marked
from vprkit.weights.fitting import fit, on_meta
from vprkit.weights.lora import CONFIG, FILES, merge_into, read_adapter


@handles("lavpr/loss_ms_crossmodal")
def multi_similarity(case: Case) -> None:
    labels = case.input("labels")
    images, texts = (case.input(f"{kind}_embeds").requires_grad_() for kind in ("image", "text"))
    criterion = CrossModalMultiSimilarity()
    value = criterion(images, texts, labels)
    case.check("loss", value)
    value.backward()
    case.check("grad_image", images.grad)
    case.check("grad_text", texts.grad)
    case.check("loss_base0", CrossModalMultiSimilarity(base=0.0)(images, texts, labels))
    case.check("loss_all_distinct", criterion(images, texts, torch.arange(len(labels))))
    mined, like = criterion.miner(images, labels, texts, labels), images @ texts.T
    case.check("mined_positive_mask", marked(mined[0], mined[1], like).float())
    case.check("mined_negative_mask", marked(mined[2], mined[3], like).float())


@handles("lavpr/loss_contrastive")
def contrastive(case: Case) -> None:
    for name in (output.removeprefix("loss_") for output in case.outputs("loss_*")):
        images, texts = (case.input(f"{kind}_embeds").clone().requires_grad_() for kind in ("image", "text"))
        criterion = SymmetricContrast(float(case.input(f"temp_{name}")))
        value = criterion(images, texts)
        value.backward()
        case.check(f"loss_{name}", value)
        case.check(f"temp_after_{name}", criterion.temperature)
        case.check(f"grad_image_{name}", images.grad)
        case.check(f"grad_text_{name}", texts.grad)
        case.check(f"grad_temp_{name}", criterion.temperature.grad)


def blip(case: Case) -> Blip:
    config = case.config
    vision, text = config["vision"], config["text"]
    sizes = TowerSizes(
        "blip", vision["hidden_size"], vision["num_hidden_layers"], vision["num_attention_heads"],
        vision["intermediate_size"], vision["image_size"], vision["patch_size"], text["hidden_size"],
        text["num_hidden_layers"], text["num_attention_heads"], text["intermediate_size"], text["vocab_size"],
        text["max_position_embeddings"], config["image_text_hidden_size"],
    )  # fmt: skip
    assert config["vision_act"] == config["text_act"] == "gelu"
    network = on_meta(lambda: Blip(sizes, config["vision_layer_norm_eps"], config["text_layer_norm_eps"]))
    assert isinstance(network, Blip)
    fit(network, case.state(), source=case.name)
    return network.eval()


@handles("lavpr/blip_tiny", "lavpr/blip_lora_tiny")
@torch.inference_mode()
def towers(case: Case) -> None:
    compared, network = Compared(case), blip(case)
    if "lora" in case.json:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / CONFIG).write_text(json.dumps({"peft_type": "LORA", **case.json["lora"]}))
            save_file(case.state("adapter/"), Path(folder) / FILES[0])
            adapter = read_adapter(folder)
        assert 2 * len(adapter.pairs) == case.json["trainable_tensors"]
        merge_into(network, adapter, None)
    images, ids, mask = (case.input(name) for name in ("images", "input_ids", "attention_mask"))
    compared.check("image_embed", network.image_vectors(images))
    compared.check("text_embed", network.text_vectors(ids, mask))
    compared.check_if_present("image_tokens", network.in_space(network.vision_proj, network.image_states(images)))
    compared.check_if_present("text_tokens", network.in_space(network.text_proj, network.text_states(ids, mask)))
    compared.check_if_present("text_tokens_nomask", network.in_space(network.text_proj, network.text_states(ids, None)))
    compared.assert_complete()
