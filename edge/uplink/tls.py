"""TLS to the broker: the certificates of both sides, and the reasons for a failure."""

from __future__ import annotations

import ssl
from functools import lru_cache
from logging import getLogger
from pathlib import Path

from edge.config.uplink import UplinkConfig
from edge.errors import OutfeedError
from edge.files import is_exposed

_log = getLogger(__name__)

_SECRETS = ("password_file", "tls_key")
# Beginnings of names by OpenSSL, for instance SSLV3_ALERT_CERTIFICATE_REVOKED.
_PREFIXES = ("SSLV3_ALERT_", "TLSV1_ALERT_", "TLSV13_ALERT_")


class CredentialsError(OutfeedError):
    """A password or TLS file cannot be used now, perhaps while it is replaced. Try later."""


class WatchedSocket(ssl.SSLSocket):
    """A TLS socket that keeps the error which ended it, and is closed if its handshake fails.

    paho 2.1 and 2.2 do not close it. In TLS 1.3 a broker refuses a client's certificate after the
    handshake of the client. The alert arrives with the first read, and paho reports it only as
    "Unspecified error".
    """

    fault: ssl.SSLError | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Perform the handshake. Close the socket on failure. Raises OSError."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive like ``ssl.SSLSocket``, and keep the error in ``fault``."""
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.fault = error
            raise


def tls_context(config: UplinkConfig) -> ssl.SSLContext:
    """Return a context that verifies the certificate and name of the broker.

    Only ``tls_ca`` is trusted, and TLS 1.2 or newer is used. The files are read now. Raises
    CredentialsError, which names key and file.
    """
    assert config.tls_ca is not None
    read_credential("tls_ca", config.tls_ca)
    try:
        context = ssl.create_default_context(cafile=str(config.tls_ca))
    except OSError as error:
        raise CredentialsError(f"uplink.tls_ca: {config.tls_ca}: is no certificate") from error
    context.sslsocket_class = WatchedSocket
    # Only a subject alternative name identifies the broker (RFC 9525, section 6.3).
    context.hostname_checks_common_name = False
    cert, key = config.tls_cert, config.tls_key
    if cert is None or key is None:
        return context
    read_credential("tls_cert", cert)
    read_credential("tls_key", key)
    try:
        # An empty passphrase: otherwise OpenSSL would ask for one at the terminal and wait.
        context.load_cert_chain(str(cert), str(key), password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            line = f"uplink.tls_cert: {cert}: does not belong to uplink.tls_key: {key}"
        else:
            line = (
                f"uplink.tls_cert: {cert}, uplink.tls_key: {key}: expected a certificate and a key "
                f"without passphrase, in PEM ({error.reason or error})"
            )
        raise CredentialsError(line) from error
    except OSError as error:
        raise CredentialsError(f"uplink.tls_cert: {cert}: {error.strerror}") from error
    return context


def read_credential(name: str, path: Path) -> str:
    """Return the text of a file that a key of [uplink] names.

    Raises CredentialsError for a missing, unreadable or empty file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CredentialsError(f"uplink.{name}: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CredentialsError(f"uplink.{name}: {path}: is not UTF-8 text") from error
    if not text.strip():
        raise CredentialsError(f"uplink.{name}: {path}: is empty")
    if name in _SECRETS and is_exposed(path):
        _log_exposed(name, path)
    return text


@lru_cache(maxsize=16)  # logs each file once, not at every connection
def _log_exposed(name: str, path: Path) -> None:
    """Log a secret file that others may read.

    The uplink publishes anyway: the mode can be corrected at any time, and ``outfeed doctor``
    reports it too.
    """
    _log.error("secret_exposed key=uplink.%s file=%s: others may read it: chmod o=", name, path)


def explain_tls(error: ssl.SSLError) -> str:
    """Return a TLS error as text for people.

    An alert of the broker begins with "the broker refuses the TLS connection: ".
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate: {error.verify_message}"
    reason = error.reason or str(error)
    for prefix in _PREFIXES:
        if reason.startswith(prefix):
            words = reason.removeprefix(prefix).replace("_", " ").lower()
            return f"the broker refuses the TLS connection: {words}"
    return f"TLS: {reason.replace('_', ' ').lower()}"
