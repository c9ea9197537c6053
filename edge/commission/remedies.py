"""Remedies for a figure of commissioning that is outside its limits."""

from __future__ import annotations

from collections.abc import Mapping

# Step and figure, as the steps name them. A figure without an entry has the step's general one.
_FIGURES: Mapping[tuple[str, str], str] = {
    ("focus", "sharpness"): (
        "turn the lens until the part is sharp, clean it, and shorten exposure_us if parts move; "
        "then outfeed commission --step focus"
    ),
    ("focus", "mean"): (
        "set light, aperture or [camera] exposure_us and gain as when the training pictures were "
        "taken; or train with pictures of this light"
    ),
    ("focus", "spread"): (
        "light and part must look as in the training pictures: look for glare, haze, fog or an "
        "empty view"
    ),
    ("focus", "clipped black"): "more light or a longer exposure: black pixels show no defect",
    ("focus", "clipped white"): "less light or a shorter exposure: white pixels show no defect",
    ("focus", "flicker"): (
        "a lamp on direct current, or an exposure of whole periods of the mains; fix [camera] "
        "exposure_us and gain"
    ),
    ("parts", "false rejects"): (
        "look at what was found on them; train with pictures of these parts, or choose T by "
        "--max-false-rejects at export"
    ),
    ("parts", "unknown"): "the reasons beside it name what has to be mended",
    ("parts", "verdict max"): (
        "a faster engine (outfeed bench --select), a smaller network, or a longer line.budget_ms"
    ),
    ("travel", "travel"): "write the measured one into station.toml (--write), or measure again",
    ("travel", "configured"): (
        "write the measured travel into station.toml (--write), or measure again"
    ),
    ("travel", "spread"): (
        "parts slide or the belt changes its speed: guide the parts, or use an [encoder]"
    ),
    ("travel", "seen by both eyes"): "align both eyes, and let single parts run",
    (
        "travel",
        "seen by the first only",
    ): "align the second eye, or find where parts leave the belt",
    ("travel", "seen by the second only"): (
        "align the first eye, and look at line.debounce_ms: it may swallow parts"
    ),
    ("pulse", "configured"): "write the longer pulse into station.toml (--write)",
    ("timing", "late p99.9 bound"): (
        "grant real-time priority (the systemd unit of firmware-config does), or lengthen "
        "line.pulse_ms"
    ),
    ("timing", "verdict bound"): (
        "a faster engine (outfeed bench --select), a smaller network, or a longer line.budget_ms"
    ),
    ("speed", "gap of parts"): "space parts further apart, or lower line.min_spacing_counts",
    ("speed", "max_counts_per_s"): (
        "run the belt slower and lower encoder.max_counts_per_s, or shorten what the note names"
    ),
}
_STEPS: Mapping[str, str] = {
    "focus": "check the camera with outfeed doctor, then outfeed commission --step focus",
    "parts": "check camera and photo-eye with outfeed doctor, then let good parts run again",
    "travel": "let parts run again, or measure the travel with a ruler",
    "pulse": "check air and ejector, and try again with single parts",
    "timing": "outfeed doctor names what slows this machine down",
    "speed": "space parts further apart, or shorten what the note names as the bound",
}


def remedy_of(step: str, figure: str = "") -> str:
    """One sentence; of a figure that is not known, or of a fault, the step's general one."""
    return _FIGURES.get((step, figure), _STEPS.get(step, "do this step again"))
