"""The recorder of pictures, made from the configuration and the bundle."""

from __future__ import annotations

from functools import partial

from edge.bundle import Bundle
from edge.config.station import StationConfig
from edge.engines.registry import EngineChoice
from edge.errors import JournalError, PictureError
from edge.inbox import Inbox, PageMarks
from edge.pictures import (
    FrameRing,
    ImageRecorder,
    ImageWriter,
    KeepRules,
    PictureStore,
    provenance_of,
)
from edge.pictures.kept_bundles import keep_bundle
from edge.pictures.provenance import PictureOrigin
from edge.station.collaborators import NO_PICTURES, PictureRecorder
from edge.station.deferred_journal import DeferredJournal


def make_picture_recorder(
    config: StationConfig, bundle: Bundle, engine: EngineChoice, journal: DeferredJournal
) -> PictureRecorder:
    """Return the recorder, which is not started yet. It touches no disk.

    Without pictures there is no recorder, and marks in the inbox are not read.
    """
    settings = config.pictures
    if not settings.enabled:
        return NO_PICTURES
    writer = ImageWriter(
        PictureStore(
            config.paths.pictures,
            max_bytes=settings.max_bytes,
            min_free_bytes=settings.min_free_bytes,
        ),
        origin=provenance_of(bundle, engine),
        station=config.id,
        journal=partial(_uuid_of, journal),
        keep_bundle=partial(keep_bundle, config.paths.bundles, bundle, config.bundle),
        bytes_per_day=settings.max_bytes_per_day,
    )
    return ImageRecorder(
        ring=FrameRing(frames=settings.ring_frames, max_bytes=settings.ring_bytes),
        writer=writer,
        rules=KeepRules(settings.pass_every, settings.before_parts),
        max_waiting_bytes=settings.ring_bytes,
        inboxes=_inboxes(config),
    )


def picture_origin(config: StationConfig, bundle: Bundle, engine: EngineChoice) -> PictureOrigin:
    """Return the origin of the pictures that a bundle inspects after the start of the station."""
    keep = partial(keep_bundle, config.paths.bundles, bundle, config.bundle)
    return PictureOrigin(provenance_of(bundle, engine), keep)


def _uuid_of(journal: DeferredJournal) -> str:
    """Return the identifier of the journal, which is part of a picture's name.

    Raises PictureError while there is no journal.
    """
    try:
        return journal.uuid
    except JournalError as error:
        raise PictureError(f"no journal to name it by: {error}") from error


def _inboxes(config: StationConfig) -> tuple[Inbox, ...]:
    inbox = Inbox(config.paths.inbox)
    return (inbox, PageMarks(config.paths.page_marks)) if config.page.marking else (inbox,)
