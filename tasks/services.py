"""WHERE things are, from the environment alone; never hashed, never a parameter."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.core.errors import InputError


class Services(BaseSettings):
    """Addresses and credentials, each with an embedded default."""

    model_config = SettingsConfigDict(
        env_prefix="ADAPT_", populate_by_name=True, frozen=True, env_ignore_empty=True
    )

    home: Path = Path(".adapt")
    artifact_store: str = ""
    mlflow_tracking_uri: str = Field("", validation_alias="MLFLOW_TRACKING_URI")
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    weaviate_url: str = Field("", validation_alias="WEAVIATE_URL")
    weaviate_grpc_host: str = Field("", validation_alias="WEAVIATE_GRPC_HOST")
    weaviate_grpc_port: int | None = Field(
        None, ge=1, le=65_535, validation_alias="WEAVIATE_GRPC_PORT"
    )
    weaviate_api_key: SecretStr | None = Field(None, validation_alias="WEAVIATE_API_KEY")
    weaviate_headers: SecretStr | None = Field(None, validation_alias="WEAVIATE_HEADERS")
    offline: bool = Field(False, validation_alias="HF_HUB_OFFLINE")

    @property
    def store(self) -> str:
        """The artifact store's URL: a folder beside the work, unless one is named."""
        return self.artifact_store or str(self.home.resolve() / "store")

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI: an embedded SQLite file, unless a server is named."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    @property
    def embedded_tracking(self) -> bool:
        """Whether runs are tracked in the embedded database."""
        return not self.mlflow_tracking_uri


@lru_cache(maxsize=1)
def services() -> Services:
    """Read the environment once a process."""
    try:
        return Services()
    except ValidationError as fault:
        first = fault.errors()[0]
        where = f"environment variable {first['loc'][0]}"
        remedy = "Correct or unset it."
        raise InputError(where, first["input"], first["msg"], remedy) from None
