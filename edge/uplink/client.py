"""A paho client made from the [uplink] section: protocol, login and TLS in one place."""

from __future__ import annotations

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.config_uplink import UplinkConfig
from edge.uplink.tls import read_credential, tls_context


def make_client(config: UplinkConfig, client_id: str, *, clean_session: bool) -> mqtt.Client:
    """A client that is not connected yet and never reconnects by itself.

    clean_session matters for MQTT 3.1.1 only; for MQTT 5 it is an argument of ``connect``.
    Reads password and TLS files as they are now; raises CredentialsError for those that cannot be
    used now.
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
        client.username_pw_set(config.username, _password(config))
    if config.tls_ca is not None:
        client.tls_set_context(tls_context(config))
    return client


def _password(config: UplinkConfig) -> str | None:
    if config.password_file is None:
        return None
    return read_credential("password_file", config.password_file).rstrip("\r\n")
