"""Whether a model can be had here, as far as that shows without fetching its weights."""

from contextlib import suppress

from tasks.models.references import cached, not_on_hub, split_reference, weights_folder
from tasks.services import services

HUB = "hf"


def on_hub(ref: str) -> bool:
    """Whether a model's weights are fetched from the model hub when they are first needed."""
    return split_reference(ref)[0] == HUB


def fetch_config(ref: str) -> None:
    """Bring the config of a model on the hub here, if the hub is there."""
    scheme, address, revision = split_reference(ref)
    if scheme != HUB or services().offline or cached(address, revision) is not None:
        return
    from huggingface_hub import hf_hub_download

    with suppress(OSError, ValueError):  # told of by `check_here`
        hf_hub_download(address, "config.json", revision=revision)


def check_here(ref: str) -> None:
    """Refuse a model without weights here or on the hub; only its config is fetched.

    Raises:
        InputError: nothing is where the reference points, or the model is hosted.
    """
    scheme, address, revision = split_reference(ref)
    if scheme != HUB:
        weights_folder(ref)
        return
    fetch_config(ref)
    if cached(address, revision) is None:
        raise not_on_hub(ref)
