"""The parts of ``outfeed label``: the folder, the network and the server, from start to end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from edge.assembly.admission import trusted_by
from edge.assembly.chain import engine_choice, load_chain
from edge.bundle import Bundle
from edge.chain.inspector import Inspector
from edge.data_folder import count
from edge.labelling import LabelFolder, LabelService, LabelStore, Network, open_folder
from edge.labelling.app import make_app
from edge.labelling.guard import Access
from edge.labelling.proposals import Proposer, limit_of
from edge.labelling.taking_over import take_over
from edge.validation_messages import one_line
from edge.web.certificate import read_page_certificate
from edge.web.server import (
    is_open_to_others,
    open_socket,
    page_address,
    parse_address,
    serve,
    unencrypted_line,
)


@dataclass(frozen=True, slots=True)
class Serving:
    """The place of the page. listen: ADDRESS:PORT. certificate, key: files in PEM, or neither."""

    listen: str
    certificate: Path | None = None
    key: Path | None = None


def load_network(
    bundle: Path,
    engine: str | None,
    precision: str | None,
    threads: int,
    trust: list[str] | None,
) -> tuple[Bundle, Inspector]:
    """Return the verified bundle and its chain. Raises UsageError and BundleError."""
    choice = engine_choice(engine, precision, threads)
    return load_chain(bundle, engine=choice, trusted=trusted_by(trust))


def label_folder(
    folder: Path,
    out: Path | None,
    network: tuple[Bundle, Inspector] | None,
    serving: Serving,
    *,
    known_good: bool,
) -> None:
    """Serve the page until Ctrl-C. Blocks. Raises OutfeedError before the page is served."""
    address = parse_address(serving.listen)
    certificate = read_page_certificate(serving.certificate, serving.key)
    found = open_folder(folder, out)
    with open_socket(address) as listening:
        store = LabelStore(found, assume_good=known_good)
        service: LabelService | None = None
        try:
            for line in (*found.notes, *_assumptions(found, known_good=known_good)):
                print(f"outfeed: {one_line(line)}", file=sys.stderr)
            for line in take_over(store):
                print(one_line(line), flush=True)
            if certificate is None and is_open_to_others(listening):
                print(f"outfeed: {unencrypted_line(listening)}", file=sys.stderr)
            service = _service(store, network)
            access = Access(listening.getsockname()[1], certificate)
            pictures = count(len(found.pictures), "picture")
            print(f"{pictures}; labels go to {one_line(found.root)}")
            print(f"open {page_address(listening, access.code, certificate)}", flush=True)
            serve(make_app(service, access), listening, certificate=certificate)
        finally:
            if service is None:
                store.close()
            else:
                service.close()
    print("ended; everything that was saved is on the disk")


def _service(store: LabelStore, network: tuple[Bundle, Inspector] | None) -> LabelService:
    if network is None:
        return LabelService(store)
    bundle, inspector = network
    manifest = bundle.manifest
    limit = limit_of(manifest.chain)
    waiting = [name for name in store.names if store.state(name).label == "none"]
    proposer = Proposer(inspector, limit, store.pixels, waiting)
    proposer.start()
    shown = Network(
        bundle.id, tuple(kind.name for kind in manifest.kinds), limit, manifest.chain.threshold
    )
    return LabelService(store, proposer=proposer, network=shown)


def _assumptions(found: LabelFolder, *, known_good: bool) -> tuple[str, ...]:
    """Return the line on pictures that training took as good parts until now."""
    if not found.assumed or known_good:
        return ()
    return (
        f"{found.root}: {count(len(found.assumed), 'picture')} without a mask counted as good "
        "parts until now; from the first save on each of them needs a label (with --known-good "
        "they are good parts)",
    )
