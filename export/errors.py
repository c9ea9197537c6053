"""What stops an export; one line for a person."""


class ExportError(Exception):
    """The run cannot be exported as it is; the line says which figure or file is at fault."""
