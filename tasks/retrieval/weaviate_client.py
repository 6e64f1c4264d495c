"""The one connection to Weaviate: a local server, a self-hosted one with TLS, or its cloud."""

import atexit
import json
import re
import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from tasks.core.errors import InputError
from tasks.services import Services, services

if TYPE_CHECKING:
    from weaviate import WeaviateClient

OLDEST = (1, 36)  # the first with streamed batches; collection aliases came with 1.32
PATIENCE = 8.0  # seconds for a server that is starting or restarting: a local one takes 2 to 5
TIMEOUT = 3.0  # seconds for each of the questions asked on connecting
QUERY_SECONDS, INSERT_SECONDS = 30, 120
FRESH = 1.0  # seconds for which a server that answered counts as there
RECONNECT_MS = 1000  # gRPC's own back-off grows to two minutes, long after a server is back
CLOUD = (".weaviate.cloud", ".weaviate.network")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
START = "Start one with `make weaviate`, or set WEAVIATE_URL to one that is there."

_lock = threading.Lock()
_open: "dict[Services, WeaviateClient]" = {}
_seen: dict[Services, float] = {}


class Address(NamedTuple):
    """Where a server's two interfaces are; both with TLS, or neither."""

    host: str
    port: int
    grpc_host: str
    grpc_port: int
    secure: bool

    @property
    def url(self) -> str:
        """The HTTP interface's root."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def connect_weaviate(patience: float = PATIENCE) -> "WeaviateClient":
    """This process's client, connected and checked on first use, closed at its end.

    A server that is starting is waited for, up to `patience` seconds. Raises `InputError` where
    none is named, none answers, the API key is refused or the server is too old.
    """
    settings = services()
    with _lock:
        if settings not in _open:
            _close()
            _open[settings] = _connect(settings, patience)
        return _open[settings]


def answering_weaviate() -> "WeaviateClient":
    """The same client, of a server that answered within the last second.

    Searching one that is gone, the client would try for a minute; here it is waited for as on
    connecting, and then named by an `InputError`.
    """
    client, settings = connect_weaviate(), services()
    if time.monotonic() - _seen.get(settings, -FRESH) >= FRESH:
        _await_version(address(settings), _sent(settings), PATIENCE)
        _seen[settings] = time.monotonic()
    return client


def not_answering() -> None:
    """Have the next search look whether a server is there."""
    _seen.clear()


def disconnect_weaviate() -> None:
    """Close this process's client, if there is one."""
    with _lock:
        _close()


atexit.register(disconnect_weaviate)


def _close() -> None:
    while _open:
        _open.popitem()[1].close()


def address(settings: Services) -> Address:
    """Where the settings point to; an `InputError` where WEAVIATE_URL is missing or no URL."""
    where, allowed = "WEAVIATE_URL", "http://host:port or https://host"
    if not settings.weaviate_url:
        raise InputError(where, "", f"a Weaviate server's URL, {allowed}", START)
    try:
        parts = urlsplit(settings.weaviate_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError(where, settings.weaviate_url, allowed, "Correct it.") from None
    if parts.username or parts.password:
        remedy = "Leave out user and password; the key is WEAVIATE_API_KEY."
        raise InputError(where, "a URL with a password", allowed, remedy)
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/"):
        raise InputError(where, settings.weaviate_url, allowed, "Correct it.")
    secure = parts.scheme == "https"
    cloud = secure and host.endswith(CLOUD)
    return Address(
        host=host,
        port=port or (443 if secure else 80),
        grpc_host=settings.weaviate_grpc_host or (f"grpc-{host}" if cloud else host),
        grpc_port=settings.weaviate_grpc_port or (443 if cloud else 50051),
        secure=secure,
    )


def headers(settings: Services) -> dict[str, str]:
    """The additional headers of every request; their values are secrets and are never shown."""
    if settings.weaviate_headers is None:
        return {}
    try:
        table = json.loads(settings.weaviate_headers.get_secret_value())
        if isinstance(table, dict) and all(isinstance(value, str) for value in table.values()):
            return table
    except json.JSONDecodeError:
        pass
    raise InputError(
        "WEAVIATE_HEADERS", "(not shown)", 'a JSON object of strings: {"X-Name": "value"}',
        "Correct or unset it.",
    )  # fmt: skip


def _key(settings: Services) -> str | None:
    return settings.weaviate_api_key.get_secret_value() if settings.weaviate_api_key else None


def _sent(settings: Services) -> dict[str, str]:
    """What goes with a request that the client does not make."""
    key = _key(settings)
    return headers(settings) | ({"Authorization": f"Bearer {key}"} if key else {})


def _connect(settings: Services, patience: float) -> "WeaviateClient":
    place = address(settings)
    try:
        import weaviate
        from weaviate.config import AdditionalConfig, GrpcConfig, Timeout
    except ModuleNotFoundError:
        remedy = "Run `make install`, or pip install -e '.[weaviate]'."
        raise InputError("weaviate-client", "not installed", ">=4.23,<5", remedy) from None
    _require_version(_await_version(place, _sent(settings), patience))
    _require_grpc(place)
    return weaviate.connect_to_custom(
        place.host, place.port, place.secure, place.grpc_host, place.grpc_port, place.secure,
        headers=headers(settings), auth_credentials=_key(settings),
        # The checks are made above, without the client's own question to the package registry.
        skip_init_checks=True,
        additional_config=AdditionalConfig(
            timeout=Timeout(query=QUERY_SECONDS, insert=INSERT_SECONDS, init=TIMEOUT),
            trust_env=_trusts_environment(place),
            grpc_config=GrpcConfig(channel_options=_channel_options(place)),
        ),
    )  # fmt: skip


def _trusts_environment(place: Address) -> bool:
    """Whether the environment's proxies and certificates count: not for a plain local server."""
    return place.secure or place.host not in LOOPBACK


def _channel_options(place: Address) -> list[tuple[str, int]]:
    return [
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS),
        ("grpc.enable_http_proxy", int(_trusts_environment(place))),
    ]


def _await_version(place: Address, sent: dict[str, str], patience: float) -> str:
    """The version of the server, as soon as it is ready."""
    end, pause = time.monotonic() + patience, 0.2
    while True:
        found, fault = _ask_version(place, sent)
        if found is not None:
            return found
        if time.monotonic() + pause > end:
            remedy = f"Is it running, and the URL right? {START}"
            allowed = "the URL of a Weaviate server that answers"
            raise InputError("WEAVIATE_URL", f"{place.url} ({fault})", allowed, remedy)
        time.sleep(pause)
        pause = min(2 * pause, 1.6)


def _ask_version(place: Address, sent: dict[str, str]) -> tuple[str | None, str]:
    """The version, or why there is none yet; an `InputError` where waiting will not help."""
    import httpx

    try:
        with httpx.Client(
            base_url=place.url, headers=sent, timeout=TIMEOUT, trust_env=_trusts_environment(place)
        ) as client:
            ready = client.get("/v1/.well-known/ready")
            if ready.status_code >= 500:
                return None, f"not ready, status {ready.status_code}"
            answered = client.get("/v1/meta")
    except httpx.TransportError as fault:
        return None, str(fault) or type(fault).__name__
    if answered.status_code in (401, 403):
        raise _refused(place, answered.status_code, "Authorization" in sent)
    try:
        return str(answered.json()["version"]), ""
    except (ValueError, KeyError, TypeError):
        return None, f"no Weaviate there: /v1/meta answered with status {answered.status_code}"


def _refused(place: Address, status: int, with_key: bool) -> InputError:
    found = f"{'a key' if with_key else 'no key'} that {place.url} refused (status {status})"
    remedy = "Set WEAVIATE_API_KEY to the server's; `make weaviate` prints how."
    return InputError("WEAVIATE_API_KEY", found, "a key that the server accepts", remedy)


def _require_version(found: str) -> None:
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        remedy = "Upgrade the server; infra/weaviate/ has one that fits."
        raise InputError("the Weaviate server's version", found, f">= {needed}", remedy)


def _require_grpc(place: Address) -> None:
    """Without gRPC nothing can be written or searched: say so before the first batch does."""
    import grpc

    host = f"[{place.grpc_host}]" if ":" in place.grpc_host else place.grpc_host
    target = f"{host}:{place.grpc_port}"
    options = _channel_options(place)
    if place.secure:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
    else:
        channel = grpc.insecure_channel(target, options)
    try:
        grpc.channel_ready_future(channel).result(timeout=TIMEOUT)
    except grpc.FutureTimeoutError:
        allowed = "the host and port of the server's gRPC interface"
        remedy = "Set WEAVIATE_GRPC_PORT, and WEAVIATE_GRPC_HOST where it is another host."
        raise InputError("WEAVIATE_GRPC_PORT", f"{target} (no answer)", allowed, remedy) from None
    finally:
        channel.close()
