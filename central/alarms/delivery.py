"""The delivery of messages about alarms: a signed webhook, and mail."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import smtplib
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

from central.alarms.outbox import OutboxMessage
from central.config.alarms import AlarmsConfig
from edge.validation_messages import one_line, printable

_TIMEOUT_S = 10
_MOST_SECRET_BYTES = 4_096


class DeliveryError(Exception):
    """A message could not be delivered. A later attempt may succeed."""


Deliver = Callable[[OutboxMessage, int], None]
"""Delivers a message at a time in microseconds since 1970 UTC. Raises DeliveryError."""


def make_channels(config: AlarmsConfig) -> Mapping[str, Deliver]:
    """Return the channels that are configured, by the names of the outbox."""
    channels: dict[str, Deliver] = {}
    if config.webhook_url is not None:
        channels["webhook"] = lambda message, now_us: post(config, message, now_us)
    if config.mail_host is not None:
        channels["mail"] = lambda message, now_us: send_mail(config, message)
    return channels


def sign(secret: bytes, body: bytes, at_s: int) -> str:
    """Return the value of the header Outfeed-Signature: the time, and HMAC-SHA-256 of "time.body".

    A receiver computes the same with its copy of the secret, and refuses an old time.
    """
    digest = hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def post(config: AlarmsConfig, message: OutboxMessage, now_us: int) -> None:
    """Post a message to the webhook. Any status 200 to 299 is success. Blocks for at most 10 s
    for each step. Raises DeliveryError."""
    assert config.webhook_url is not None
    address = urlsplit(config.webhook_url)
    body = message.payload.encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
    if config.webhook_secret_file is not None:
        secret = _secret(config.webhook_secret_file)
        headers["Outfeed-Signature"] = sign(secret, body, now_us // 1_000_000)
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    host = address.hostname or ""
    try:
        connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(
                host, address.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
            if address.scheme == "https"
            else http.client.HTTPConnection(host, address.port, timeout=_TIMEOUT_S)
        )
        try:
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryError(f"webhook: {one_line(error) or type(error).__name__}") from error
    if not 200 <= status < 300:
        raise DeliveryError(f"webhook: answered with status {status}")


def send_mail(config: AlarmsConfig, message: OutboxMessage) -> None:
    """Send a message by mail. Blocks for at most 10 s for each step. Raises DeliveryError."""
    assert config.mail_host is not None
    mail = make_mail(config, message)
    if not mail["To"]:
        return
    context = ssl.create_default_context()
    try:
        server = (
            smtplib.SMTP_SSL(
                config.mail_host, config.mail_port, timeout=_TIMEOUT_S, context=context
            )
            if config.mail_tls == "tls"
            else smtplib.SMTP(config.mail_host, config.mail_port, timeout=_TIMEOUT_S)
        )
        with server:
            if config.mail_tls == "starttls":
                server.starttls(context=context)
            if config.mail_username is not None and config.mail_password_file is not None:
                password = _secret(config.mail_password_file).decode("utf-8", "replace")
                server.login(config.mail_username, password)
            server.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"mail: {one_line(error) or type(error).__name__}") from error


def make_mail(config: AlarmsConfig, message: OutboxMessage) -> EmailMessage:
    """Return the mail about a message. Repeats have the same Message-ID.

    An alarm that escalates goes to ``escalate_to`` too.
    """
    notice = json.loads(message.payload)
    receivers = list(config.mail_to)
    if notice["change"] == "escalated":
        receivers += [each for each in config.escalate_to if each not in receivers]
    # A message of an earlier version has no place.
    where = notice["station"] or notice.get("place", "")
    place = printable(where) or "central system"
    mail = EmailMessage()
    mail["From"] = config.mail_from
    if receivers:
        mail["To"] = ", ".join(receivers)
    mail["Subject"] = f"[Outfeed] {notice['change']}: {notice['rule']} at {place}"
    mail["Message-ID"] = f"<{message.key}@outfeed.invalid>"
    mail["Date"] = _moment(notice["at_us"])
    mail.set_content(
        f"{printable(notice['message'])}\n\n"
        f"at: {place}\nrule: {notice['rule']}\nseverity: {notice['severity']}\n"
        f"since: {_moment(notice['since_us']):%Y-%m-%d %H:%M:%S} UTC\n"
        f"alarm: {notice['alarm']}\n"
    )
    return mail


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, timezone.utc)


def _secret(path: Path) -> bytes:
    """Return the secret in a file, which is read for each message. Raises DeliveryError."""
    try:
        with path.open("rb") as file:
            secret = file.read(_MOST_SECRET_BYTES).strip()
    except OSError as error:
        raise DeliveryError(f"{path}: cannot be read: {error.strerror}") from error
    if not secret:
        raise DeliveryError(f"{path}: is empty")
    return secret
