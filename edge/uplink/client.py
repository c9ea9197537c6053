"""A paho client made from the [uplink] section: protocol, login and TLS in one place."""

from __future__ import annotations

import ssl
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.config_uplink import UplinkConfig
from edge.errors import ConfigError


def make_client(config: UplinkConfig, client_id: str, *, clean_session: bool) -> mqtt.Client:
    """A client that is not connected yet and never reconnects by itself.

    clean_session matters for MQTT 3.1.1 only; for MQTT 5 it is an argument of ``connect``.
    Raises ConfigError for a password or TLS file that cannot be used.
    """
    is_5 = config.protocol == "5"
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if is_5 else clean_session,
        protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = config.connect_timeout_s
    if config.username is not None:
        client.username_pw_set(config.username, _password(config.password_file))
    if config.tls_ca is not None:
        client.tls_set_context(_tls(config.tls_ca, config.tls_cert, config.tls_key))
    return client


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"uplink.password_file: {path}: cannot be read: {error}") from error


class _ClosingSocket(ssl.SSLSocket):
    """paho 2.1 and 2.2 leave the socket open where the handshake fails."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _tls(ca: Path, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Verifies the broker's certificate and name against ``ca`` alone; TLS 1.2 or newer."""
    try:
        context = ssl.create_default_context(cafile=str(ca))
        context.sslsocket_class = _ClosingSocket
    except OSError as error:
        raise ConfigError(f"uplink.tls_ca: {ca}: cannot be used: {error}") from error
    if cert is not None and key is not None:
        try:
            context.load_cert_chain(str(cert), str(key))
        except OSError as error:
            raise ConfigError(f"uplink.tls_cert: {cert}: cannot be used: {error}") from error
    return context
