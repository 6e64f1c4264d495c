"""A registered system as MLflow serves it; MLflow copies this file and runs it (models from code).

The index is followed by name: an answer comes from the version that its name points at then.
Custom outputs of an answer: `sources` (document, title, source path, position, last position
where chunks were joined, sha and score of each passage, best first), `passages` (whole),
`index_digest` (of the version that was searched, None without an index; an attribute of the
trace, too), `probabilities` (of each label, where the answer is one), `path` and `system` (the
digest of what was registered).
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc.model import ResponsesAgent
from mlflow.types.responses import (
    ResponsesAgentRequest,
    ResponsesAgentResponse,
    ResponsesAgentStreamEvent,
)

from tasks.artifacts import System
from tasks.core import digest
from tasks.core.errors import InputError

CITED = {"document", "title", "source", "position", "last", "sha", "score"}


class RegisteredSystem(ResponsesAgent):
    """Answers the last user message; the base model is loaded with the first question."""

    system: System
    digest: str

    def load_context(self, context: Any) -> None:
        """Read the system; its adapter is the copy that the registered version holds."""
        stored = Path(context.artifacts["system"]).read_text(encoding="utf-8")
        self.system = System.model_validate_json(stored)
        self.digest = self.system.digest
        if self.system.adapter is not None:
            blob = self.system.adapter.blob
            held = blob.model_copy(update={"uri": str(Path(context.artifacts["adapter"]))})
            adapter = self.system.adapter.model_copy(update={"blob": held})
            self.system = self.system.model_copy(update={"adapter": adapter})

    # MLflow's own two bases disagree on the signatures; these are the agent's.
    def predict(  # type: ignore[override]
        self, request: ResponsesAgentRequest
    ) -> ResponsesAgentResponse:
        """Answer, with the sources and the digests that the answer rests on."""
        from tasks.evaluation.answering import reply

        question = last_question(request)
        answer = reply(self.system, question)
        span = mlflow.get_current_active_span()
        if span is not None and answer.index_sha is not None:
            span.set_attribute("index_digest", answer.index_sha)
        item = self.create_text_output_item(answer.text, f"msg_{digest.of_text(question)}")
        return ResponsesAgentResponse(
            output=[item],
            custom_outputs={
                "sources": [passage.model_dump(include=CITED) for passage in answer.passages],
                "passages": [passage.model_dump() for passage in answer.passages],
                "index_digest": answer.index_sha,
                "probabilities": dict(answer.probabilities),
                "path": self.system.path,
                "system": self.digest,
            },
        )

    def predict_stream(  # type: ignore[override]
        self, request: ResponsesAgentRequest
    ) -> Generator[ResponsesAgentStreamEvent, None, None]:
        """The same answer as one event: answers are too short to arrive in parts."""
        response = self.predict(request)
        for item in response.output:
            yield ResponsesAgentStreamEvent(
                type="response.output_item.done",
                item=item.model_dump(exclude_none=True),
                custom_outputs=response.custom_outputs,
            )


def last_question(request: ResponsesAgentRequest) -> str:
    """The text of the last user message, given as text or as a list of text parts.

    Raises:
        InputError: there is no user message, or it has no text.
    """
    messages = [item.model_dump() for item in request.input]
    asked = [message for message in messages if message.get("role") == "user"]
    content = asked[-1].get("content") if asked else None
    parts = [content] if isinstance(content, str) else [p.get("text") or "" for p in content or ()]
    text = "\n".join(parts).strip()
    if not text:
        raise InputError("input", messages, "a user message with text", "Ask a question.")
    return text


mlflow.models.set_model(RegisteredSystem())
