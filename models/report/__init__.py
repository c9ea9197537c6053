"""A training run as one page that anybody can open: RUN/report.html.

    python -m models.report --run RUN [--results results.jsonl --masks DIR]

No scripts and nothing from elsewhere: figures are inline SVG, pictures are data.
"""

from models.report.findings import InspectResults
from models.report.write import write_report

__all__ = ["InspectResults", "write_report"]
