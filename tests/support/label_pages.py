"""A label page that runs in this process, and requests to it as a browser would send them."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("starlette", reason="starlette is not installed: pip install 'outfeed[label]'")
pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install 'outfeed[label]'")

from edge.labelling import LabelService, LabelStore, Network, open_folder
from edge.labelling.app import make_app
from edge.labelling.guard import Access
from edge.labelling.proposals import Proposer
from edge.labelling.rescan import FolderWatch
from edge.web.certificate import PageCertificate
from edge.web.server import Address, open_socket, page_address, serve

SESSION, OTHER = "a" * 32, "b" * 32
SIZE = (60, 80)  # height, width


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class LabelPage:
    """A running page. cookie: of an admitted browser, '' before ``admit``."""

    service: LabelService
    access: Access
    port: int
    url: str
    cookie: str = ""
    tls: ssl.SSLContext | None = None
    _extra: dict[str, str] = field(default_factory=dict)

    def send(
        self,
        method: str,
        path: str,
        fields: Any = None,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Send a request with the cookie and, of a POST, the token; headers replace these."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        if self.tls is not None:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=120, context=self.tls
            )
        sent = {"cookie": self.cookie, "x-outfeed-token": self.access.token} | (headers or {})
        body = raw if raw is not None else None if fields is None else json.dumps(fields).encode()
        try:
            connection.request(method, path, body, {k: v for k, v in sent.items() if v})
            answer = connection.getresponse()
            found = {key.lower(): value for key, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def admit(self) -> LabelPage:
        answer = self.send("GET", f"/?code={self.access.code}")
        assert answer.status == 200
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return self

    def get(self, path: str, name: str = "") -> Answer:
        return self.send("GET", f"{path}?name={quote(name)}")

    def post(self, path: str, session: str = SESSION, person: str = "Ada", **fields: Any) -> Answer:
        return self.send("POST", path, {"session": session, "person": person, **fields})

    def save(self, name: str, label: str, **fields: Any) -> Answer:
        """Open a picture and save a label."""
        opened = self.post("/api/open", name=name).json
        return self.post("/api/save", name=name, version=opened["version"], label=label, **fields)


@contextmanager
def label_page(
    folder: Path,
    out: Path | None = None,
    *,
    port: int = 0,
    inspector: Any = None,
    limit: float = 4.0,
    kinds: tuple[str, ...] = (),
    assume_good: bool = False,
    certificate: PageCertificate | None = None,
    authority: Path | None = None,
    now_s: Callable[[], float] = time.monotonic,
) -> Iterator[LabelPage]:
    """Serve a folder on a free port of this machine until the block ends.

    certificate: of a page by HTTPS. authority: the certificate that its clients trust. now_s: the
    clock of the looks for new pictures.
    """
    store = LabelStore(open_folder(folder, out), assume_good=assume_good)
    watch = FolderWatch(store, now_s)
    service = LabelService(store, watch=watch)
    if inspector is not None:
        waiting = [name for name in store.names if store.state(name).label == "none"]
        proposer = Proposer(inspector, limit, store.pixels, waiting)
        proposer.start()
        network = Network("small 1.0", kinds, limit, limit)
        service = LabelService(store, proposer=proposer, network=network, watch=watch)
    listening = open_socket(Address("127.0.0.1", port))
    access = Access(listening.getsockname()[1], certificate)
    stop = threading.Event()
    app = make_app(service, access)
    options = {"certificate": certificate}
    thread = threading.Thread(target=serve, args=(app, listening, stop), kwargs=options)
    thread.start()
    try:
        url = page_address(listening, access.code, certificate)
        tls = None if authority is None else ssl.create_default_context(cafile=str(authority))
        yield LabelPage(service, access, listening.getsockname()[1], url, tls=tls)
    finally:
        stop.set()
        thread.join(10)
        listening.close()
        service.close()
        assert not thread.is_alive()


def surface(number: int = 0, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A grey surface with noise, so that no reader takes it for a mask."""
    return np.random.default_rng(number).integers(150, 200, size).astype(np.uint8)


def write(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def unlabelled(folder: Path, count: int = 4, size: tuple[int, int] = SIZE) -> Path:
    """A data folder with pictures images/1.png, images/2.png, … and no label."""
    for number in range(1, count + 1):
        write(folder / f"images/{number}.png", surface(number, size))
    return folder


def square(left: int, top: int, right: int, bottom: int, size: tuple[int, int] = SIZE) -> Any:
    """A mask, bool: true in the rectangle; right and bottom are exclusive."""
    mask = np.zeros(size, np.bool_)
    mask[top:bottom, left:right] = True
    return mask
