"""A paho client made from the [uplink] section: protocol, login and TLS in one place."""

from __future__ import annotations

import hashlib

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.config.uplink import UplinkConfig
from edge.uplink.tls import read_credential, tls_context

_SECRET_DIGITS = 16  # of 4 bits: nobody guesses 64 bits by connecting


def make_client(config: UplinkConfig, name: str, *, clean_session: bool) -> mqtt.Client:
    """A client that is not connected yet and never reconnects by itself.

    name: begins the client id (``client_id``).
    clean_session matters for MQTT 3.1.1 only; for MQTT 5 it is an argument of ``connect``.
    Reads password and TLS files as they are now; raises CredentialsError for those that cannot be
    used now.
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
    """The name and a hash of the private key or password, where there is one: the same at every
    connection with that key, and unknown to other clients.

    A broker ends a connection, and gives a session away, for whoever connects with its client id.
    Forcing client ids to be the names in certificates stops that too, but then two readers with one
    certificate have one session. Raises CredentialsError.
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
