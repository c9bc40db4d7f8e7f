"""Every kind of malformed request once; `benchmarks/serve_malformed.py` sends them many times, several at once."""

from tests.serve.conftest import view
from tests.serve.load import Asked, load
from tests.serve.malformed import status_of, wrongs
from tests.serve.process import served

STEADY_MEGABYTES = 30
"""The allocator's own breath: a leaked upload of each kind would be more."""


def test_everything_malformed_is_refused_and_nothing_stays(city):
    kinds = list(wrongs())
    assert len(kinds) == len({wrong.name for wrong in kinds}) > 300
    memory = []
    with served(city.folder, "--device", "cpu") as service:
        for _ in range(2):
            statuses = {wrong.name: status_of(service.port, wrong) for wrong in kinds}
            assert {name: status for name, status in statuses.items() if not 400 <= status < 500} == {}
            sound = load(service.port, [Asked(view(3), "@d3@")], clients=1, seconds=0.1)
            assert sound.seconds and not sound.failures and not sound.wrong
            memory.append(service.anonymous_megabytes())
        assert service.process.poll() is None and "Traceback" not in service.log.read_text()
    assert memory[1] - memory[0] < STEADY_MEGABYTES
