"""Label files of the tools that people draw with: COCO, YOLO, LabelMe, CVAT, Label Studio, VOC.

One module reads each format into the records of `shapes.py`. `raster.py` makes masks of them.
"""

from edge.label_files.classes import (
    LABEL_SETTINGS,
    LabelSettings,
    apply_classes,
    read_settings,
)
from edge.label_files.formats import FORMATS, LabelFormat
from edge.label_files.picture_names import PictureIndex
from edge.label_files.raster import extent, rasterise
from edge.label_files.shapes import (
    LabelContent,
    LabelError,
    LabelledArea,
    LabelledPicture,
    LabelledShape,
)

__all__ = [
    "FORMATS",
    "LABEL_SETTINGS",
    "LabelContent",
    "LabelError",
    "LabelFormat",
    "LabelSettings",
    "LabelledArea",
    "LabelledPicture",
    "LabelledShape",
    "PictureIndex",
    "apply_classes",
    "extent",
    "rasterise",
    "read_settings",
]
