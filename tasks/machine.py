"""What this machine is and what work on it takes: device, dtype, memory, seconds, energy."""

import ctypes
import gc
import logging
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts import Cost
from tasks.core import digest

if TYPE_CHECKING:
    import torch

PROCESS = uuid.uuid4().hex[:8]  # names the run that measured a cost
GIB = 1024**3
PEAK_RESET, PROCESS_STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@lru_cache(maxsize=1)
def device_and_dtype() -> "tuple[str, torch.dtype]":
    """The device and dtype that models run in: CUDA bf16, CPU bf16 where it has it, else fp32."""
    import torch

    if torch.cuda.is_available():
        return "cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    has = torch.cpu.get_capabilities()
    bf16 = has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16")
    return "cpu", torch.bfloat16 if bf16 else torch.float32


def dtype_name() -> str:
    """The dtype's name without its module, e.g. `bfloat16`."""
    return str(device_and_dtype()[1]).removeprefix("torch.")


def memory_gib() -> float:
    """Memory that models may use, GiB: the GPU's if there is one, else the machine's."""
    import psutil

    device, _ = device_and_dtype()
    if device == "cuda":
        import torch

        return float(torch.cuda.get_device_properties(0).total_memory) / GIB
    return float(psutil.virtual_memory().total) / GIB


@lru_cache(maxsize=1)
def machine_id() -> str:
    """Digest of what makes a timing comparable: processor, cores, device."""
    import psutil
    import torch

    device, _ = device_and_dtype()
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor()
    cores = psutil.cpu_count(logical=False)
    return digest.of_json([platform.node(), name, cores, torch.get_num_threads()])


def runtime() -> str:
    """Digest of what answers and their scores depend on besides code and data."""
    from importlib.metadata import version

    libraries = (
        "torch", "transformers", "peft", "trl", "sentence-transformers", "tokenizers",
        "rouge-score", "sacrebleu", "jsonschema",
    )  # fmt: skip
    device, _ = device_and_dtype()
    return digest.of_json([device, dtype_name(), [version(name) for name in libraries]])


@dataclass
class Meter:
    """Filled by `metered`: tokens and samples are added by the work, the rest at its end.

    `beside` are seconds in which the work did not ask a model.
    """

    tokens: int = 0
    samples: list[float] = field(default_factory=list)
    beside: float = 0.0
    cost: Cost | None = field(default=None)

    def measured(self) -> Cost:
        """The cost; only after the `with` block."""
        assert self.cost is not None, "the metered block has not ended"
        return self.cost


@lru_cache(maxsize=1)
def _tracker() -> Any:
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)  # it speaks before it is configured
    # The country only turns energy into emissions, and only the energy is kept.
    return OfflineEmissionsTracker(
        country_iso_code="DEU", output_methods=[], log_level="critical", allow_multiple_runs=True
    )


def _energy_method(tracker: Any) -> str:
    modes = [getattr(part, "_mode", None) for part in tracker._hardware]
    names = {type(part).__name__ for part in tracker._hardware}
    counters = "intel_rapl" in modes or "GPU" in names
    how = "counters" if counters else f"estimate ({next(filter(None, modes), 'constant')})"
    return f"codecarbon: {how}"


def free_memory() -> None:
    """Give the system back what nothing refers to; a GPU's memory stays with torch."""
    gc.collect()
    # A training frees gigabytes in pieces, which glibc keeps unless it is told.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _forget_peak() -> bool:
    """Let the memory's peak begin anew, without what is not used; whether that can be done here."""
    free_memory()
    if device_and_dtype()[0] == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return True
    try:
        PEAK_RESET.write_text("5", encoding="ascii")  # see proc(5)
    except OSError:
        return False
    return True


def _peak_gib() -> float | None:
    """The most memory held since `_forget_peak`, GiB."""
    if device_and_dtype()[0] == "cuda":
        import torch

        return float(torch.cuda.max_memory_allocated()) / GIB
    lines = PROCESS_STATUS.read_text(encoding="ascii").splitlines()
    peak = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    return None if peak is None else int(peak) * 1024 / GIB


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure seconds and energy of a block; the energy is codecarbon's, offline."""
    meter, tracker, watched = Meter(), _tracker(), _forget_peak()
    tracker.start_task(uuid.uuid4().hex)
    began = time.perf_counter()
    try:
        yield meter
    finally:
        seconds = time.perf_counter() - began
        energy = tracker.stop_task()
        meter.cost = Cost(
            seconds=seconds,
            tokens=meter.tokens,
            energy_kwh=float(energy.energy_consumed),
            energy_method=_energy_method(tracker),
            device=device_and_dtype()[0],
            dtype=dtype_name(),
            machine=machine_id(),
            run=PROCESS,
            samples=tuple(meter.samples),
            peak_gib=_peak_gib() if watched else None,
        )
