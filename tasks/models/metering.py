"""What asking a model takes: measured here, or of a hosted model as far as it shows."""

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.artifacts import ModelRef
from tasks.machine import Meter, metered
from tasks.models.spending import current

KEPT = "earlier, answers kept"


@contextmanager
def asking(model: ModelRef) -> Iterator[Meter]:
    """Meter a block that asks a model; `samples` are the seconds of its answers.

    Nobody here measures a hosted model's energy. Its seconds are the requests' own, whenever they
    were paid for, and those `beside` them; where none was sent in the block, the run says so.
    """
    account = current()
    sent, kept = account.sent, account.kept
    with metered() as meter:
        yield meter
    if not model.open_weights:
        earlier = account.sent == sent and account.kept > kept
        cost = meter.measured()
        meter.cost = cost.model_copy(
            update={
                "seconds": meter.beside + sum(cost.samples), "energy_kwh": None,
                "energy_method": None, "device": "hosted", "dtype": "unknown",
                "run": KEPT if earlier else cost.run,
            }
        )  # fmt: skip
