"""The meaning of the names of files and folders, in folders of pictures as people keep them."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from pathlib import Path, PurePosixPath

from edge.images import IMAGE_SUFFIXES, VIDEO_SUFFIXES

IMAGES, MASKS = "images", "masks"
GOOD_FOLDERS = ("good", "ok")  # in any case
LABELLED = "labelled.csv"
TABLES = ("kinds.csv", "groups.csv", LABELLED, "labels.toml")

# Formats of pictures that Outfeed does not decode. Such files are named, never ignored.
_OTHER_PICTURES = """
    .apng .arw .avif .cr2 .cr3 .czi .dcm .dib .dng .emf .eps .exr .gif .hdr .heic .heif .j2k .jfif
    .jp2 .jpe .jxl .jxr .lsm .nd2 .nef .nrrd .orf .pbm .pcx .pfm .psd .ras .raw .rw2 .svs .tga .xcf
"""
OTHER_PICTURES = frozenset(_OTHER_PICTURES.split())
_STARTS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"GIF8", ".gif"),
)

_LABELS = """
    mask masks label labels lab lbl labelled labeled groundtruth gt gts truth annotation annotations
    annotated annot annots anno annos ann seg segs segm segmentation segmentations
    segmentationclass segmentationobject coco voc yolo labelme cvat supervisely bbox bboxes polygons
    instances labeltxt labelids defectmask defectmasks masken maske masque masques mascara mascaras
    etiketten
"""
_LABEL_WORDS = frozenset(_LABELS.split())
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
# Folders that sort pictures by something other than the defect of the part.
_NEUTRAL = re.compile(
    r"(?!(ng|nok|nio|bad|def)\d*$)((train(ing)?|test(ing)?|val(id|idation)?|dev|eval|days?|line|lines|cam|cams|camera|batch|lot"
    r"|part|parts|shift|set|run|session|station|week|month|year|im|img|images?|imgs|pictures?|pics"
    r"|photos?|frames?|raw|new|old|top|bottom|left|right|front|back|side|view|series|unit|units"
    r"|samples?|seq|sequence|scan|capture|captures|all|data|machine|mould|nest|cavity|linie|kamera"
    r"|schicht|los|charge|tag|woche|teil|teile)?[-_ .]?(\d+|[a-z])?|\d[\d\-_. t:]*"
    r"|[a-z]{1,3}[-_]?\d+|\d{4}[-_.]?\d\d[-_.]?\d\d.*)",
    re.IGNORECASE,
)
_SPLIT = re.compile(
    r"(train(ing)?|test(ing)?|val(id|idation)?|dev|eval|all|old|new)", re.IGNORECASE
)
_BAD = """
    bad ng nok nio defect defects defective fail failed faulty fault reject rejected scrap anomaly
    anomalous abnormal broken damaged flawed ausschuss fehler fehlerhaft schlecht defekt kaputt
"""
_BAD_WORDS = frozenset(_BAD.split())
_NOT_BAD = re.compile(r"(defect|fault|flaw)s?[-_ ]?(free|less)|no[nt]?[-_ ]?[a-z]+", re.IGNORECASE)
_MASK_TAIL = re.compile(
    r"[-_ .](mask|masks|label|labels|lbl|gt|seg|segmentation|annotation|anno|truth"
    r"|groundtruth|ground[-_]truth|labelids)$",
    re.IGNORECASE,
)
_MASK_HEAD = re.compile(r"^(mask|label|gt|seg)[-_ .]", re.IGNORECASE)


def is_picture(path: Path) -> bool:
    """Return whether the suffix is that of a picture format that is decoded."""
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def is_video(path: Path) -> bool:
    return path.name.lower().endswith(VIDEO_SUFFIXES)


def is_other_picture(path: Path) -> bool:
    """Return whether the suffix is that of a picture format that is not decoded."""
    return path.suffix.lower() in OTHER_PICTURES


def picture_form(path: Path) -> str:
    """Return the suffix that fits the first bytes of a file; '' if they are not of a picture."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return ""
    for start, suffix in _STARTS:
        if head.startswith(start):
            return suffix
    return ".webp" if head[:4] == b"RIFF" and head[8:] == b"WEBP" else ""


def names_labels(name: str) -> bool:
    """Return whether the name is one used for masks or labels: ground_truth, trainLabels."""
    words = [word.lower() for word in _WORD.findall(Path(name).stem)]
    pairs = {first + second for first, second in pairwise(words)}
    return bool(_LABEL_WORDS & ({*words} | pairs))


def is_neutral(folder: str) -> bool:
    """Return whether a folder's name gives no kind of part: train, line2, 2024-05-01, kos07."""
    return bool(_NEUTRAL.fullmatch(folder))


def is_split(folder: str) -> bool:
    """Return whether a folder is named as a side of a split: train, test."""
    return bool(_SPLIT.fullmatch(folder))


def names_bad(stem: str) -> bool:
    """Return whether the name of a picture is that of a bad part: NG_0012, 17-defect."""
    bare = _NOT_BAD.sub("", stem)
    return bool(_BAD_WORDS & {word.lower() for word in _WORD.findall(bare)})


def telling(parts: tuple[str, ...]) -> str:
    """Return the parts of a path that are not neutral, joined by slashes; '' if all are neutral."""
    return "/".join(part for part in parts if not is_neutral(part))


def kind_of(parts: tuple[str, ...]) -> str:
    """Return the kind that a folder of masks names; '' if it names only train, test or the like."""
    return "/".join(part for part in parts if not is_split(part))


def first_word(stem: str) -> str:
    """Return the first word of a name in lower case; '' if it is neutral."""
    found = _WORD.match(stem)
    return "" if found is None or is_neutral(found[0]) else found[0].lower()


def is_good(folder: str) -> bool:
    """Return whether the first part of a folder's path that is not neutral is good/ or ok/."""
    return telling(PurePosixPath(folder).parts).partition("/")[0].lower() in GOOD_FOLDERS


def plain(name: str) -> str:
    """Return a name in Unicode form NFC, for comparison. macOS writes another form."""
    return unicodedata.normalize("NFC", name)


def mask_stems(path: Path) -> tuple[str, ...]:
    """Return the stems of pictures to which a mask of this name may belong, the likeliest first."""
    stem = plain(path.stem)
    inner = Path(stem)
    stems = [stem, inner.stem] if is_picture(inner) else [stem]
    for each in tuple(stems):
        bare = _MASK_TAIL.sub("", each)
        stems += [bare, _MASK_HEAD.sub("", each)]
        if is_picture(Path(bare)):
            stems.append(Path(bare).stem)
    return tuple(dict.fromkeys(each for each in stems if each))


def names_mask_of(path: Path) -> tuple[str, ...]:
    """Return the stems of pictures for which this picture is a mask by its name, such as a_mask.

    The result is empty if the name has no word for a mask.
    """
    return tuple(stem for stem in mask_stems(path) if stem != plain(path.stem))
