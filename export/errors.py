"""What stops an export; one line for a person."""


class ExportError(Exception):
    """The run cannot be exported as it is; the line says which figure or file is at fault."""


class ParityError(ExportError):
    """A build does not keep the limits within which it must do what torch does."""
