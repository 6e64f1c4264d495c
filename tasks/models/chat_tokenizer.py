"""A tokenizer with its chat template: chats to text, text to ids, and how an answer ends."""

from collections.abc import Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from tasks.artifacts import Messages

# Only for base models, which bring none: texts in lines, then the answer.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"
)
MARK = "\u2020mark\u2020"  # stands in no template


class ChatTokenizer:
    """Renders and encodes as the model was trained to read; gives what a tokenizer lacks.

    A base model without a chat template gets a plain one; `opening` is what the tokenizer puts
    before every text by itself (Llama's does, often nothing), `turn_end` the token that ends an
    answer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        first = tokenizer("a")["input_ids"][:1]
        self.opening = str(tokenizer.bos_token) if first == [tokenizer.bos_token_id] else ""
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        if tokenizer.chat_template is None:
            tokenizer.chat_template = self.opening + PLAIN_TEMPLATE
        self.turn_end = self._turn_end()
        self._takes_systems = self._systems()

    def render(self, messages: Messages) -> str:
        """The prompt's text under the model's own chat template, ready to be continued.

        Where that has no place for instructions, as Gemma's, they open the first user's turn.
        """
        return self._applied(messages if self._takes_systems else _folded(messages))

    def plain(self, text: str) -> str:
        """Text to be continued, after what the model's tokenizer puts before every text."""
        return self.opening + text

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts that already hold their special tokens."""
        if not texts:  # which a tokenizer refuses
            return []
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids

    def _applied(self, messages: Messages, *, answered: bool = False) -> str:
        chat = [{"role": role, "content": content} for role, content in messages]
        return str(
            self.tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=not answered
            )
        )

    def _systems(self) -> bool:
        """Whether the template has a place for instructions; some refuse or drop them."""
        try:
            return MARK in self._applied((("system", MARK), ("user", "a")))
        except TemplateError:
            return False

    def _turn_end(self) -> int:
        """What the template writes after an answer, else the end of sequence.

        In ChatML, Gemma's and Llama 3's it is the end of a turn, not of the text.
        """
        text = self._applied((("user", "a"), ("assistant", MARK)), answered=True)
        (after,) = self.encode([text.rpartition(MARK)[2].strip()])
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
        ends = bool(after) and after[0] in special
        return int(after[0] if ends else self.tokenizer.eos_token_id)


def _folded(messages: Messages) -> Messages:
    """Instructions before the first of the other turns."""
    told = [content for role, content in messages if role == "system" and content]
    (role, first), *later = [message for message in messages if message[0] != "system"]
    return ((role, "\n\n".join([*told, first])), *later)
