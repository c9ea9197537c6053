"""The creation of a paho client from the section [uplink]: protocol, login and TLS."""

from __future__ import annotations

import hashlib

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.config.uplink import UplinkConfig
from edge.uplink.tls import read_credential, tls_context

_SECRET_DIGITS = 16  # of 4 bits; 64 bits cannot be guessed by connecting


def make_client(config: UplinkConfig, name: str, *, clean_session: bool) -> mqtt.Client:
    """Return a client that is not connected and never reconnects by itself.

    Password and TLS files are read now.

    Args:
        config: The section [uplink].
        name: The beginning of the client id (``client_id``).
        clean_session: For MQTT 3.1.1 only; for MQTT 5 it is an argument of ``connect``.

    Raises:
        CredentialsError: A password or TLS file cannot be used now.
    """
    is_5 = config.protocol == "5"
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id(config, name),
        clean_session=None if is_5 else clean_session,
        protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = config.connect_timeout_s
    if config.username is not None:
        client.username_pw_set(config.username, _password(config))
    if config.tls_ca is not None:
        client.tls_set_context(tls_context(config))
    return client


def client_id(config: UplinkConfig, name: str) -> str:
    """Return the name with a hash of the private key or password, if there is one.

    The client id is the same at every connection with that key, and unknown to other clients. A
    broker ends a connection, and gives its session away, when another client connects with the same
    client id. A broker that sets client ids to the names in certificates prevents this too, but
    then two readers with one certificate share one session. Raises CredentialsError.
    """
    if config.tls_key is not None:
        secret = read_credential("tls_key", config.tls_key)
    else:
        secret = _password(config) or ""
    if not secret:
        return name
    digest = hashlib.sha256(b"outfeed client id\0" + secret.encode()).hexdigest()
    return f"{name}-{digest[:_SECRET_DIGITS]}"


def _password(config: UplinkConfig) -> str | None:
    if config.password_file is None:
        return None
    return read_credential("password_file", config.password_file).rstrip("\r\n")
