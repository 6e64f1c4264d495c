from pathlib import Path

import pytest

from tasks.ask import ask_registered
from tasks.core.errors import InputError
from tasks.services import services

AGENT = """
import mlflow
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse


class Echo(ResponsesAgent):
    def predict(self, request):
        asked = request.input[-1].content
        item = self.create_text_output_item(text=asked.upper(), id="1")
        passage = {"document": "d", "title": "D", "position": 0, "text": "t", "score": 1}
        told = {"passages": [passage | {"sha": "s"}], "index_digest": "abc"}
        return ResponsesAgentResponse(output=[item], custom_outputs=told)


mlflow.models.set_model(Echo())
"""


@pytest.mark.filterwarnings("default")  # MLflow's own
def test_registered_agent_answers_with_its_passages_and_unknown_ones_are_refused(
    home: Path, tmp_path: Path
) -> None:
    import mlflow

    home.mkdir()
    mlflow.set_tracking_uri(services().tracking_uri)
    with pytest.raises(InputError, match="none is registered yet"):
        ask_registered("grove", "which?")
    (tmp_path / "agent.py").write_text(AGENT)
    experiment = mlflow.create_experiment("grove", artifact_location=(tmp_path / "mlruns").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        mlflow.pyfunc.log_model(
            name="agent", python_model=str(tmp_path / "agent.py"), registered_model_name="grove",
            pip_requirements=[],
        )  # fmt: skip
    mlflow.MlflowClient().set_registered_model_alias("grove", "champion", "1")
    mlflow.set_experiment(experiment_id="0")  # the active one in a new process
    reply = ask_registered("grove", "which?")
    assert (reply.answer, reply.version, reply.index_digest) == ("WHICH?", "1", "abc")
    assert [passage.document for passage in reply.passages] == ["d"]
    mlflow.flush_trace_async_logging()
    assert len(mlflow.search_traces(locations=[experiment], return_type="list")) == 1
    assert mlflow.search_traces(locations=["0"], return_type="list") == []  # the default one
    for name, alias in (("grov", "champion"), ("grove", "challenger")):
        with pytest.raises(InputError, match="grove@champion"):
            ask_registered(name, "which?", alias)
