from pathlib import Path

import pytest

from tasks import doctor
from tasks.core.errors import InputError
from tasks.retrieval.weaviate_client import Address, address, connect_weaviate, headers
from tasks.services import services


@pytest.fixture
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without Weaviate, to set variables in."""
    for name in ("URL", "GRPC_HOST", "GRPC_PORT", "API_KEY", "HEADERS"):
        monkeypatch.delenv(f"WEAVIATE_{name}", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (
            {"URL": "http://127.0.0.1:8080"},
            Address("127.0.0.1", 8080, "127.0.0.1", 50051, secure=False),
        ),
        (
            {"URL": "http://[::1]:8080/", "GRPC_PORT": "50052"},
            Address("::1", 8080, "::1", 50052, secure=False),
        ),
        (
            {"URL": "https://search.example.org", "GRPC_HOST": "grpc.example.org", "GRPC_PORT": ""},
            Address("search.example.org", 443, "grpc.example.org", 50051, secure=True),
        ),
        (
            {"URL": "https://abc.c0.europe-west3.gcp.weaviate.cloud"},
            Address(
                "abc.c0.europe-west3.gcp.weaviate.cloud", 443,
                "grpc-abc.c0.europe-west3.gcp.weaviate.cloud", 443, secure=True,
            ),
        ),
    ],
)  # fmt: skip
def test_local_self_hosted_and_cloud_servers_are_configuration_alone(
    settings: pytest.MonkeyPatch, named: dict[str, str], expected: Address
) -> None:
    for name, value in named.items():
        settings.setenv(f"WEAVIATE_{name}", value)
    assert address(services()) == expected


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("URL", "", "make weaviate"),
        ("URL", "localhost:8080", "http://host:port"),
        ("URL", "http://host:port", "http://host:port"),
        ("URL", "https://host/prefix", "http://host:port"),
        ("URL", "https://user:pass@host", "WEAVIATE_API_KEY"),
        ("HEADERS", "X-Key: secret", "JSON object"),
        ("HEADERS", '{"X-Key": 1}', "JSON object"),
        ("GRPC_PORT", "grpc", "valid integer"),
        ("GRPC_PORT", "70000", "65535"),
    ],
)
def test_faulty_setting_is_named_and_secrets_are_not_shown(
    settings: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    settings.setenv("WEAVIATE_URL", "http://127.0.0.1:1")
    settings.setenv(f"WEAVIATE_{name}", value)
    with pytest.raises(InputError, match=says) as fault:
        connect_weaviate(patience=0)
    assert f"WEAVIATE_{name}" in fault.value.where
    assert "secret" not in str(fault.value)
    assert "pass@" not in str(fault.value)


def test_headers_are_read_as_a_table_and_kept_out_of_what_settings_show(
    settings: pytest.MonkeyPatch,
) -> None:
    assert headers(services()) == {}
    settings.setenv("WEAVIATE_HEADERS", '{"X-Key": "hidden"}')
    settings.setenv("WEAVIATE_API_KEY", "hidden")
    services.cache_clear()
    assert headers(services()) == {"X-Key": "hidden"}
    assert "hidden" not in repr(services())


def test_doctor_asks_for_a_server_only_if_one_is_named(settings: pytest.MonkeyPatch) -> None:
    check = doctor.vectors()
    assert (check.name, check.status) == ("weaviate", "ok")
    assert "no WEAVIATE_URL" in check.found
