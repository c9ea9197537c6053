"""Exports of labelling tools, written from masks field for field as the tools write them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np

from tests.support.folders import encoded, put

Drawn = Sequence[tuple[str, np.ndarray]]  # kind, bool H×W
RLE_LENGTHS = (3, 4, 8, 16)  # bits, as Label Studio's coder has them


def rings_of(mask: np.ndarray) -> list[list[tuple[float, float]]]:
    """Outlines of a mask along the sides of its pixels, the outer ones and those of holes."""
    factor = 4  # fillPoly's contours run through centres; between 4 and 4 px lies a corner
    large = np.kron(mask.astype(np.uint8), np.ones((factor, factor), np.uint8))
    large = np.pad(large, 1)
    contours, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = []
    for contour in contours:
        points = contour[:, 0, :].astype(float) - 1 + 0.5
        snapped = np.rint(points / factor)
        keep = [0]
        for number in range(1, len(snapped)):
            if (snapped[number] != snapped[keep[-1]]).any():
                keep.append(number)
        if len(keep) >= 3:
            rings.append([(float(x), float(y)) for x, y in snapped[keep]])
    return rings


def column_runs(mask: np.ndarray) -> list[int]:
    """Run lengths down the columns, of zeros first, as in COCO."""
    return row_runs(mask.T)


def row_runs(mask: np.ndarray) -> list[int]:
    flat = np.concatenate([[False], mask.ravel(), [not mask.ravel()[-1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(length) for length in np.diff(np.concatenate([[0], ends]))]


def compressed(counts: Sequence[int]) -> str:
    """COCO's text of run lengths: `rleToString` in maskApi.c."""
    found = []
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            found.append(chr(bits + (32 if more else 0) + 48))
    return "".join(found)


def brush(mask: np.ndarray, *, singles: bool = False) -> list[int]:
    """Label Studio's run lengths of red, green, blue and alpha. singles: values one by one."""
    values = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    bits = f"{values.size:032b}{7:05b}" + "".join(f"{length - 1:04b}" for length in RLE_LENGTHS)
    pieces = [bits]
    at = 0
    changes = np.append(np.flatnonzero(values[1:] != values[:-1]) + 1, values.size)
    if singles:
        for begin in range(0, values.size, 8):
            some = values[begin : begin + 8]
            pieces.append(f"000{len(some) - 1:03b}" + "".join(f"{int(v):08b}" for v in some))
    else:
        for end in changes.tolist():
            while at < end:
                length = min(end - at, 1 << 16)
                index = next(i for i, size in enumerate(RLE_LENGTHS) if length <= 1 << size)
                pieces.append(f"1{index:02b}{length - 1:0{RLE_LENGTHS[index]}b}")
                pieces.append(f"{int(values[at]):08b}")
                at += length
    text = "".join(pieces)
    text += "0" * (-len(text) % 8)
    return [int(text[place : place + 8], 2) for place in range(0, len(text), 8)]


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom; the last two are exclusive."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1


def coco(
    path: Path,
    pictures: dict[str, tuple[tuple[int, int], Drawn]],
    form: str = "polygon",
) -> None:
    """A COCO file. pictures: of each name, (height, width) and masks. form: polygon, runs,
    compressed or box."""
    kinds = sorted({kind for _, drawn in pictures.values() for kind, _ in drawn})
    images, annotations = [], []
    for number, (name, ((height, width), drawn)) in enumerate(pictures.items(), start=1):
        images.append(
            {
                "id": number,
                "width": width,
                "height": height,
                "file_name": name,
                "license": 0,
                "flickr_url": "",
                "coco_url": "",
                "date_captured": 0,
            }
        )
        for kind, mask in drawn:
            left, top, right, bottom = box_of(mask)
            segmentation: object = []
            if form == "polygon":
                segmentation = [[v for point in ring for v in point] for ring in rings_of(mask)]
            elif form != "box":
                counts = column_runs(mask)
                coded = compressed(counts) if form == "compressed" else counts
                segmentation = {"size": [height, width], "counts": coded}
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": kinds.index(kind) + 1,
                    "segmentation": segmentation,
                    "area": float(mask.sum()),
                    "bbox": [left, top, right - left, bottom - top],
                    "iscrowd": int(form in ("runs", "compressed")),
                    "attributes": {"occluded": False},
                }
            )
    content = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "description": "", "url": ""},
        "categories": [
            {"id": number, "name": kind, "supercategory": ""}
            for number, kind in enumerate(kinds, start=1)
        ],
        "images": images,
        "annotations": annotations,
    }
    put(path, json.dumps(content, ensure_ascii=False))


def labelme(path: Path, image: str, size: tuple[int, int], drawn: Drawn, form: str) -> None:
    """A LabelMe file. form: polygon, mask or rectangle."""
    shapes: list[dict[str, object]] = []
    for group, (kind, mask) in enumerate(drawn):
        left, top, right, bottom = box_of(mask)
        outlines: list[object] = [[[left, top], [right, bottom]]]
        if form == "polygon":
            outlines = [list(map(list, ring)) for ring in rings_of(mask)]
        for points in outlines:
            shape = {
                "label": kind,
                "points": points,
                "group_id": group,
                "description": "",
                "shape_type": form,
                "flags": {},
                "mask": None,
            }
            if form == "mask":
                shape["points"] = [[left, top], [right - 1, bottom - 1]]
                inner = mask[top:bottom, left:right].astype(np.uint8) * 255
                shape["mask"] = base64.b64encode(encoded(".png", inner)).decode()
            shapes.append(shape)
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    put(path, json.dumps(content, indent=2, ensure_ascii=False))


def cvat(path: Path, pictures: dict[str, tuple[tuple[int, int], Drawn]], form: str) -> None:
    """A CVAT for images 1.1 file. form: polygon, mask or box."""
    kinds = sorted({kind for _, drawn in pictures.values() for kind, _ in drawn})
    labels = "".join(
        f"<label><name>{kind}</name><color>#fa3253</color><type>any</type><attributes>"
        "</attributes></label>"
        for kind in kinds
    )
    images = []
    for number, (name, ((height, width), drawn)) in enumerate(pictures.items()):
        inner = "".join(_cvat_shape(kind, mask, form) for kind, mask in drawn)
        images.append(
            f'<image id="{number}" name={quoteattr(name)} width="{width}" height="{height}">'
            f"{inner}</image>"
        )
    put(
        path,
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task>'
        f"<id>4</id><name>parts</name><size>{len(images)}</size><mode>annotation</mode>"
        f"<overlap>0</overlap><labels>{labels}</labels></task><dumped>2026-11-30 07:00:00+00:00"
        f"</dumped></meta>{''.join(images)}</annotations>\n",
    )


def _cvat_shape(kind: str, mask: np.ndarray, form: str) -> str:
    left, top, right, bottom = box_of(mask)
    start = f'label={quoteattr(kind)} source="manual" occluded="0"'
    if form == "mask":
        runs = ", ".join(map(str, row_runs(mask[top:bottom, left:right])))
        return (
            f'<mask {start} rle="{runs}" left="{left}" top="{top}" width="{right - left}" '
            f'height="{bottom - top}" z_order="0"></mask>'
        )
    if form == "box":
        return (
            f'<box {start} xtl="{left:.2f}" ytl="{top:.2f}" xbr="{right:.2f}" '
            f'ybr="{bottom:.2f}" z_order="0"></box>'
        )
    return "".join(
        f'<polygon {start} points="{";".join(f"{x:.2f},{y:.2f}" for x, y in ring)}" z_order="0">'
        "</polygon>"
        for ring in rings_of(mask)
    )


def _studio_values(mask: np.ndarray, size: tuple[int, int], form: str) -> list[dict[str, object]]:
    height, width = size
    left, top, right, bottom = box_of(mask)
    if form == "brush":
        return [{"format": "rle", "rle": brush(mask)}]
    if form == "rectangle":
        return [
            {
                "x": 100 * left / width,
                "y": 100 * top / height,
                "width": 100 * (right - left) / width,
                "height": 100 * (bottom - top) / height,
                "rotation": 0,
            }
        ]
    return [
        {"points": [[100 * x / width, 100 * y / height] for x, y in ring], "closed": True}
        for ring in rings_of(mask)
    ]


def label_studio_task(
    number: int, image: str, size: tuple[int, int], drawn: Drawn, form: str
) -> dict[str, object]:
    """A task of the JSON export. form: polygon, brush or rectangle."""
    height, width = size
    results = []
    for kind, mask in drawn:
        for value in _studio_values(mask, size, form):
            results.append(
                {
                    "original_width": width,
                    "original_height": height,
                    "image_rotation": 0,
                    "value": {**value, f"{form}labels": [kind]},
                    "id": f"Dx_aB9{len(results)}",
                    "from_name": "label",
                    "to_name": "image",
                    "type": f"{form}labels",
                    "origin": "manual",
                }
            )
    annotation = {
        "id": 1000 + number,
        "completed_by": 1,
        "result": results,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-03-09T22:16:08.728353Z",
        "updated_at": "2026-03-09T22:16:08.728378Z",
        "lead_time": 4.288,
        "task": number,
        "project": 83,
    }
    return {
        "id": number,
        "annotations": [annotation],
        "file_upload": image.rsplit("/", 1)[-1],
        "drafts": [],
        "predictions": [],
        "data": {"image": image},
        "meta": {},
        "created_at": "2026-03-09T21:52:49.513742Z",
        "project": 83,
    }


def yolo_lines(size: tuple[int, int], drawn: Drawn, kinds: Sequence[str], form: str) -> str:
    """Lines of a YOLO file. form: polygon or box. Bridges join holes to outlines."""
    height, width = size
    lines = []
    for kind, mask in drawn:
        left, top, right, bottom = box_of(mask)
        if form == "box":
            values = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
        else:
            outline: list[tuple[float, float]] = []
            for ring in rings_of(mask):
                start = outline[:1]
                outline += [*ring, ring[0], *start]
            values = [v for point in outline for v in point]
        scaled = [v / (width, height)[place % 2] for place, v in enumerate(values)]
        lines.append(f"{kinds.index(kind)} " + " ".join(f"{v:.6f}" for v in scaled))
    return "".join(f"{line}\n" for line in lines)


def voc_xml(path: Path, image: str, size: tuple[int, int], drawn: Drawn, folder: str = "") -> None:
    """A Pascal VOC file with the boxes of masks, as LabelImg writes it."""
    objects = []
    for kind, mask in drawn:
        left, top, right, bottom = box_of(mask)
        objects.append(
            f"\t<object>\n\t\t<name>{kind}</name>\n\t\t<pose>Unspecified</pose>\n"
            "\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n\t\t<bndbox>\n"
            f"\t\t\t<xmin>{max(left, 1)}</xmin>\n\t\t\t<ymin>{max(top, 1)}</ymin>\n"
            f"\t\t\t<xmax>{right}</xmax>\n\t\t\t<ymax>{bottom}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        )
    put(
        path,
        f"<annotation>\n\t<folder>{folder}</folder>\n\t<filename>{image}</filename>\n"
        f"\t<path>C:\\parts\\{image}</path>\n\t<source>\n\t\t<database>Unknown</database>\n"
        f"\t</source>\n\t<size>\n\t\t<width>{size[1]}</width>\n\t\t<height>{size[0]}</height>\n"
        f"\t\t<depth>1</depth>\n\t</size>\n\t<segmented>0</segmented>\n{''.join(objects)}"
        "</annotation>\n",
    )
