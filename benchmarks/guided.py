"""What guided re-ranking costs: matching against bare products, saliency against all attention, reading or describing.

Run with OMP_NUM_THREADS=1 for one thread.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import best_of, table
from torch import Tensor

import vprkit
from vprkit import device as devices
from vprkit.backbones.vit_blocks import Attention, ViTConfig
from vprkit.data.benchmark import open_records
from vprkit.data.city import make_city
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.guided_full import Full
from vprkit.rerank.guided_matches import GuidedMatches
from vprkit.rerank.reranker import Shortlist, rerank, scores_of
from vprkit.rerank.with_patches import with_patches
from vprkit.retrieval.build import describe_into
from vprkit.retrieval.local_codec import LocalCodec


def alike(count: int, patches: int, channels: int, salient: float) -> tuple[Features, Features]:
    """A query, and candidates that resemble it less and less; `salient` of the patches exceed a saliency of 0.3."""
    generator = torch.Generator().manual_seed(0)
    query = F.normalize(torch.randn(1, patches, channels, generator=generator), dim=-1)
    noise = torch.linspace(0.02, 0.2, count)[:, None, None]
    candidates = F.normalize(query + noise * torch.randn(count, patches, channels, generator=generator), dim=-1)
    return of(query, salient, generator), of(candidates, salient, generator)


def of(tokens: Tensor, salient: float, generator: torch.Generator) -> Features:
    shares = torch.rand(tokens.shape[:2], generator=generator)
    saliency = torch.where(shares > 1 - salient, 0.3 + 0.7 * shares, 0.3 * shares)
    return Features(tokens[:, 0], LocalFeatures(tokens, torch.full((len(tokens),), tokens.shape[1]), saliency=saliency))


def products(rows: Tensor, candidates: Tensor) -> None:
    """What matching salient rows cannot do without."""
    for candidate in candidates:
        torch.mm(rows, candidate.T)


def matching(given: argparse.Namespace) -> None:
    query, candidates = alike(given.count, given.patches, given.channels, given.salient)
    assert query.local is not None and candidates.local is not None and query.local.saliency is not None
    tokens, numbers = candidates.local.tokens, np.arange(given.count)
    shortlist = Shortlist(numbers, lambda n: candidates[slice(int(n[0]), int(n[-1]) + 1)], 4 * tokens[0].numel())
    rows = query.local.tokens[0, query.local.saliency[0] > 0.3]
    bare = best_of(lambda: products(rows, tokens), given.repeats)
    whole = best_of(lambda: products(query.local.tokens[0], tokens), given.repeats)  # type: ignore[union-attr]
    lines = [("bare products, salient rows", bare), ("bare products, all rows", whole)]
    for mask in ("strict", "per_candidate", "official"):
        settings = GuidedMatches(mask=mask)
        counts = scores_of(settings, query, shortlist)
        full = Full(settings, query.local, shortlist)
        assert torch.equal(counts, torch.cat([full.score(block) for block in shortlist.blocks()])), mask
        ours = best_of(lambda settings=settings: scores_of(settings, query, shortlist), given.repeats)  # type: ignore[misc]
        lines.append((f"counted, {mask} ({int(counts.min())} to {int(counts.max())} matches)", ours))
    table(
        f"1 query x {given.count} candidates of {given.patches} x {given.channels}, {len(rows)} salient rows",
        ("", "seconds", "times the bare products of salient rows"),
        [(name, f"{seconds:.3f}", f"{seconds / bare:.2f}") for name, seconds in lines],
    )


def saliency(given: argparse.Namespace) -> None:
    """Logits of the class token's row, against all rows as a hook on the attention would make them."""
    attention = Attention(ViTConfig(embed_dim=given.channels, depth=1, num_heads=given.channels // 64)).eval()
    tokens = torch.randn(8, given.patches + 1, given.channels)

    def full() -> Tensor:
        query, key, _ = attention.qkv(tokens).reshape(*tokens.shape[:2], 3, attention.heads, -1).permute(2, 0, 3, 1, 4)
        return (query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1))[:, :, 0].mean(1)

    with torch.inference_mode():
        assert torch.allclose(full(), attention.class_logits(tokens).mean(1), atol=1e-4)
        all_rows = best_of(full, given.repeats)
        one_row = best_of(lambda: attention.class_logits(tokens).mean(1), given.repeats)
    table(
        f"saliency of 8 images of {given.patches + 1} tokens x {given.channels}",
        ("", "ms per image", "share of all rows"),
        [
            ("logits of all rows", f"{1000 * all_rows / 8:.2f}", "1.00"),
            ("of the class token's row alone", f"{1000 * one_row / 8:.2f}", f"{one_row / all_rows:.2f}"),
        ],
    )


def reading(given: argparse.Namespace) -> None:
    """A whole second stage of one query from the store, against describing its candidates again."""
    method = vprkit.load_method("dinov2", "random:0", device="cpu", size=given.size, resize=322)
    guided = with_patches(method)
    with tempfile.TemporaryDirectory() as scratch:
        make_city(Path(scratch) / "city", -(-given.described // 12), 24, 3)
        records = open_records(Path(scratch) / "city" / "images" / "test" / "database")
        numbers = np.arange(min(given.described, len(records)))
        built = describe_into(Path(scratch) / "store", guided, records.take(numbers), local=LocalCodec("float16"))
        query = guided.describe(records.path(0)).cpu()

        def candidates(wanted: np.ndarray) -> Features:
            return Features(torch.empty(len(wanted), 0), built.store.local.take(built.rows[wanted]))

        assert query.local is not None
        row_bytes = 4 * query.local.tokens[0].numel()
        stored = best_of(
            lambda: rerank(GuidedMatches(), query, numbers, len(numbers), candidates, row_bytes), given.repeats
        )
        again = best_of(lambda: guided.describe([records.path(int(n)) for n in numbers]), 1)
    table(
        f"second stage of one query, {len(numbers)} candidates, DINOv2-{given.size} at 322 x 322",
        ("", "seconds", "times as long"),
        [
            ("read from the store and matched", f"{stored:.3f}", "1"),
            ("candidates described again", f"{again:.2f}", f"{again / stored:.0f}"),
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--patches", type=int, default=529)
    parser.add_argument("--channels", type=int, default=1024)
    parser.add_argument("--salient", type=float, default=0.3)
    parser.add_argument("--size", default="L", help="DINOv2's size for reading against describing")
    parser.add_argument("--described", type=int, default=24, help="candidates of reading against describing")
    parser.add_argument("--repeats", type=int, default=5)
    devices.enable_fast_fp32()
    matching(parser.parse_args())
    saliency(parser.parse_args())
    reading(parser.parse_args())
