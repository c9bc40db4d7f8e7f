import pytest
import torch
from torch import nn

from vprkit.errors import ConfigError
from vprkit.training.gradient_cache import embed_in_chunks
from vprkit.training.losses import make_loss, make_miner


def problem(dropout=0.0):
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 4))
    return network, torch.randn(20, 6), torch.arange(5).repeat(4)


def loss_of(labels, name="multi_similarity"):
    return lambda embeddings: make_loss(name)(embeddings, labels, make_miner("multi_similarity")(embeddings, labels))


def backward_in_chunks(network, batch, loss_of, chunk):
    loss = loss_of(embed_in_chunks(network, batch, chunk))
    loss.backward()
    return loss.detach()


def gradients(network):
    found = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    return found


@pytest.mark.parametrize("chunk", [1, 3, 7, 20, 50])
def test_chunks_give_the_gradient_of_the_whole_batch(chunk):
    network, batch, labels = problem()
    whole = loss_of(labels)(network(batch))
    whole.backward()
    expected = gradients(network)
    loss = backward_in_chunks(network, batch, loss_of(labels), chunk)
    assert torch.allclose(loss, whole.detach(), atol=1e-6)
    for found, wanted in zip(gradients(network), expected, strict=True):
        assert torch.allclose(found, wanted, atol=1e-6) and wanted.abs().max() > 1e-4


def test_dropout_draws_the_same_in_both_passes():
    """Numeric derivative of the loss with the drawn masks held fixed."""
    network, batch, labels = problem(dropout=0.5)
    network, batch = network.double(), batch.double()
    torch.manual_seed(7)
    backward_in_chunks(network, batch, loss_of(labels, "contrastive"), 6)
    gradient = network[0].weight.grad[2, 3].item()

    def loss_with(change):
        torch.manual_seed(7)
        with torch.no_grad():
            network[0].weight[2, 3] += change
            embeddings = torch.cat([network(part) for part in batch.split(6)])
            network[0].weight[2, 3] -= change
        return loss_of(labels, "contrastive")(embeddings).item()

    step = 1e-6
    assert gradient == pytest.approx((loss_with(step) - loss_with(-step)) / (2 * step), rel=1e-4, abs=1e-8)


def test_what_comes_after_draws_as_if_nothing_had_happened():
    network, batch, labels = problem(dropout=0.5)
    torch.manual_seed(3)
    backward_in_chunks(network, batch, loss_of(labels), 5)
    after = torch.rand(3)
    torch.manual_seed(3)
    for part in batch.split(5):
        network(part)
    assert torch.equal(after, torch.rand(3))


def test_activations_of_one_chunk_are_held():
    """The most that the hidden layer keeps alive at once during the backward pass."""
    alive, most = [0], [0]

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            most[0] = max(most[0], alive[0])
            alive[0] -= len(ctx.saved_tensors[0])
            return g

    class Hidden(nn.Module):
        def forward(self, x):
            alive[0] += len(x) if torch.is_grad_enabled() else 0
            return Counted.apply(x)

    network = nn.Sequential(nn.Linear(6, 16), Hidden(), nn.Linear(16, 4))
    batch = torch.randn(20, 6)
    embeddings = embed_in_chunks(network, batch, 5)
    alive[0] = most[0] = 0  # what the first pass computed was thrown away
    embeddings.square().sum().backward()
    assert most[0] == 5


def test_a_loss_without_pairs_leaves_zero_gradients():
    network, batch, _ = problem()
    backward_in_chunks(network, batch, loss_of(torch.arange(20)), 4)
    assert all(gradient.abs().max() == 0 for gradient in gradients(network))


def test_batch_statistics_are_refused():
    network = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
    with pytest.raises(ConfigError, match="'1' takes statistics of the batch"):
        backward_in_chunks(network, torch.randn(8, 6), lambda e: e.sum(), 2)
    network[1].eval()
    backward_in_chunks(network, torch.randn(8, 6), lambda e: e.sum(), 2)
    with pytest.raises(ConfigError, match="at least 1"):
        backward_in_chunks(network, torch.randn(8, 6), lambda e: e.sum(), 0)
