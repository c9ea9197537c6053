"""TLS to the broker: who we are, whom we trust, and the reason for which a broker ends it."""

from __future__ import annotations

import ssl
from functools import lru_cache
from logging import getLogger
from pathlib import Path

from edge.config.uplink import UplinkConfig
from edge.errors import OutfeedError
from edge.files import is_exposed

_log = getLogger(__name__)

# Their names as OpenSSL gives them, for instance SSLV3_ALERT_CERTIFICATE_REVOKED.
_SECRETS = ("password_file", "tls_key")
_PREFIXES = ("SSLV3_ALERT_", "TLSV1_ALERT_", "TLSV13_ALERT_")


class CredentialsError(OutfeedError):
    """A password or TLS file cannot be used now. It may be being replaced: try again later."""


class WatchedSocket(ssl.SSLSocket):
    """A TLS socket that is closed when its handshake fails, which paho 2.1 and 2.2 do not do, and
    that keeps the fault which ended it.

    In TLS 1.3 a broker refuses a client's certificate after the client's handshake: the alert comes
    with the first read, and paho reports it as "Unspecified error".
    """

    fault: ssl.SSLError | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands; close the socket on failure. Raises OSError."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive as ``ssl.SSLSocket`` does, and keep the fault."""
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.fault = error
            raise


def tls_context(config: UplinkConfig) -> ssl.SSLContext:
    """A context that verifies the broker's certificate and name against ``tls_ca`` alone, TLS 1.2
    or newer, made from the files as they are now. Raises CredentialsError that names key and file.
    """
    assert config.tls_ca is not None
    read_credential("tls_ca", config.tls_ca)
    try:
        context = ssl.create_default_context(cafile=str(config.tls_ca))
    except OSError as error:
        raise CredentialsError(f"uplink.tls_ca: {config.tls_ca}: is no certificate") from error
    context.sslsocket_class = WatchedSocket
    # Only a subject alternative name says whose certificate it is (RFC 9525, section 6.3).
    context.hostname_checks_common_name = False
    cert, key = config.tls_cert, config.tls_key
    if cert is None or key is None:
        return context
    read_credential("tls_cert", cert)
    read_credential("tls_key", key)
    try:
        # The passphrase is asked of nobody: OpenSSL would wait at a terminal.
        context.load_cert_chain(str(cert), str(key), password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            told = f"uplink.tls_cert: {cert}: does not belong to uplink.tls_key: {key}"
        else:
            told = (
                f"uplink.tls_cert: {cert}, uplink.tls_key: {key}: expected a certificate and a key "
                f"without passphrase, in PEM ({error.reason or error})"
            )
        raise CredentialsError(told) from error
    except OSError as error:
        raise CredentialsError(f"uplink.tls_cert: {cert}: {error.strerror}") from error
    return context


def read_credential(name: str, path: Path) -> str:
    """The text of a file that a key of [uplink] names. Raises CredentialsError for one that is
    missing, unreadable or empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CredentialsError(f"uplink.{name}: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CredentialsError(f"uplink.{name}: {path}: is not UTF-8 text") from error
    if not text.strip():
        raise CredentialsError(f"uplink.{name}: {path}: is empty")
    if name in _SECRETS and is_exposed(path):
        _complain(name, path)
    return text


@lru_cache(maxsize=16)  # once, and not at every connection
def _complain(name: str, path: Path) -> None:
    """A secret that others may read is no reason to publish nothing: its mode can be mended at any
    time, and ``outfeed doctor`` says so too."""
    _log.error("secret_exposed key=uplink.%s file=%s: others may read it: chmod o=", name, path)


def explain_tls(error: ssl.SSLError) -> str:
    """A TLS error as words for a person: "the broker refuses the TLS connection: …" for an alert of
    the other side."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate: {error.verify_message}"
    reason = error.reason or str(error)
    for prefix in _PREFIXES:
        if reason.startswith(prefix):
            words = reason.removeprefix(prefix).replace("_", " ").lower()
            return f"the broker refuses the TLS connection: {words}"
    return f"TLS: {reason.replace('_', ' ').lower()}"
