"""The report of a training run: the self-contained page RUN/report.html.

    python -m models.report --run RUN [--results results.jsonl --masks DIR]

The page has no scripts and loads no files: plots are inline SVG, and pictures are data URIs.
"""

from models.report.findings import InspectResults
from models.report.write import write_report

__all__ = ["InspectResults", "write_report"]
