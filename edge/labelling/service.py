"""The work behind the page: which picture comes next, what is known of it, and its saving."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.data_folder import remarks
from edge.errors import OutfeedError
from edge.labelling.errors import LabelPageError
from edge.labelling.names import check_kind, check_person
from edge.labelling.proposals import NetworkProposal, Proposer
from edge.labelling.requests import (
    BeatRequest,
    KindRequest,
    NextRequest,
    OpenRequest,
    SaveRequest,
    SessionRequest,
)
from edge.labelling.rescan import FolderWatch
from edge.labelling.runs import decode_runs, encode_runs
from edge.labelling.sessions import Sessions
from edge.labelling.store import Change, LabelStore, OpenPicture
from edge.picture_header import read_header

_WAIT_S = 20.0  # for a proposal; the page asks again
_SHOWN = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}  # by every browser
_OPEN_LABELS = ("none", "unfinished")  # a picture that still needs a person
Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Network:
    """The facts of the bundle that the page shows. kinds: its kinds of defects. limit: the score
    from which a part is rejected. threshold: T."""

    bundle: str
    kinds: tuple[str, ...]
    limit: float
    threshold: float


class LabelService:
    """The answers to the page. Any thread may call it; calls block on the disk.

    Every method raises OutfeedError, one line, for what cannot be done.
    """

    def __init__(
        self,
        store: LabelStore,
        *,
        proposer: Proposer | None = None,
        network: Network | None = None,
        sessions: Sessions | None = None,
        watch: FolderWatch | None = None,
    ) -> None:
        """proposer and network: both, or neither where no bundle was given."""
        self.store = store
        self._proposer = proposer
        self._network = network
        self._sessions = sessions or Sessions(time.monotonic)
        self._watch = watch or FolderWatch(store, time.monotonic)
        self._lock = Lock()
        self._kinds: list[str] = []  # in the order of their keys, which stays

    def about(self) -> Reply:
        """Return what the page shows at its start: folder, kinds and network."""
        network = self._network
        return {
            "folder": str(self.store.folder.root),
            "kinds": self.kinds(),
            "counts": self._counts(),
            "network": None
            if network is None
            else {
                "bundle": network.bundle,
                "limit": network.limit,
                "threshold": network.threshold,
            },
        }

    def kinds(self) -> list[str]:
        """Return the kinds of the labels and of the bundle, then those added since the start."""
        named = (*self.store.kinds(), *(self._network.kinds if self._network else ()))
        with self._lock:
            self._kinds = list(dict.fromkeys((*self._kinds, *named)))
            return list(self._kinds)

    def pictures(self) -> Reply:
        """Return every picture with its label, in the order of the names."""
        self._look()
        listed = []
        for name in self.store.names:
            state = self.store.state(name)
            listed.append(
                {"name": name, "label": state.label, "by": state.by, "masks": list(state.masks)}
            )
        return {"pictures": listed, "held": self._sessions.others("")}

    def next_picture(self, request: NextRequest) -> Reply:
        """Open the next picture without a label that no other page has open. name: "" for none."""
        self._look()
        held = self._sessions.others(request.session)
        waiting = [
            name
            for name in self.store.names
            if name not in held and self.store.state(name).label in _OPEN_LABELS
        ]
        if self._proposer is not None:
            waiting = self._proposer.by_doubt(waiting)
        others = [name for name in waiting if name != request.after]
        if request.after in waiting:
            place = waiting.index(request.after)
            others = [*waiting[place + 1 :], *waiting[:place]]
        if not others:
            self._sessions.release(request.session)
            return {"name": "", "counts": self._counts()}
        return self.open(
            OpenRequest(session=request.session, person=request.person, name=others[0])
        )

    def open(self, request: OpenRequest) -> Reply:
        """Return a picture, and record that this page has it open."""
        person = check_person(request.person)
        picture = self.store.picture(request.name)
        held = self._sessions.others(request.session)
        self._sessions.hold(request.session, person, request.name)
        answer: Reply = {
            "name": request.name,
            "held_by": held.get(request.name, ""),
            "refused": picture.refused,
            "remark": picture.remark,
            "counts": self._counts(),
            "kinds": self.kinds(),
        }
        try:
            return answer | _opened(self.store.open(request.name)) | self._remarks(request.name)
        except OutfeedError as error:
            return answer | {"fault": str(error)}

    def save(self, request: SaveRequest) -> Reply:
        """Save a label. Raises ConflictError; the page then opens the picture again."""
        person = check_person(request.person)
        height, width = self.store.size(request.name)
        masks = {
            kind: decode_runs(runs, height, width) for kind, runs in request.masks.items() if runs
        }
        change = Change(request.version, request.label, person, masks, request.kind)
        saved = self.store.save(request.name, change)
        return {"counts": self._counts(), "kinds": self.kinds()} | _opened(saved)

    def add_kind(self, request: KindRequest) -> Reply:
        """Add a kind of defect, for all pages."""
        known = self.kinds()
        kind = check_kind(request.kind.strip(), known)
        with self._lock:
            if kind not in self._kinds:
                self._kinds.append(kind)
        return {"kind": kind, "kinds": self.kinds()}

    def beat(self, request: BeatRequest) -> Reply:
        """Keep a picture for this page, and return what other people have open."""
        self._look()
        if request.name:
            self._sessions.hold(request.session, check_person(request.person), request.name)
        held = self._sessions.others(request.session)
        inspected = 0 if self._proposer is None else self._proposer.inspected
        counts = self._counts()
        kinds = self.kinds()
        return {"held": held, "counts": counts, "inspected": inspected, "kinds": kinds}

    def leave(self, request: SessionRequest) -> Reply:
        """Record that a page has closed its picture."""
        self._sessions.release(request.session)
        return {}

    def proposal(self, name: str) -> Reply:
        """Return the proposal of the network. Blocks for some seconds while it is being made."""
        self.store.picture(name)
        if self._proposer is None:
            return {"state": "none"}
        found = self._proposer.wait(name, _WAIT_S)
        if found is None:
            return {"state": "waiting"}
        return {"state": "made"} | _proposed(found)

    def picture(self, name: str) -> tuple[bytes, str]:
        """Return the picture with the pixels that a station would see, and its media type.

        It is the file itself where a browser shows these pixels, otherwise a PNG.
        """
        source = self.store.picture(name).source
        try:
            data = source.read_bytes()
        except OSError as error:
            raise LabelPageError(f"{source}: cannot be read: {error.strerror}") from error
        kind = next((kind for start, kind in _SHOWN.items() if data.startswith(start)), "")
        header = read_header(data)
        if kind and header.orientation == 1 and header.pages == 1 and not header.has_alpha:
            return data, kind
        return _png(self.store.pixels(name)), "image/png"

    def severity_png(self, name: str) -> bytes:
        """Return the severity map as PNG in colours. Raises LabelPageError where there is none."""
        self.store.picture(name)
        found = None if self._proposer is None else self._proposer.wait(name, _WAIT_S)
        if found is None or found.severity is None:
            raise LabelPageError("there is no severity map of this picture")
        colours = cv2.applyColorMap(found.severity, cv2.COLORMAP_INFERNO)
        alpha = np.minimum(found.severity.astype(np.uint16) * 2, 220).astype(np.uint8)
        return _png(np.dstack([colours, alpha]))

    def close(self) -> None:
        """End the thread of the network and release the folder. Blocks for one inspection."""
        if self._proposer is not None:
            self._proposer.close()
        self.store.close()

    def _look(self) -> None:
        """Take in pictures that are new in the folder, where it is time to look."""
        new = self._watch.look()
        if new and self._proposer is not None:
            self._proposer.add(new)

    def _counts(self) -> Reply:
        labels: Counter[str] = Counter(self.store.state(name).label for name in self.store.names)
        return {"all": len(self.store.names), **labels}

    def _remarks(self, name: str) -> Reply:
        picture = self.store.picture(name)
        return {"remarks": list(remarks(picture.source)) if picture.marked is None else []}


def _opened(found: OpenPicture) -> Reply:
    state = found.state
    return {
        "version": found.version,
        "label": state.label,
        "kind": state.kind,
        "by": state.by,
        "utc": state.utc,
        "height": found.height,
        "width": found.width,
        "masks": {kind: encode_runs(mask) for kind, mask in found.masks.items()},
    }


def _proposed(found: NetworkProposal) -> Reply:
    return {
        "score": round(found.score, 2),
        "decision": found.decision.value,
        "reason": found.reason,
        "fault": found.fault,
        "defects": [
            {
                "kind": each.kind,
                "confidence": round(each.confidence, 3),
                "severity": round(each.severity, 1),
                "runs": each.runs,
                "outline": each.outline,
            }
            for each in found.defects
        ],
    }


def _png(pixels: NDArray[np.uint8]) -> bytes:
    fine, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not fine:
        raise LabelPageError("the picture could not be written as PNG")
    return data.tobytes()
