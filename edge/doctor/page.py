"""The check of the station's page: its service, its certificate and its people."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, fine, warn
from edge.doctor.station_process import unit
from edge.errors import OutfeedError
from edge.files import is_exposed
from edge.web.certificate import CertificateOptions, read_page_certificate

_UNIT = "outfeed-page"
_OPTIONS = CertificateOptions("page.tls_cert", "page.tls_key")
_SOON = timedelta(days=30)


def page(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check the page of the station where its service is used. Inspection never depends on it."""
    settings = context.config.page
    service = unit(context.machine, _UNIT)
    state = service.get("ActiveState", "")
    if state not in ("active", "activating", "failed"):
        return None
    if settings.people is not None and is_exposed(settings.people):
        message = f"{settings.people}: every user of this unit may read it"
        return warn("page", message, f"sudo chmod o= {settings.people}")
    try:
        certificate = read_page_certificate(settings.tls_cert, settings.tls_key, _OPTIONS)
    except OutfeedError as error:
        return warn("page", str(error), "outfeed provision broker HOST makes a certificate")
    if certificate is not None:
        now = datetime.fromtimestamp(context.machine.now_s(), timezone.utc)
        if certificate.until - now < _SOON:
            message = f"its certificate ends on {certificate.until:%Y-%m-%d}"
            return warn("page", message, "make a new one: outfeed provision broker HOST")
    if state != "active":
        message = f"does not run: {state} ({service.get('SubState', '')})"
        return warn("page", message, f"journalctl -u {_UNIT} -n 50")
    place = f"{settings.bind}:{settings.port}" + (", marks" if settings.marking else "")
    return fine("page", f"runs at {place}")
