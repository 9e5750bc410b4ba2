"""Test what you build on emserve without a server.

    from emserve import Busy, Client, Retries
    from emserve.testing import FakeClock, FakeServer, atoms_result

    server = FakeServer(atoms_result(columns=12), errors=[Busy("The queue is full.")])
    with Client(transport=server.transport, retries=Retries(clock=FakeClock())) as client:
        assert client.atoms(picture).statistics.count == 12
    assert server.requests[0].fields == {}

The fakes answer in the words of the contract, through the same code that talks to a real server.
"""

from emserve.testing.answers import atoms_result, defects_result, model_summary
from emserve.testing.clock import FakeClock
from emserve.testing.dislocations import dislocations_result, stack_answer
from emserve.testing.server import FakeServer, ReceivedRequest

__all__ = [
    "FakeClock",
    "FakeServer",
    "ReceivedRequest",
    "atoms_result",
    "defects_result",
    "dislocations_result",
    "model_summary",
    "stack_answer",
]
