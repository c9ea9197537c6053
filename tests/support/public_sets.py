"""Tiny copies of published data sets in their published layouts, drawn by a generator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.io import savemat

SIDE_PX = 32
Pixels = npt.NDArray[np.uint8]


class Painter:
    """Writes grey pictures with noise; a defective one has a dark square, and a mask of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._rng = np.random.default_rng(11)

    def good(self, name: str) -> None:
        self._write(name, self._surface())

    def bad(self, name: str, mask: str | None = None, value: int = 255) -> None:
        pixels = self._surface()
        drawn = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
        x, y = self._rng.integers(4, SIDE_PX - 12, 2).tolist()
        drawn[y : y + 8, x : x + 8] = value
        pixels[drawn > 0] = 20
        self._write(name, pixels)
        if mask is not None:
            self._write(mask, drawn)

    def empty_mask(self, name: str) -> None:
        self._write(name, np.zeros((SIDE_PX, SIDE_PX), np.uint8))

    def text(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _surface(self) -> Pixels:
        noise = self._rng.normal(130, 4, (SIDE_PX, SIDE_PX))
        return np.asarray(noise.clip(0, 255), np.uint8)

    def _write(self, name: str, pixels: Pixels) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels)


def mvtec_ad(root: Path, good: int = 6) -> Path:
    """Two categories; one defective picture has no mask."""
    paint = Painter(root)
    for category in ("screw", "metal_nut"):
        for n in range(good):
            paint.good(f"{category}/train/good/{n:03d}.png")
        for n in range(3):
            paint.good(f"{category}/test/good/{n:03d}.png")
            mask = f"{category}/ground_truth/bent/{n:03d}_mask.png" if n else None
            paint.bad(f"{category}/test/bent/{n:03d}.png", mask)
    return root


def mvtec_ad_2(root: Path) -> Path:
    paint = Painter(root)
    for n in range(4):
        paint.good(f"vial/train/good/{n:03d}_regular.png")
        paint.good(f"vial/validation/good/{n:03d}_regular.png")
        paint.good(f"vial/test_public/good/{n:03d}_shift_1.png")
        mask = f"vial/test_public/ground_truth/bad/{n:03d}_overexposed_mask.png"
        paint.bad(f"vial/test_public/bad/{n:03d}_overexposed.png", mask)
        paint.good(f"vial/test_private/{n:03d}.png")
    return root


def visa(root: Path) -> Path:
    """One object whose masks number their defects, and one of the list that is not there."""
    paint = Painter(root)
    lines = ["object,split,label,image,mask", "pcb1,train,normal,pcb1/Data/Images/Normal/0.JPG,"]
    for n in range(6):
        name = f"candle/Data/Images/Normal/{n:04d}.JPG"
        paint.good(name)
        lines.append(f"candle,{'train' if n < 4 else 'test'},normal,{name},")
    for n in range(3):
        name, mask = f"candle/Data/Images/Anomaly/{n:03d}.JPG", f"candle/Data/Masks/{n:03d}.png"
        paint.bad(name, mask, value=n + 1)
        lines.append(f"candle,test,anomaly,{name},{mask}")
    paint.text("split_csv/1cls.csv", "\n".join(lines) + "\n")
    return root


def btad(root: Path) -> Path:
    """Two products; the masks of one are .bmp."""
    paint = Painter(root)
    for product, suffix in (("01", "bmp"), ("02", "png")):
        for n in range(4):
            paint.good(f"{product}/train/ok/{n:04d}.png")
        for n in range(2):
            paint.good(f"{product}/test/ok/{n:04d}.png")
            mask = f"{product}/ground_truth/ko/{n:04d}.{suffix}"
            paint.bad(f"{product}/test/ko/{n:04d}.png", mask)
    return root


def kolektorsdd(root: Path) -> Path:
    """Parts 1 to 6, of which every fold has some on each side."""
    paint = Painter(root)
    for part in range(1, 7):
        for n in range(3):
            stem = f"kos{part:02d}/Part{n}"
            if n:
                paint.good(f"{stem}.jpg")
                paint.empty_mask(f"{stem}_label.bmp")
            else:
                paint.bad(f"{stem}.jpg", f"{stem}_label.bmp")
    return root


def kolektorsdd2(root: Path) -> Path:
    paint = Painter(root)
    for n in range(12):
        stem = f"{'train' if n < 8 else 'test'}/{10000 + n}"
        if n % 4:
            paint.good(f"{stem}.png")
            paint.empty_mask(f"{stem}_GT.png")
        else:
            paint.bad(f"{stem}.png", f"{stem}_GT.png")
    return root


def dagm2007(root: Path) -> Path:
    paint = Painter(root)
    for number in (1, 2):
        for n, side in enumerate(("Train", "Train", "Train", "Test", "Test", "Test"), start=1):
            folder = f"Class{number}/{side}"
            if n % 3:
                paint.good(f"{folder}/{n:04d}.PNG")
            else:
                paint.bad(f"{folder}/{n:04d}.PNG", f"{folder}/Label/{n:04d}_label.PNG")
    return root


def deeppcb(root: Path, *, lists: bool = True) -> Path:
    """Six pairs of one board. lists: with trainval.txt and test.txt."""
    paint = Painter(root)
    lines = []
    for n in range(6):
        board, stem = "group20085/20085", f"20085{n:03d}"
        paint.good(f"PCBData/{board}/{stem}_temp.jpg")
        paint.bad(f"PCBData/{board}/{stem}_test.jpg")
        paint.text(f"PCBData/{board}_not/{stem}.txt", "4 4 14 14 1\n16 16 24 24 3\n")
        lines.append(f"{board}/{stem}.jpg {board}_not/{stem}.txt\n")
    if lists:
        paint.text("PCBData/trainval.txt", "".join(lines[1:5]))
        paint.text("PCBData/test.txt", lines[0] + lines[5])
    return root


def deepcrack(root: Path) -> Path:
    paint = Painter(root)
    for n in range(6):
        side = "train" if n < 4 else "test"
        paint.bad(f"{side}_img/{11111 + n}.jpg", f"{side}_lab/{11111 + n}.png")
    return root


def crackforest(root: Path, count: int = 5) -> Path:
    paint = Painter(root)
    (root / "groundTruth").mkdir(parents=True)
    for n in range(1, count + 1):
        paint.bad(f"image/{n:03d}.jpg")
        labels = np.ones((SIDE_PX, SIDE_PX), np.uint8)
        labels[10:14, 4:28] = 2
        savemat(root / f"groundTruth/{n:03d}.mat", {"groundTruth": {"Segmentation": labels}})
    return root


def elpv(root: Path, count: int = 200) -> Path:
    """Cells with the four probabilities in turn."""
    paint = Painter(root)
    lines = []
    for n in range(1, count + 1):
        name = f"images/cell{n:04d}.png"
        paint.good(name)
        probability = (0.0, 1 / 3, 2 / 3, 1.0)[n % 4]
        lines.append(f"{name}  {probability}  {'mono' if n % 2 else 'poly'}\n")
    paint.text("labels.csv", "".join(lines))
    return root


def magnetic_tile(root: Path) -> Path:
    """Ten good and six defective tiles, each at two exposures."""
    paint = Painter(root)
    for tile in range(16):
        for exposure in (1, 2):
            stem = f"exp{exposure}_num_{100_000 * (tile + 1) + exposure}"
            if tile < 10:
                paint.good(f"MT_Free/Imgs/{stem}.jpg")
                paint.empty_mask(f"MT_Free/Imgs/{stem}.png")
            else:
                kind = "Crack" if tile % 2 else "Blowhole"
                paint.bad(f"MT_{kind}/Imgs/{stem}.jpg", f"MT_{kind}/Imgs/{stem}.png")
    return root


COPIES: dict[str, Callable[[Path], Path]] = {
    "mvtec-ad": mvtec_ad,
    "mvtec-ad-2": mvtec_ad_2,
    "visa": visa,
    "btad": btad,
    "kolektorsdd": kolektorsdd,
    "kolektorsdd2": kolektorsdd2,
    "dagm2007": dagm2007,
    "deeppcb": deeppcb,
    "deepcrack": deepcrack,
    "crackforest": crackforest,
    "elpv": elpv,
    "elpv-by-cell": elpv,
    "magnetic-tile": magnetic_tile,
    "magnetic-tile-by-file": magnetic_tile,
}
