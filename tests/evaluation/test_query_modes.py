import numpy as np
import pytest
import torch

import vprkit
from vprkit.data import images as pictures
from vprkit.errors import ConfigError
from vprkit.evaluation.crop_votes import majority, nearest_crop
from vprkit.evaluation.query_modes import JOINED, query_method
from vprkit.preprocessing import Preprocessing
from vprkit.retrieval.pca import PCA, with_pca


@pytest.fixture(scope="module")
def benchmark(shared_set):
    return vprkit.open_benchmark(shared_set)


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(3),
                                  torch.nn.Flatten())  # fmt: skip
    prepared = Preprocessing(size=(32, 32), engine="tensor", interpolation="bilinear")
    return vprkit.Method.from_module(network, prepared, metric="l2", device="cpu")


def vectors_of(method, records):
    return method.describe([record.path for record in records]).global_.numpy()


def crops_of(method, records):
    """(Q, 5, D) by the crops that the data layer cuts from one image at a time."""
    shorter = Preprocessing(size=(32, 32), fit="shorter", engine="tensor", interpolation="bilinear")
    found = []
    for record in records:
        crops = pictures.five_crops(pictures.prepare(record.path, shorter), 32)
        found.append(method.describe_batch(crops).global_.numpy())
    return np.stack(found)


@pytest.mark.parametrize("mode", sorted(JOINED))
def test_five_crops(method, benchmark, mode):
    result = vprkit.evaluate(method, benchmark, queries_as=mode, ks=(1, 5))
    database, crops = vectors_of(method, benchmark.database), crops_of(method, benchmark.queries)
    for query, row in enumerate(result.rankings):
        distances = np.square(crops[query][:, None] - database).sum(2)
        numbers = np.argsort(distances, axis=1, kind="stable")[:, :5]
        near = np.take_along_axis(distances, numbers, 1)
        mean = np.argsort(np.square(crops[query].mean(0) - database).sum(1), kind="stable")[:5]
        expected = {
            "five_crops": mean,
            "nearest_crop": nearest_crop(numbers, near, 5),
            "maj_voting": majority(numbers, near, 5),
        }
        assert row.ranking == expected[mode].tolist()


def test_queries_in_shape_and_cropped(method, benchmark):
    """48 x 64 photos: 32 x 42 in shape, 32 x 32 from their middle."""
    assert query_method(method, "single_query").preprocessing.fit == "shorter"
    seen = []
    method.network[0].register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[-2:])))
    vprkit.evaluate(method, benchmark, queries_as="single_query", ks=(1,))
    assert (32, 42) in seen
    seen.clear()
    vprkit.evaluate(method, benchmark, queries_as="central_crop", ks=(1,))
    assert set(seen) == {(32, 32)}
    published = query_method(method, "central_crop_nearest").preprocessing
    assert (published.fit, published.engine, published.interpolation) == ("central_crop", "tensor", "nearest")
    seen.clear()
    vprkit.evaluate(method, benchmark, queries_as="central_crop_nearest", ks=(1,))
    assert set(seen) == {(32, 32)}
    with pytest.raises(ConfigError, match="queries as 'ten_crops' are unknown"):
        vprkit.evaluate(method, benchmark, queries_as="ten_crops")


def test_re_ranking_keeps_the_local_map_of_the_whole_query(benchmark):
    small = {"size": "S", "depth": 1, "table_size": 56, "local_mid_channels": 16, "local_channels": 8}
    selavpr = vprkit.load_method("selavpr", "random:3", resize=56, device="cpu", **small)
    crops = vprkit.evaluate(selavpr, benchmark, rerank=8, queries_as="five_crops", ks=(1, 5))
    whole = vprkit.evaluate(selavpr, benchmark, rerank=8, ks=(1, 5))
    assert [row.ranking[:1] for row in crops.rankings] == [row.ranking[:1] for row in whole.rankings]  # all 8 are seen


def test_pca_is_that_of_the_covariance():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(200, 6)) * [5, 4, 3, 2, 1, 0.5] + 7
    pca = PCA.fit(vectors, 3)
    values, directions = np.linalg.eigh(np.cov(vectors.T))
    for row, (_, direction) in enumerate(sorted(zip(values, directions.T, strict=True), key=lambda pair: -pair[0])[:3]):
        assert abs(float(pca.components[row] @ direction)) == pytest.approx(1, abs=1e-4)
    assert pca.apply(vectors.astype(np.float32)).mean(0) == pytest.approx(np.zeros(3), abs=1e-4)
    with pytest.raises(ConfigError, match="give 1 to 6"):
        PCA.fit(vectors, 7)


def test_a_projected_method_is_evaluated_by_l2(method, benchmark):
    database, queries = vectors_of(method, benchmark.database), vectors_of(method, benchmark.queries)
    pca = PCA.fit(database, 4)
    result = vprkit.evaluate(with_pca(method, pca), benchmark, ks=(1, 5))
    far = np.square(pca.apply(queries)[:, None] - pca.apply(database)).sum(2)
    assert [row.ranking for row in result.rankings] == np.argsort(far, 1, kind="stable")[:, :5].tolist()
    assert result.identity["configuration"]["pca"] == 4 and result.identity["metric"] == "l2"
