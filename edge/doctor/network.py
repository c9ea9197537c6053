"""Checks of the broker, the certificates and the secrets of the uplink."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, fail, fine, warn
from edge.files import is_exposed
from edge.uplink.tls import CredentialsError, explain_tls, tls_context

_CONNECT_S = 3.0
_REFUSAL_S = 1.0  # Mosquitto refuses a revoked certificate within 10 ms
_SOON = timedelta(days=30)


def broker(context: DiagnosticContext) -> DiagnosticFinding:
    """Check that the broker answers and, with TLS, that its certificate is valid.

    The check does not log in: that would disconnect the running uplink, which has the same name.
    """
    uplink = context.config.uplink
    where = f"{uplink.host}:{uplink.port}"
    advice = "check cable, address and firewall, and that the broker runs"
    try:
        with socket.create_connection((uplink.host, uplink.port), _CONNECT_S) as link:
            if uplink.tls_ca is None:
                return fine("broker", f"{where} answers")
            tls = tls_context(uplink)
            with tls.wrap_socket(link, server_hostname=uplink.host) as secured:
                finding = _of_certificate("broker", f"{where} answers by TLS", secured, context)
                _await_refusal(secured)
                return finding
    except ssl.SSLCertVerificationError as error:
        advice = "outfeed provision broker, with the name in uplink.host; check the clock"
        return fail("broker", f"{where}: {error.verify_message}", advice)
    except CredentialsError as error:
        return fail(
            "broker", str(error), "if it is not being replaced now: outfeed provision station"
        )
    except ssl.SSLError as error:
        advice = "check uplink.port, tls_ca and tls_cert; revoked, or of another authority?"
        return fail("broker", f"{where}: {explain_tls(error)}", advice)
    except OSError as error:
        message = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return fail("broker", f"{where}: {message}", advice)


def certificates(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check that the certificates of station and authority are readable and valid."""
    uplink = context.config.uplink
    paths = [path for path in (uplink.tls_ca, uplink.tls_cert) if path is not None]
    if not paths:
        return None
    ends = []
    for path in paths:
        try:
            loaded = x509.load_pem_x509_certificates(path.read_bytes())
        except OSError as error:
            return fail("certificates", f"{path}: {error.strerror}", "outfeed provision station")
        except ValueError:
            message = f"{path}: is no certificate"
            return fail("certificates", message, "outfeed provision station")
        ends.append(min((one.not_valid_after_utc, path) for one in loaded))
    key = uplink.tls_key
    if key is not None and not _readable(key):
        return fail(
            "certificates",
            f"{key}: cannot be read",
            "run with sudo -u outfeed …, and check its mode",
        )
    until, path = min(ends)
    return _until("certificates", f"{path.name}", until, context)


def secrets(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check that no other user may read the private key and the password."""
    uplink = context.config.uplink
    paths = [path for path in (uplink.tls_key, uplink.password_file) if path is not None]
    exposed = [str(path) for path in paths if is_exposed(path)]
    if exposed:
        message = (
            f"{', '.join(exposed)}: every user of this unit may read it, and publish in its name"
        )
        return fail("secrets", message, f"sudo chmod o= {' '.join(exposed)}")
    return fine("secrets", "not readable by others") if paths else None


def _await_refusal(secured: ssl.SSLSocket) -> None:
    """Wait for the alert with which a broker refuses the client's certificate.

    In TLS 1.3 it follows after the handshake. A broker that accepts the certificate sends nothing.
    Raises ssl.SSLError. Blocks for at most 1 s.
    """
    secured.settimeout(_REFUSAL_S)
    with suppress(TimeoutError, ConnectionError):
        secured.recv(1)


def _of_certificate(
    name: str, message: str, link: ssl.SSLSocket, context: DiagnosticContext
) -> DiagnosticFinding:
    data = link.getpeercert(binary_form=True)
    if not data:
        return fine(name, message)
    until = x509.load_der_x509_certificate(data).not_valid_after_utc
    return _until(name, f"{message}, its certificate", until, context)


def _until(
    name: str, subject: str, until: datetime, context: DiagnosticContext
) -> DiagnosticFinding:
    now = datetime.fromtimestamp(context.machine.now_s(), timezone.utc)
    message, advice = f"{subject} until {until:%Y-%m-%d}", "make a new one: outfeed provision"
    if until <= now:
        return fail(name, f"{subject} expired on {until:%Y-%m-%d}", advice)
    return warn(name, message, advice) if until - now < _SOON else fine(name, message)


def _readable(path: Path) -> bool:
    with suppress(OSError), path.open("rb"):
        return True
    return False
