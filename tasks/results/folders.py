"""Where results may be written."""

import os
import shutil
from pathlib import Path

from tasks.core.errors import InputError


def require_writable(field: str, place: Path, free: int = 0) -> None:
    """Refuse a folder that cannot be written or made, or has fewer bytes free on its disk.

    Raises:
        InputError: it names the field that the folder was given by.
    """
    above = next(parent for parent in (place, *place.parents) if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(field, str(place), "a folder that can be written", "Choose another.")
    there = shutil.disk_usage(above).free
    if there < free:
        raise InputError(
            field, f"{there / 2**30:.2f} GiB free at {place}",
            f"at least {free / 2**30:g} GiB free", "Free some space or choose another folder.",
        )  # fmt: skip
