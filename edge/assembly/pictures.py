"""What station.toml says of pictures, as the parts that keep them."""

from __future__ import annotations

from functools import partial

from edge.bundle import Bundle
from edge.config.station import StationConfig
from edge.engines.registry import EngineChoice
from edge.errors import JournalError, PictureError
from edge.inbox import Inbox
from edge.pictures import (
    FrameRing,
    ImageRecorder,
    ImageWriter,
    KeepRules,
    PictureStore,
    provenance_of,
)
from edge.pictures.kept_bundles import keep_bundle
from edge.station.collaborators import NO_PICTURES, PictureRecorder
from edge.station.deferred_journal import DeferredJournal


def make_keeper(
    config: StationConfig, bundle: Bundle, engine: EngineChoice, journal: DeferredJournal
) -> PictureRecorder:
    """Nothing runs yet and no disk is touched. The inbox is read where pictures are kept."""
    wanted = config.pictures
    if not wanted.enabled:
        return NO_PICTURES
    scribe = ImageWriter(
        PictureStore(
            config.paths.pictures, max_bytes=wanted.max_bytes, min_free_bytes=wanted.min_free_bytes
        ),
        origin=provenance_of(bundle, engine),
        station=config.id,
        journal=partial(_uuid_of, journal),
        keep_bundle=partial(keep_bundle, config.paths.bundles, bundle, config.bundle),
        bytes_per_day=wanted.max_bytes_per_day,
    )
    return ImageRecorder(
        ring=FrameRing(frames=wanted.ring_frames, max_bytes=wanted.ring_bytes),
        writer=scribe,
        rules=KeepRules(wanted.pass_every, wanted.before_parts),
        max_waiting_bytes=wanted.ring_bytes,
        inbox=Inbox(config.paths.inbox),
    )


def _uuid_of(journal: DeferredJournal) -> str:
    """A picture is named by its journal, and waits for it. Raises PictureError."""
    try:
        return journal.uuid
    except JournalError as error:
        raise PictureError(f"no journal to name it by: {error}") from error
