"""The models beside those that are measured: they judge, reword, embed and rank."""

from tasks.artifacts import Judge, ModelRef
from tasks.core.errors import InputError
from tasks.models.here import check_here, fetch_config, on_hub
from tasks.models.references import resolve
from tasks.planning.memory import memory_needs
from tasks.planning.weights import obstacle, weighed
from tasks.run import ModelSpec, RunFile
from tasks.services import services
from tasks.task.known import find_task


def judge_of(run: RunFile, there: float) -> Judge | None:
    """Who will judge answers, and what it is told beside them; None where none is named."""
    if run.judge is None:
        return None
    return Judge(
        model=_writer(run, "judge.model", run.judge.model, there),
        question=run.judge.question,
        instruction=run.answering.instruction or find_task(run.task).instruction,
        text_words=run.answering.text_words,
    )


def paraphraser_of(run: RunFile, there: float) -> ModelRef | None:
    """The model that rewords training questions, None where none is named."""
    ref = run.training.paraphrase_with
    return None if ref is None else _writer(run, "training.paraphrase_with", ref, there)


def _writer(run: RunFile, where: str, ref: str, there: float) -> ModelRef:
    """A model that writes beside those that are measured.

    Raises:
        InputError: it is an encoder, does not fit into memory, or is not here.
    """
    try:
        fetch_config(ref)
        model = resolve(ModelSpec(ref=ref))
        if not model.generates:
            raise InputError(
                where, ref, "a model that writes text; this is an encoder",
                "Name a decoder (…ForCausalLM) or a hosted model.",
            )  # fmt: skip
        missing = obstacle(model, memory_needs(run, model), there)
        if missing is None:
            return model if on_hub(ref) else weighed(model)
    except InputError as fault:
        raise InputError(where, fault.value, fault.allowed, fault.remedy) from None
    raise InputError(
        where,
        f"{ref} ({missing})",
        "a model that answers here",
        "Mend that, name another, or none.",
    )


def check_search(run: RunFile) -> None:
    """Refuse an index that cannot be built or searched here, before anything is spent.

    Raises:
        InputError: encoder or cross-encoder are not here, or no Weaviate server is named.
    """
    from tasks.retrieval.rerank import reranker_folder
    from tasks.retrieval.weaviate_client import address

    index = run.index
    try:
        check_here(index.encoder)
    except InputError as fault:
        raise InputError("index.encoder", fault.value, fault.allowed, fault.remedy) from None
    if index.reranker is not None:
        if on_hub(index.reranker):
            check_here(index.reranker)
        else:
            reranker_folder(index.reranker)
    if index.backend == "weaviate":
        address(services())
