"""CricaVPR-small: its regions, and that descriptors depend on the batch exactly where the option says so."""

import pytest
import torch

from vprkit.errors import ConfigError
from vprkit.methods.cricavpr_small.network import CricaVPRConfig, build


def network(**options: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(CricaVPRConfig(depth=1, table_size=56, **options)).eval()


def images() -> torch.Tensor:
    return torch.randn(3, 3, 56, 70, generator=torch.Generator().manual_seed(0))


def test_fourteen_tokens() -> None:
    model = network()
    with torch.inference_mode():
        tokens = model.tokens(images())
        patches = model.backbone.features(images()).normed.patch_map
    assert tokens.shape == (3, 14, 384)
    torch.testing.assert_close(tokens[:, 1], model.pool(patches[:, :, :2, :2]))
    torch.testing.assert_close(tokens[:, 13], model.pool(patches[:, :, 3:, 3:]))


def test_descriptors_depend_on_the_batch_as_published_or_not_at_all() -> None:
    with torch.inference_mode():
        for across, alike in [(True, False), (False, True)]:
            model = network(across_images=across)
            together, alone = model(images()), model(images()[1:2])
            assert together.shape == (3, 14 * 384)
            torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
            assert torch.allclose(together[1:2], alone, atol=1e-5) == alike
        one = images()[:1]
        torch.testing.assert_close(network(across_images=True)(one), network(across_images=False)(one))


def test_maps_without_nine_regions_are_refused() -> None:
    with pytest.raises(ConfigError, match="no 3 x 3 regions"):
        network()(torch.zeros(1, 3, 28, 56))
    with pytest.raises(ConfigError, match="heads do not divide"):
        build(CricaVPRConfig(heads=7))
