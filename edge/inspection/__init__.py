"""The chain over files: pictures and videos go in, one record each comes out, in order."""

from edge.inspection.examine import Examined, Fault, examine
from edge.inspection.sources import Source, Sources, from_list, from_paths

__all__ = ["Examined", "Fault", "Source", "Sources", "examine", "from_list", "from_paths"]
