"""The pictures of a folder, found by the names that label files give them."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from edge.label_files.shapes import LabelError

Parts = tuple[str, ...]

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"^[A-Za-z]:$")
# Label Studio puts eight hexadecimal digits before the name of an uploaded file.
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
_LOCAL = re.compile(r"[?&]d=([^&#]*)")  # /data/local-files/?d=folder/name.png


def plain(name: str) -> str:
    """Return a name in Unicode form NFC, for comparison."""
    return unicodedata.normalize("NFC", name)


def readings(name: str) -> tuple[Parts, ...]:
    """Return the parts of the path that a name may mean, the likeliest first.

    Windows paths, addresses (file://, s3://, https://) and URL-encoded names are understood.
    Folders above a ".." are dropped, because they are those of another machine.
    """
    found = []
    texts = [name.strip()]
    if local := _LOCAL.search(name):
        texts = [local[1]]
    elif _SCHEME.match(texts[0]):
        texts = [re.sub(r"[?#].*$", "", _SCHEME.sub("", texts[0]))]
    if "%" in texts[0]:
        texts.append(unquote(texts[0]))
        if local or _SCHEME.match(name.strip()):
            texts.reverse()
    for text in texts:
        parts: list[str] = []
        for part in plain(text).replace("\\", "/").split("/"):
            if part == "..":
                parts.clear()
            elif part not in ("", ".") and not _DRIVE.match(part):
                parts.append(part)
        if parts:
            found.append(tuple(parts))
    return tuple(dict.fromkeys(found))


class PictureIndex:
    """The pictures of a folder by their names."""

    def __init__(self, root: Path, pictures: Iterable[Path]) -> None:
        self.root = root
        self._by_name: dict[str, list[tuple[Parts, Path]]] = defaultdict(list)
        self._by_stem: dict[str, list[tuple[Parts, Path]]] = defaultdict(list)
        self._by_stored: dict[str, list[tuple[Parts, Path]]] = defaultdict(list)
        self._by_path: dict[Parts, Path] = {}
        for path in pictures:
            parts = tuple(plain(part) for part in path.relative_to(root).parts)
            self._by_path[parts] = path
            self._by_name[parts[-1]].append((parts, path))
            self._by_stored[_stored(parts[-1])].append((parts, path))
            self._by_stem[PurePosixPath(parts[-1]).stem].append((parts, path))

    def find(self, name: str, label_file: Path, *, uploaded: bool = False) -> Path:
        """Return the picture that a label file names. Raises LabelError with the reason if none or
        several have the name.

        A path relative to the label file or to the folder counts first. Of an absolute path of
        another machine its last parts count, as many as distinguish the pictures. uploaded: an
        upload prefix of Label Studio may stand before the name, and spaces may be underscores.
        """
        paths = readings(name)
        if not paths:
            raise LabelError(f"names the picture {name!r}; expected the name of a file")
        for parts in paths:
            near = tuple(map(plain, label_file.parent.relative_to(self.root).parts))
            for exact in ((*near, *parts), parts, ("images", *parts)):
                if exact in self._by_path:
                    return self._by_path[exact]
        for parts in paths:
            if found := self._unique(parts, self._by_name.get(parts[-1], []), name):
                return found
        if uploaded:
            for parts in paths:
                bare = _UPLOAD.sub("", parts[-1])
                same = self._by_stored.get(_stored(bare), [])
                if found := self._unique((*parts[:-1], bare), same, name):
                    return found
        raise LabelError(f"names the picture {name}, which is not in the folder{self._hint(paths)}")

    def beside(self, file: Path) -> Path | None:
        """Return the one picture in the folder of a file that has its name without the suffix."""
        same = [path for _, path in self._by_stem.get(plain(file.stem), [])]
        near = [path for path in same if path.parent == file.parent]
        return near[0] if len(near) == 1 else None

    def find_stem(self, parts: Parts, what: str) -> Path:
        """Return the picture of this path without a suffix, as ("line2", "0001").

        An upload prefix of Label Studio may stand before the name. Raises LabelError as ``find``
        does. what: the file that looks for its picture.
        """
        found = self._unique(parts, self._by_stem.get(parts[-1], []), what)
        if found is None:
            bare = _UPLOAD.sub("", parts[-1])
            found = self._unique((*parts[:-1], bare), self._by_stem.get(bare, []), what)
        if found is None:
            raise LabelError(f"has no picture; expected one named {parts[-1]}")
        return found

    def _unique(self, parts: Parts, same: list[tuple[Parts, Path]], name: str) -> Path | None:
        """Return the picture whose folders agree with the most parts, None without a picture."""
        if not same:
            return None
        agreed = [_agreement(parts[:-1], own[:-1]) for own, _ in same]
        best = [each for each, count in zip(same, agreed, strict=True) if count == max(agreed)]
        if len(best) > 1:
            some = " and ".join("/".join(own) for own, _ in best[:2])
            raise LabelError(
                f"names the picture {name}, and {len(best)} pictures have that name ({some}); "
                "expected a path with the folder of one of them"
            )
        return best[0][1]

    def _hint(self, paths: tuple[Parts, ...]) -> str:
        wanted = {parts[-1].lower() for parts in paths}
        stems = {PurePosixPath(name).stem for name in wanted}
        for name in self._by_name:
            if name.lower() in wanted:
                return f" (there is {name}: capitals differ)"
            if PurePosixPath(name).stem.lower() in stems:
                return f" (there is {name}: the suffix differs)"
        return ""


def _agreement(first: Parts, second: Parts) -> int:
    """Return the number of last folders that are equal."""
    count = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one != other:
            break
        count += 1
    return count


def _stored(name: str) -> str:
    """Return a name as Label Studio stores an upload: without spaces and special characters."""
    return re.sub(r"[^\w.-]", "", name.strip().replace(" ", "_"))
