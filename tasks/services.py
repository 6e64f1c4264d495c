"""WHERE things are, from the environment alone; never hashed, never a parameter."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Services(BaseSettings):
    """Addresses and credentials, each with an embedded default."""

    model_config = SettingsConfigDict(env_prefix="ADAPT_", populate_by_name=True, frozen=True)

    home: Path = Path(".adapt")
    artifact_store: str = ""
    mlflow_tracking_uri: str = Field("", validation_alias="MLFLOW_TRACKING_URI")
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
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
    return Services()
