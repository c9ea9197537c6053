"""The broker, and the certificates on the way to it."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, fail, fine, warn
from edge.files import is_exposed
from edge.uplink.tls import CredentialsError, explain_tls, tls_context

_CONNECT_S = 3.0
_REFUSAL_S = 1.0  # Mosquitto refuses a revoked certificate within 10 ms
_SOON = timedelta(days=30)


def broker(context: DiagnosticContext) -> Finding:
    """Whether it answers; with TLS whether it is who it should be. Not whether it lets us log in:
    that would throw out the uplink that has this name now."""
    uplink = context.config.uplink
    where = f"{uplink.host}:{uplink.port}"
    advice = "cable, address, firewall; does the broker run?"
    try:
        with socket.create_connection((uplink.host, uplink.port), _CONNECT_S) as link:
            if uplink.tls_ca is None:
                return fine("broker", f"{where} answers")
            tls = tls_context(uplink)
            with tls.wrap_socket(link, server_hostname=uplink.host) as secured:
                found = _of_certificate("broker", f"{where} answers by TLS", secured, context)
                _await_refusal(secured)
                return found
    except ssl.SSLCertVerificationError as error:
        told = "outfeed provision broker, with the name in uplink.host; the clock"
        return fail("broker", f"{where}: {error.verify_message}", told)
    except CredentialsError as error:
        return fail("broker", str(error), "is it being replaced? outfeed provision station")
    except ssl.SSLError as error:
        told = "uplink.port, tls_ca, tls_cert; revoked, or of another authority?"
        return fail("broker", f"{where}: {explain_tls(error)}", told)
    except OSError as error:
        said = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return fail("broker", f"{where}: {said}", advice)


def certificates(context: DiagnosticContext) -> Finding | None:
    """The station's own and the authority's: readable, and how long they last."""
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
            said = f"{path}: is no certificate"
            return fail("certificates", said, "outfeed provision station")
        ends.append(min((one.not_valid_after_utc, path) for one in loaded))
    key = uplink.tls_key
    if key is not None and not _readable(key):
        return fail("certificates", f"{key}: cannot be read", "sudo -u outfeed …; its mode")
    until, path = min(ends)
    return _until("certificates", f"{path.name}", until, context)


def secrets(context: DiagnosticContext) -> Finding | None:
    """Files that only the station's users may read."""
    uplink = context.config.uplink
    found = [path for path in (uplink.tls_key, uplink.password_file) if path is not None]
    exposed = [str(path) for path in found if is_exposed(path)]
    if exposed:
        said = f"{', '.join(exposed)}: everybody on this unit may read it, and publish in its name"
        return fail("secrets", said, f"sudo chmod o= {' '.join(exposed)}")
    return fine("secrets", "not readable by others") if found else None


def _await_refusal(secured: ssl.SSLSocket) -> None:
    """In TLS 1.3 a broker refuses a client's certificate after the handshake: wait for its alert.
    Raises ssl.SSLError. A broker that waits for a CONNECT sends nothing."""
    secured.settimeout(_REFUSAL_S)
    with suppress(TimeoutError, ConnectionError):
        secured.recv(1)


def _of_certificate(
    name: str, said: str, link: ssl.SSLSocket, context: DiagnosticContext
) -> Finding:
    data = link.getpeercert(binary_form=True)
    if not data:
        return fine(name, said)
    until = x509.load_der_x509_certificate(data).not_valid_after_utc
    return _until(name, f"{said}, its certificate", until, context)


def _until(name: str, what: str, until: datetime, context: DiagnosticContext) -> Finding:
    now = datetime.fromtimestamp(context.machine.now_s(), timezone.utc)
    said, advice = f"{what} until {until:%Y-%m-%d}", "outfeed provision makes a new one"
    if until <= now:
        return fail(name, f"{what} has ended on {until:%Y-%m-%d}", advice)
    return warn(name, said, advice) if until - now < _SOON else fine(name, said)


def _readable(path: Path) -> bool:
    with suppress(OSError), path.open("rb"):
        return True
    return False
