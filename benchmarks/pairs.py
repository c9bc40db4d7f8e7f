"""What judging pairs costs: Pair-VPR's second stage against its plain formulation, its memory, attention's kernels.

Run with OMP_NUM_THREADS=1 for one thread. The ratios are of one run; `--count 4` is quick.
"""

import argparse
import functools
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from common import best_of, table
from scipy.stats import kendalltau
from store_memory import Peak, rss_anon
from torch import Tensor
from torch.nn import functional as F

from vprkit import device as devices
from vprkit.backbones.attention import plain, tiled
from vprkit.backbones.dinov2 import dinov2_config
from vprkit.features import Features, LocalFeatures
from vprkit.methods.pairvpr.classifier import PairClassifier, PairReranker
from vprkit.methods.pairvpr.decoder import DecoderBlock
from vprkit.methods.pairvpr.network import PairVPR
from vprkit.methods.pairvpr.scorer import PairScorer, Products
from vprkit.rerank.reranker import Shortlist, scores_of
from vprkit.retrieval.local_codec import Encoded, LocalCodec

CPU = torch.device("cpu")
GRID = (23, 23)
TOKENS = GRID[0] * GRID[1]


def network_of(size: str) -> PairVPR:
    """The whole decoder beside one block of the encoder, which is not part of the second stage."""
    torch.manual_seed(0)
    return PairVPR(dinov2_config(size, registers=4, depth=1)).eval()  # type: ignore[arg-type]


def alike(count: int, width: int) -> tuple[Tensor, Tensor]:
    """(1, N, D) dense features, and `count` others that resemble them less and less."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, TOKENS, width, generator=generator)
    share = torch.linspace(0.1, 1, count)[:, None, None]
    return query, (1 - share) * query + share * torch.randn(count, TOKENS, width, generator=generator)


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]


def nothing_cached(network: PairVPR, query: Tensor, candidates: Tensor, kernel: Kernel = plain) -> Tensor:
    """(C,) scores as published: whole sequences of both images, both ways, all candidates at once, float32."""
    queries = query.expand(len(candidates), -1, -1)
    return (whole(network, queries, candidates, kernel) + whole(network, candidates, queries, kernel))[:, 0]


def whole(network: PairVPR, one: Tensor, two: Tensor, kernel: Kernel) -> Tensor:
    assert network.decoder_clstoken is not None and network.dec_pos_embed_cls is not None
    tokens, other = network.decoder_embed(one), network.decoder_embed(two) + network.dec_pos_embed
    tokens = torch.cat([network.decoder_clstoken.expand(len(tokens), -1, -1), tokens], 1) + network.dec_pos_embed_cls
    for block in network.dec_blocks:
        assert isinstance(block, DecoderBlock)
        tokens = tokens + attended(block, block.norm1(tokens), kernel)
        cross, normed, known = block.cross_attn, block.norm2(tokens), block.norm_y(other)
        sides = (cross._heads(layer(x)) for layer, x in ((cross.projq, normed), (cross.projk, known),
                                                         (cross.projv, known)))  # fmt: skip
        tokens = tokens + cross.proj(kernel(*sides).transpose(1, 2).flatten(2))
        tokens = tokens + block.mlp(block.norm3(tokens))
    logits: Tensor = network.classvprmodule(network.dec_norm(tokens)[:, 0])
    return logits


def attended(block: DecoderBlock, tokens: Tensor, kernel: Kernel) -> Tensor:
    attention = block.attn
    sides = (attention.query(tokens), attention.key(tokens), attention.value(tokens))
    result: Tensor = attention.proj(kernel(*sides).transpose(1, 2).flatten(2))
    return result


def local(tokens: Tensor) -> Features:
    counts = torch.full((len(tokens),), tokens.shape[1])
    return Features(torch.empty(len(tokens), 0), LocalFeatures(tokens, counts, GRID))


def second_stage(network: PairVPR, products: Products, hot: float = 0.0) -> PairReranker:
    return PairReranker(PairClassifier(products, hot), PairScorer(network, CPU, products))


def agreement(exact: Tensor, other: Tensor) -> str:
    tau = kendalltau(exact.numpy(), other.numpy()).statistic
    return f"Kendall's tau {tau:.3f}, best {'the same' if int(exact.argmax()) == int(other.argmax()) else 'another'}"


@torch.inference_mode()
def speed(given: argparse.Namespace) -> None:
    network = network_of(given.size)
    query, candidates = alike(given.count, network.encoder.config.embed_dim)
    embedded, others = local(network.decoder_embed(query)), local(network.decoder_embed(candidates))
    shortlist = Shortlist(np.arange(given.count), lambda n: others[torch.from_numpy(n)], 4 * TOKENS * 768)

    expected = nothing_cached(network, query, candidates)
    timed = functools.partial(best_of, repeats=given.repeats, clock=CLOCKS[given.clock])
    base = timed(lambda: nothing_cached(network, query, candidates))
    fused = timed(lambda: nothing_cached(network, query, candidates, F.scaled_dot_product_attention))
    rows = [
        ("plain, float32", f"{base / given.count:.2f}", "1.00", ""),
        ("plain with torch's fused attention", f"{fused / given.count:.2f}", f"{base / fused:.2f}", ""),
    ]
    hot = second_stage(network, "half", 1e-9 * 25e6 * given.count)
    scores_of(hot, embedded, shortlist)
    for name, second in (("exact", second_stage(network, "exact")), ("half", second_stage(network, "half")),
                         ("half, every candidate hot", hot)):  # fmt: skip
        scores = scores_of(second, embedded, shortlist)
        if name == "exact":
            assert torch.allclose(scores, expected, rtol=1e-4, atol=1e-4), (scores - expected).abs().max()
        seconds = timed(functools.partial(scores_of, second, embedded, shortlist))
        error = f"{agreement(expected, scores)}, scores at most {(scores - expected).abs().max():.1e} off"
        rows.append((name, f"{seconds / given.count:.2f}", f"{base / seconds:.2f}", error))
    span = f"scores from {expected.min():.2f} to {expected.max():.2f}"
    title = f"1 query x {given.count} candidates of {TOKENS} tokens, ViT-{given.size} shapes, {span}"
    table(title, ("", "seconds per pair", "times faster", "against plain"), rows)


@torch.inference_mode()
def memory(given: argparse.Namespace) -> None:
    """Anonymous memory beyond the weights while one query meets a long shortlist that lies in a file as float16."""
    network = network_of(given.memory_size)
    width = network.config.width
    with tempfile.NamedTemporaryFile() as file:
        stored = np.memmap(file.name, np.float16, "w+", shape=(given.shortlist, TOKENS, width))
        generator = np.random.default_rng(0)
        for row in stored:
            row[:] = generator.standard_normal(row.shape, np.float32)
        stored.flush()
        none, codec = np.zeros(0, "<f4"), LocalCodec("float16")

        def take(numbers: np.ndarray) -> Features:
            found = codec.decode([Encoded(stored[number], none, none, GRID) for number in numbers])
            return Features(torch.empty(len(numbers), 0), found)

        rows, before = [], rss_anon()
        for products, hot in (("exact", 0.0), ("half", 1.0)):  # the second one's figure holds what the first one left
            count = given.shortlist if products == "half" else min(given.shortlist, 20)
            watch = Peak()
            watch.start()
            second, query = second_stage(network, products, hot), take(np.array([0]))  # type: ignore[arg-type]
            seconds = best_of(
                functools.partial(scores_of, second, query, Shortlist(np.arange(count), take, 4 * TOKENS * width)), 1
            )
            watch.stop = True
            rows.append((products, str(count), f"{hot:g} GB", f"{(watch.peak - before) / 1024:.0f}", f"{seconds:.0f}"))
    table(
        f"one query of ViT-{given.memory_size} shapes",
        ("products", "candidates", "hot set", "anonymous MB beyond weights", "seconds"), rows,
    )  # fmt: skip


@torch.inference_mode()
def kernels(given: argparse.Namespace) -> None:
    """The ways to compute attention on this CPU, per image of a batch."""
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        for batch in (1, 8):
            sides = torch.randn(3, batch, 12, TOKENS + 1, 64).to(dtype).unbind(0)
            ways = (F.scaled_dot_product_attention, plain, tiled)
            clock = CLOCKS[given.clock]
            cells = [1000 * best_of(functools.partial(way, *sides), 5, clock) / batch for way in ways]
            rows.append((str(dtype).removeprefix("torch."), str(batch), *(f"{cell:.1f}" for cell in cells)))
    title = f"attention of 12 heads of 64 over {TOKENS + 1} tokens, ms per image"
    table(title, ("type", "batch", "fused kernel", "plain", "plain in tiles (used)"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="B", help="DINOv2's size whose features are compared")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--clock", default="wall", choices=[*CLOCKS], help="cpu: of this process, on a busy machine")
    parser.add_argument("--memory-size", default="g")
    parser.add_argument("--shortlist", type=int, default=500)
    parser.add_argument("--skip", nargs="*", default=[], choices=["kernels", "speed", "memory"])
    asked = parser.parse_args()
    devices.enable_fast_fp32()
    for part in (kernels, speed, memory):
        if part.__name__ not in asked.skip:
            part(asked)
