"""The queue, its ages, its self pairs, and the loss against it."""

import pytest
import torch

from vprkit.errors import ConfigError
from vprkit.losses.memory import MemoryBank, memory_loss, without_own
from vprkit.losses.miners import MultiSimilarityMiner
from vprkit.losses.multi_similarity import MultiSimilarityLoss
from vprkit.losses.nca import NCALoss


def batch(count, seed, places=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, generator=generator), torch.randint(places, (count,), generator=generator)


def test_slots_ages_and_the_end_of_the_queue():
    bank = MemoryBank(5)
    first, second, third = (batch(count, count) for count in (2, 2, 3))
    found = bank.remember(*first)
    assert found.own.tolist() == [0, 1] and found.ages.tolist() == [0, 0] and not bank.filled
    assert bank.remember(*second).ages.tolist() == [1, 1, 0, 0]
    found = bank.remember(*third)
    assert found.own.tolist() == [4, 0, 1] and bank.filled and (bank.position, bank.steps) == (2, 3)
    assert found.ages.tolist() == [0, 0, 1, 1, 0]
    assert torch.equal(found.vectors, torch.cat([third[0][1:], second[0], third[0][:1]]))
    assert found.labels.tolist() == [*third[1][1:].tolist(), *second[1].tolist(), int(third[1][0])]


def test_a_queue_that_ends_exactly_is_filled():
    bank = MemoryBank(4)
    bank.remember(*batch(2, 0))
    assert not bank.filled and bank.used == 2
    bank.remember(*batch(2, 1))
    assert bank.filled and bank.position == 0 and bank.used == 4


def test_reset_forgets_all_but_the_count_of_batches():
    bank = MemoryBank(4)
    bank.remember(*batch(3, 0))
    bank.reset()
    assert (bank.used, bank.steps, bank.filled) == (0, 1, False)
    found = bank.remember(*batch(2, 1))
    assert found.ages.tolist() == [0, 0] and bank.stamps[:2].tolist() == [1, 1]


def test_what_is_remembered_has_no_gradient_and_is_not_normalised():
    vectors, labels = batch(3, 0)
    bank = MemoryBank(8)
    bank.remember((3 * vectors).requires_grad_(), labels)
    assert torch.equal(bank.vectors[:3], 3 * vectors) and not bank.vectors.requires_grad


def test_own_copies_are_no_positives():
    own = torch.tensor([4, 0, 1])
    anchors, positives = torch.tensor([0, 0, 1, 2]), torch.tensor([4, 1, 0, 0])
    other = torch.tensor([0, 1])
    found = without_own((anchors, positives, other, other), own)
    assert [part.tolist() for part in found] == [[0, 2], [1, 0], [0, 1], [0, 1]]
    found = without_own((anchors, positives, torch.arange(4)), own)
    assert [part.tolist() for part in found] == [[0, 2], [1, 0], [1, 3]]


@pytest.mark.parametrize("keep", [False, True])
def test_a_batch_of_one_keeps_its_copy_only_as_published(keep):
    bank = MemoryBank(6)
    loss, labels = MultiSimilarityLoss(), torch.tensor([0, 0, 1, 1])
    memory_loss(bank, loss, None, batch(4, 0)[0], labels)
    found = memory_loss(bank, loss, None, batch(1, 1)[0], labels[:1], keep_single=keep)
    assert found.indices[1].tolist() == ([0, 1, 4] if keep else [0, 1])
    whole = memory_loss(bank, loss, None, batch(2, 2)[0], labels[:2], keep_single=keep)
    assert not any(whole.references.own[a] == p for a, p in zip(*whole.indices[:2], strict=True))


def test_decay_weighs_the_loss_that_can_weigh_and_no_other():
    def losses(loss, decay):
        bank = MemoryBank(12)
        return [float(memory_loss(bank, loss, None, *batch(4, seed), decay=decay).loss) for seed in range(3)]

    plain, decayed = losses(MultiSimilarityLoss(), 0.0), losses(MultiSimilarityLoss(), 1.0)
    assert plain[0] == decayed[0] and plain[1] > decayed[1] and plain[2] > decayed[2]
    assert losses(NCALoss(), 0.0) == losses(NCALoss(), 1.0)


def test_the_state_brings_everything_back():
    whole, halved = MemoryBank(7), MemoryBank(7)
    loss, miner = MultiSimilarityLoss(), MultiSimilarityMiner()
    for seed in range(6):
        if seed == 3:
            state = halved.state_dict()
            halved = MemoryBank(7)
            halved.load_state_dict(state)
        one = memory_loss(whole, loss, miner, *batch(3, seed), decay=0.3).loss
        assert torch.equal(one, memory_loss(halved, loss, miner, *batch(3, seed), decay=0.3).loss)
    assert not list(whole.parameters()) and not list(whole.buffers())


def test_the_state_holds_filled_slots_alone():
    bank = MemoryBank(1000)
    assert bank.get_extra_state()["vectors"].numel() == 0
    bank.remember(*batch(3, 0))
    kept = bank.get_extra_state()["vectors"]
    assert kept.shape == (3, 4) and kept.untyped_storage().nbytes() == 3 * 4 * 4


def test_batches_that_do_not_fit():
    with pytest.raises(ConfigError, match=r"batch of 5 images does not fit into a memory of 4; raise memory.size"):
        MemoryBank(4).remember(*batch(5, 0))
    with pytest.raises(ConfigError, match="one slot at least"):
        MemoryBank(0)
