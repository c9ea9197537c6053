"""The errors Outfeed raises on purpose, and the exit status each one ends the command with.

    OutfeedError            1   one clear line for a person
    ├── UsageError          2   the command line asks for something that cannot be
    │   └── FolderError     2   a folder of pictures: all that is to be put right, a line each
    ├── ConfigError        78   station.toml: names the file and the key
    ├── BundleError         1   a bundle that is damaged, altered or for something else
    ├── FrameError          1   a picture that cannot be inspected as it is
    ├── DeviceError         1   a camera, trigger or output that does not do its part
    ├── JournalError        1   the journal cannot be opened, read or written
    ├── PictureError        1   a kept picture cannot be read, written or believed
    ├── InboxError          1   the station cannot be told something
    ├── QuarantineError     1   a set of marked parts cannot be read, written or believed
    └── MustEndError        1   the process has to end at once, without a goodbye
        ├── StalledError    1   something that must move does not
        └── CrashedError    1   an unforeseen exception, that is, a bug

Adapters wrap a library's error with ``raise ... from``. Anything that is not an OutfeedError is a
bug and shows its traceback.
"""


class OutfeedError(Exception):
    """Base of all errors that Outfeed raises on purpose; ``str()`` is one line for a person."""

    exit_status = 1


class UsageError(OutfeedError):
    """The command line asks for something that cannot be."""

    exit_status = 2


class FolderError(UsageError):
    """A folder of pictures has faults. lines: one line for each fault.

    With several faults, the first line states their number.
    """

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class ConfigError(OutfeedError):
    """A configuration file is missing, unreadable or wrong; the line names file and key."""

    exit_status = 78


class BundleError(OutfeedError):
    """A bundle is damaged, altered, made for something else, or fails its golden frames."""


class FrameError(OutfeedError):
    """A picture cannot be inspected as it is."""


class DeviceError(OutfeedError):
    """A camera, trigger or output does not do its part."""


class JournalError(OutfeedError):
    """The journal cannot be opened, read or written."""


class PictureError(OutfeedError):
    """A kept picture cannot be read, written or believed."""


class InboxError(OutfeedError):
    """The station's inbox takes nothing, or holds what is no message."""


class QuarantineError(OutfeedError):
    """A set of marked parts cannot be read, written or believed."""


class MustEndError(OutfeedError):
    """The process cannot be helped from within: it has to end at once, without waiting for its
    threads, and be started anew."""


class StalledError(MustEndError):
    """A stage hangs."""


class CrashedError(MustEndError):
    """A thread ended by an unforeseen exception."""
