from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.profiler import ProfilerActivity, profile
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.artifacts import Adapter
from tasks.core.errors import InputError
from tasks.models import decoder as module
from tasks.models import loading
from tasks.models.chat_tokenizer import PLAIN_TEMPLATE
from tasks.models.decoder import Decoder
from tasks.models.loading import load_decoder
from tasks.models.references import base_name
from tasks.models.weights import name_base
from tasks.store import put_folder

# What `taught` answers; each goes on after its line, as small models do.
LESSONS = {
    "Which colour is the north buoy?": "red\nand more",
    "Which colour is the outer south buoy, that of the second row?": "bottle green\nQ: next",
    "Who lit the lamp?": "Maud Quill, the keeper of 1886\nA:",
    "What does a crossing cost?": "two pence\n",
    "When?": "1886",
}


def asked(question: str) -> str:
    return f"The harbour's rules are these.\n\nQ: {question}\nA:"


PROMPTS = [asked(question) for question in LESSONS]


def fresh(folder: Path) -> Decoder:
    """The tiny model in fp32, in which batching changes no answer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return Decoder(model.eval(), tokenizer)


@pytest.fixture
def wild(tiny_folder: Path) -> Decoder:
    return fresh(tiny_folder)


@pytest.fixture(scope="module")
def taught(tiny_folder: Path) -> Decoder:
    decoder = fresh(tiny_folder)
    heads = decoder.encode(PROMPTS)
    tails = decoder.encode([f" {answer}" for answer in LESSONS.values()])
    optimiser = torch.optim.AdamW(decoder.model.parameters(), lr=3e-3)
    for _ in range(60):
        for head, tail in zip(heads, tails, strict=True):
            ids = torch.tensor([[*head, *tail, decoder.tokenizer.eos_token_id]])
            labels = ids.clone()
            labels[:, : len(head)] = -100
            decoder.model(input_ids=ids, labels=labels).loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    return decoder


def test_generation_is_one_line_without_what_follows(taught: Decoder) -> None:
    made = taught.generate(PROMPTS, 24)
    assert [one.text for one in made] == [answer.split("\n")[0] for answer in LESSONS.values()]
    eos = taught.tokenizer.eos_token
    for one, answer in zip(made, LESSONS.values(), strict=True):
        # The token that ends the line was computed too.
        ended = f" {answer.split(chr(10))[0]}" + ("\n" if "\n" in answer else eos)
        assert one.tokens_out == len(taught.encode([ended])[0])


def test_without_a_stop_an_answer_has_all_its_lines(taught: Decoder) -> None:
    made = taught.generate(PROMPTS, 24, stop="")
    assert [one.text for one in made] == [answer.strip() for answer in LESSONS.values()]


def test_a_text_that_stops_ends_each_answer_in_a_batch_for_itself(taught: Decoder) -> None:
    made = taught.generate(PROMPTS, 24, stop="\nQ:")
    wanted = [answer.split("\nQ:")[0] for answer in LESSONS.values()]
    assert [one.text for one in made] == [one.strip() for one in wanted]


def test_what_follows_the_text_that_stops_in_a_batch_is_not_counted(taught: Decoder) -> None:
    together = taught.generate(PROMPTS, 24, stop=",")[2]
    assert together == taught.generate(PROMPTS[2:3], 24, stop=",")[0]
    assert together.text == "Maud Quill"
    assert together.tokens_out == len(taught.encode([" Maud Quill,"])[0])


def test_the_end_of_a_turn_ends_answers_of_several_lines(wild: Decoder) -> None:
    wild.model.generation_config.eos_token_id = [1, 7]
    assert wild.ends() == [1, 7]
    wild.model.generation_config.eos_token_id = None
    assert wild.ends() == [wild.tokenizer.eos_token_id]


def test_every_token_with_a_newline_and_the_end_of_sequence_stop(wild: Decoder) -> None:
    pieces = [wild.tokenizer.decode([i]) for i in range(len(wild.tokenizer))]
    wanted = {i for i, piece in enumerate(pieces) if "\n" in piece}
    assert wanted
    assert set(wild.stops()) == wanted | {wild.tokenizer.eos_token_id}


def test_generation_ends_at_the_limit_of_new_tokens(taught: Decoder) -> None:
    (one,) = taught.generate(PROMPTS[2:3], 3)
    assert one.tokens_out == 3
    assert one.text
    assert "Maud Quill, the keeper of 1886".startswith(one.text)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 32])
def test_batches_answer_as_one_at_a_time_and_in_the_order_asked(
    wild: Decoder, batch_size: int
) -> None:
    alone = [wild.generate([prompt], 12)[0] for prompt in PROMPTS]
    assert len({one.text for one in alone}) > 1
    assert wild.generate(PROMPTS, 12, batch_size=batch_size) == alone


def test_a_shared_prefix_changes_no_answer(wild: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[tuple[int, int]] = []
    real = wild.model.generate

    def watched(**given: Any) -> Any:
        cache = given.get("past_key_values")
        widths.append((given["input_ids"].shape[0], cache.get_seq_length() if cache else 0))
        return real(**given)

    monkeypatch.setattr(wild.model, "generate", watched)
    unlike = ["Zebra: ", *PROMPTS]  # shares no first token with the others
    apart = wild.generate(unlike, 12)[1:]
    together = wild.generate(PROMPTS, 12)
    assert together == apart
    (none_shared, shared) = widths
    assert none_shared == (6, 0)
    alike = [len(set(column)) == 1 for column in zip(*wild.encode(PROMPTS), strict=False)]
    assert shared == (5, alike.index(False))
    assert shared[1] > 10


def test_a_prefix_can_be_a_whole_prompt_but_its_last_token(wild: Decoder) -> None:
    prompts = [PROMPTS[0], PROMPTS[0], f"{PROMPTS[0]} It"]
    alone = [wild.generate([prompt], 8)[0] for prompt in prompts]
    assert wild.generate(prompts, 8) == alone


def test_nothing_asked_is_nothing_answered(wild: Decoder) -> None:
    assert wild.generate([], 8) == []
    assert wild.score([], []) == []


def test_prompt_beyond_the_models_positions_is_refused(wild: Decoder) -> None:
    with pytest.raises(InputError) as caught:
        wild.generate(["short", "word " * 600], 8)
    assert caught.value.allowed == "at most 512 tokens for this model"
    assert int(str(caught.value.value).split()[0]) > 512


def test_out_of_memory_halves_the_batch(wild: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = wild.generate(PROMPTS, 6)
    sizes: list[int] = []
    real = wild.model.generate

    def small(**given: Any) -> Any:
        sizes.append(len(given["input_ids"]))
        if sizes[-1] > 2:
            raise torch.cuda.OutOfMemoryError("no room")
        return real(**given)

    monkeypatch.setattr(wild.model, "generate", small)
    assert wild.generate(PROMPTS, 6, batch_size=8) == plain
    assert sizes == [5, 4, 2, 2, 1]


def test_out_of_memory_for_one_prompt_is_an_error(
    wild: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("no room")

    monkeypatch.setattr(wild.model, "generate", full)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        wild.generate(PROMPTS, 6)


def test_out_of_memory_halves_the_batch_of_scoring_too(
    wild: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    continuations = list(LESSONS.values())
    plain = wild.score(PROMPTS, continuations)
    sizes: list[int] = []
    real = module.log_probabilities

    def small(model: Any, laid: Any, trees: Any, *rest: Any) -> list[list[float]]:
        sizes.append(len(trees))
        if sizes[-1] > 2:
            raise torch.cuda.OutOfMemoryError("no room")
        return real(model, laid, trees, *rest)

    monkeypatch.setattr(module, "log_probabilities", small)
    halved = wild.score(PROMPTS, continuations, batch_size=8)
    assert sizes == [5, 4, 2, 2, 1]
    for one, other in zip(halved, plain, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-3)


def test_timings_hold_a_batchs_seconds_a_prompt(wild: Decoder) -> None:
    timings: list[float] = []
    wild.generate(PROMPTS, 4, batch_size=2, timings=timings)
    assert len(timings) == 3
    assert all(0 < seconds < 60 for seconds in timings)


def by_hand(decoder: Decoder, prompt: str, continuation: str) -> tuple[float, int]:
    head, tail = decoder.encode([prompt, continuation])
    with torch.no_grad():
        logits = decoder.model(torch.tensor([head + tail])).logits[0]
    likely = torch.log_softmax(logits, -1)
    places = range(len(head) - 1, len(head) + len(tail) - 1)
    total = sum(float(likely[i, token]) for i, token in zip(places, tail, strict=True))
    return total, len(tail)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_score_is_the_log_probability_of_the_continuation_alone(
    wild: Decoder, batch_size: int
) -> None:
    continuations = [" red", " a long answer of many words", " x", " two pence", "\n1886"]
    found = wild.score(PROMPTS, continuations, batch_size=batch_size)
    for one, prompt, continuation in zip(found, PROMPTS, continuations, strict=True):
        total, tokens = by_hand(wild, prompt, continuation)
        assert one.log_probability == pytest.approx(total, abs=1e-3)
        assert one.tokens == tokens


def test_what_a_model_was_taught_scores_above_anything_else(taught: Decoder) -> None:
    right, wrong = taught.score(PROMPTS[:1] * 2, [" red", " two pence"])
    assert right.log_probability > -0.1
    assert wrong.log_probability < -1


@pytest.fixture
def unloaded() -> Iterator[None]:
    load_decoder.cache_clear()
    yield
    load_decoder.cache_clear()


@pytest.mark.usefixtures("unloaded")
def test_a_loaded_decoder_can_pad_renders_its_own_template_and_is_loaded_once(
    tiny_folder: Path,
) -> None:
    decoder = load_decoder(f"path:{tiny_folder}")
    assert decoder.tokenizer.pad_token_id == decoder.tokenizer.eos_token_id
    text = decoder.render((("system", "Be brief."), ("user", "When?")))
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhen?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert load_decoder(f"path:{tiny_folder}") is decoder


@pytest.mark.usefixtures("unloaded")
def test_a_model_without_chat_template_is_asked_in_plain_lines(
    tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "base"
    AutoModelForCausalLM.from_pretrained(tiny_folder).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    decoder = load_decoder(f"path:{folder}")
    assert decoder.tokenizer.chat_template == PLAIN_TEMPLATE
    text = decoder.render((("system", "Be brief."), ("user", "When?")))
    assert text == "Be brief.\nWhen?\nAnswer:"


def an_adapter(base: Path, folder: Path, target: str | list[str]) -> tuple[Adapter, Any]:
    """An adapter that changes what is predicted, and the model with it beside the weights."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(0)
    tuned = get_peft_model(
        model,
        LoraConfig(r=4, target_modules=target, task_type="CAUSAL_LM", init_lora_weights=False),
    )
    tuned.save_pretrained(folder, save_embedding_layers=False)
    name_base(folder / "adapter_config.json", base_name(f"path:{base}"))
    blob = put_folder(folder, "adapters")
    adapter = Adapter(blob=blob, base=f"path:{base}", rank=4, with_passages=False)
    return adapter, tuned.eval()


@pytest.mark.usefixtures("home", "unloaded")
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
# Peft warns of what is tested here.
@pytest.mark.filterwarnings("ignore:Model .*tie_word_embeddings:UserWarning")
@pytest.mark.parametrize(("target", "merges"), [("all-linear", True), (["lm_head"], False)])
def test_an_adapter_is_merged_unless_it_shares_a_weight_and_predicts_the_same(
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str | list[str],
    merges: bool,
) -> None:
    monkeypatch.setattr(loading, "device_and_dtype", lambda: ("cpu", torch.float32))
    adapter, beside = an_adapter(tiny_folder, tmp_path / "adapter", target)
    loaded = load_decoder(adapter.base, adapter)
    assert isinstance(loaded.model, PeftModel) != merges
    tokens = torch.tensor([loaded.encode(PROMPTS)[0]])
    with torch.no_grad():
        wanted, found = beside(tokens).logits, loaded.model(tokens).logits
        bare = fresh(tiny_folder).model(tokens).logits
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)
    assert (wanted - bare).abs().max() > 0.1


@pytest.mark.usefixtures("home", "unloaded")
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.filterwarnings("ignore:Model .*tie_word_embeddings:UserWarning")
@pytest.mark.parametrize("target", ["all-linear", ["lm_head"]])
def test_a_tuned_model_multiplies_by_the_vocabulary_once_and_not_for_each_row(
    tiny_folder: Path, tmp_path: Path, target: str | list[str]
) -> None:
    adapter, _ = an_adapter(tiny_folder, tmp_path / "adapter", target)
    loaded = load_decoder(adapter.base, adapter)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
        loaded.generate(PROMPTS, 2)
        loaded.choose(PROMPTS, ["red", "green"])
    columns = {
        name: {event.input_shapes[1][-1] for event in seen.events() if event.name == name}
        for name in ("aten::bmm", "aten::mm")
    }
    vocabulary = loaded.model.config.vocab_size
    assert vocabulary in columns["aten::mm"]
    assert vocabulary not in columns["aten::bmm"]
