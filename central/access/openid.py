"""The login at a provider of OpenID Connect: authorisation code with PKCE.

Sources: OpenID Connect Core 1.0 (section 3.1), Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (the issuer
in the response).
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from central.access.sessions import new_token
from central.config.openid import OpenIdConfig
from edge.errors import OutfeedError

_TIMEOUT_S = 10.0
_CACHE_S = 3600.0
_LEEWAY_S = 60
_MAX_BYTES = 1_000_000
# Signatures with a key that the provider alone has. "none" and HMAC are not among them.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)


class OpenIdError(OutfeedError):
    """The provider cannot be used, or its answer is not acceptable. The login did not succeed."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The secrets of one login, from its beginning until the browser returns."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Person:
    """The statements of the provider about a person. groups: as the provider writes them."""

    subject: str
    name: str
    display: str
    groups: tuple[str, ...]


class OpenIdClient:
    """A client of one provider. Its description and keys are kept for an hour.

    Synchronization: any thread may call. Each call blocks for up to 10 s for each request to the
    provider.
    """

    def __init__(self, config: OpenIdConfig, transport: httpx2.BaseTransport | None = None) -> None:
        """Open nothing yet. transport: for tests; None: the network."""
        self.config = config
        self._transport = transport
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def begin(self) -> tuple[str, Flow]:
        """Return the address to which the browser is sent, and the secrets. Raises OpenIdError."""
        flow = Flow(new_token(), new_token(), new_token())
        with self._client() as client:
            url, _ = client.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=flow.state,
                code_verifier=flow.verifier,
                nonce=flow.nonce,
            )
        return str(url), flow

    def finish(self, flow: Flow, answer: Mapping[str, str]) -> Person:
        """Exchange the code for a token, check it, and return the person. Raises OpenIdError.

        answer: the query of the address to which the browser returned.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
            raise OpenIdError("openid: the answer belongs to another login; begin again")
        if answer.get("iss", self.config.issuer) != self.config.issuer:
            raise OpenIdError("openid: the answer is of another provider")
        if "error" in answer:
            raise OpenIdError(f"openid: the provider refused: {_word(answer['error'])}")
        if not answer.get("code"):
            raise OpenIdError("openid: the answer has no code")
        with self._client() as client, _as_openid_error():
            token = client.fetch_token(
                self._endpoint("token_endpoint"),
                grant_type="authorization_code",
                code=answer["code"],
                code_verifier=flow.verifier,
            )
            claims = self._check(str(token.get("id_token", "")), flow, token)
            claims.update(self._user_info(client, claims["sub"]))
        return self._person(claims)

    def _check(self, text: str, flow: Flow, token: Mapping[str, Any]) -> dict[str, Any]:
        """Return the claims of the ID token. Raises JoseError and ValueError."""
        try:
            decoded = jwt.decode(text, self._key_set(), algorithms=list(ALGORITHMS))
        except InvalidKeyIdError:  # the provider has perhaps a new key
            decoded = jwt.decode(text, self._key_set(fresh=True), algorithms=list(ALGORITHMS))
        options = {
            "iss": {"essential": True, "value": self.config.issuer},
            "aud": {"essential": True, "value": self.config.client_id},
        }
        params = {
            "client_id": self.config.client_id,
            "nonce": flow.nonce,
            "access_token": token.get("access_token"),
        }
        claims = CodeIDToken(decoded.claims, decoded.header, options, params)
        claims.validate(now=int(time.time()), leeway=_LEEWAY_S)
        return dict(decoded.claims)

    def _user_info(self, client: OAuth2Client, subject: str) -> dict[str, Any]:
        """Return further claims. Many providers have the groups only there."""
        address = self._load_metadata().get("userinfo_endpoint")
        if not isinstance(address, str):
            return {}
        found = _json(client.get(address))
        if found.get("sub") != subject:
            raise OpenIdError("openid: the provider describes another person")
        return found

    def _person(self, claims: Mapping[str, Any]) -> Person:
        groups = claims.get(self.config.groups_claim, [])
        groups = [groups] if isinstance(groups, str) else groups
        if not isinstance(groups, list):
            raise OpenIdError(f"openid: claim {self.config.groups_claim!r} is no list of groups")
        return Person(
            subject=str(claims["sub"]),
            name=str(claims.get(self.config.name_claim, "")),
            display=str(claims.get("name", "")),
            groups=tuple(each for each in groups if isinstance(each, str)),
        )

    def _endpoint(self, name: str) -> str:
        value = self._load_metadata().get(name)
        if not isinstance(value, str):
            raise OpenIdError(f"openid.issuer: {self.config.issuer}: states no {name}")
        return value

    def _load_metadata(self) -> Mapping[str, Any]:
        with self._lock:
            if self._metadata is None or time.monotonic() - self._metadata[0] > _CACHE_S:
                address = self.config.issuer.rstrip("/") + "/.well-known/openid-configuration"
                found = self._get(address)
                if found.get("issuer") != self.config.issuer:
                    raise OpenIdError(
                        f"openid.issuer: {self.config.issuer}: the provider calls itself "
                        f"{_word(str(found.get('issuer')))}"
                    )
                self._metadata = (time.monotonic(), found)
            return self._metadata[1]

    def _key_set(self, *, fresh: bool = False) -> KeySet:
        address = self._endpoint("jwks_uri")
        with self._lock:
            if fresh or self._keys is None or time.monotonic() - self._keys[0] > _CACHE_S:
                with _as_openid_error():
                    found: Any = self._get(address)
                    self._keys = (time.monotonic(), KeySet.import_key_set(found))
            return self._keys[1]

    def _get(self, address: str) -> dict[str, Any]:
        with _as_openid_error(), httpx2.Client(**self._connection()) as client:
            return _json(client.get(address))

    @contextmanager
    def _client(self) -> Iterator[OAuth2Client]:
        secret = self._secret()
        with OAuth2Client(
            self.config.client_id,
            secret,
            token_endpoint_auth_method="none" if secret is None else "client_secret_basic",
            scope=" ".join(self.config.scopes),
            redirect_uri=self.config.redirect,
            code_challenge_method="S256",
            **self._connection(),
        ) as client:
            yield client

    def _connection(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"timeout": _TIMEOUT_S, "trust_env": False}
        if self._transport is not None:
            settings["transport"] = self._transport
        if self.config.tls_ca is not None:
            import ssl

            try:
                settings["verify"] = ssl.create_default_context(cafile=str(self.config.tls_ca))
            except OSError as error:
                raise OpenIdError(f"openid.tls_ca: {self.config.tls_ca}: {error}") from error
        return settings

    def _secret(self) -> str | None:
        path = self.config.client_secret_file
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise OpenIdError(f"openid.client_secret_file: {path}: cannot be read") from error


@contextmanager
def _as_openid_error() -> Iterator[None]:
    try:
        yield
    except httpx2.HTTPError as error:
        raise OpenIdError(
            f"openid: the provider does not answer: {type(error).__name__}"
        ) from error
    except OAuthError as error:
        raise OpenIdError(f"openid: the provider refused: {_word(str(error.error))}") from error
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise OpenIdError(f"openid: the answer is not acceptable: {_word(str(error))}") from error


def _json(response: httpx2.Response) -> dict[str, Any]:
    if response.status_code != 200 or len(response.content) > _MAX_BYTES:
        raise OpenIdError(f"openid: the provider answered with status {response.status_code}")
    found = response.json()
    if not isinstance(found, dict):
        raise OpenIdError("openid: the provider answered with something else than a JSON object")
    return found


def _word(text: str) -> str:
    """Return a short printable piece of what the other side sent."""
    return "".join(char for char in text if char.isprintable())[:120]
