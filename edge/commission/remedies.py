"""The remedies for commissioning figures that are outside their limits."""

from __future__ import annotations

from collections.abc import Mapping

# By step and figure. A figure without an entry has the general remedy of its step.
_FIGURES: Mapping[tuple[str, str], str] = {
    ("focus", "sharpness"): (
        "turn the lens until the part is sharp; clean the lens; shorten exposure_us if parts move; "
        "then run outfeed commission --step focus"
    ),
    ("focus", "mean"): (
        "set the light, the aperture or [camera] exposure_us and gain as for the training "
        "pictures, "
        "or train with pictures in this light"
    ),
    ("focus", "spread"): (
        "make light and part look as in the training pictures: check for glare, haze, a fogged "
        "lens "
        "or an empty view"
    ),
    ("focus", "clipped black"): "add light or lengthen the exposure: black pixels show no defect",
    (
        "focus",
        "clipped white",
    ): "reduce the light or shorten the exposure: white pixels show no defect",
    ("focus", "flicker"): (
        "use a lamp on direct current, or an exposure of whole periods of the mains; set [camera] "
        "exposure_us and gain to fixed values"
    ),
    ("parts", "false rejects"): (
        "look at the defects reported on these parts; train with pictures of them, or choose the "
        "threshold with --max-false-rejects at export"
    ),
    ("parts", "unknown"): "remove the causes that are listed beside it",
    ("parts", "verdict max"): (
        "a faster engine (outfeed bench --select), a smaller network, or a longer line.budget_ms"
    ),
    ("travel", "travel"): "write the measured travel into station.toml (--write), or measure again",
    ("travel", "configured"): (
        "write the measured travel into station.toml (--write), or measure again"
    ),
    ("travel", "spread"): (
        "parts slide, or the belt changes its speed: guide the parts, or use an [encoder]"
    ),
    ("travel", "seen by both eyes"): "align both photo-eyes, and run single parts",
    ("travel", "seen by the first only"): (
        "align the ejector eye, or find the place where parts leave the belt"
    ),
    ("travel", "seen by the second only"): (
        "align the photo-eye; check line.debounce_ms: a long one hides parts"
    ),
    ("pulse", "configured"): "write the longer pulse into station.toml (--write)",
    ("timing", "late p99.9 bound"): (
        "grant real-time priority (the systemd unit from firmware-config does this), or lengthen "
        "line.pulse_ms"
    ),
    ("timing", "verdict bound"): (
        "a faster engine (outfeed bench --select), a smaller network, or a longer line.budget_ms"
    ),
    ("speed", "gap of parts"): "feed parts further apart, or lower line.min_spacing_counts",
    ("speed", "max_counts_per_s"): (
        "run the belt slower and lower encoder.max_counts_per_s, or shorten the time in the note"
    ),
}
_STEPS: Mapping[str, str] = {
    "focus": "check the camera with outfeed doctor, then run outfeed commission --step focus",
    "parts": "check camera and photo-eye with outfeed doctor, then run good parts again",
    "travel": "run parts again, or measure the travel with a ruler",
    "pulse": "check the air supply and the ejector, then try again with single parts",
    "timing": "run outfeed doctor: it names what slows this machine down",
    "speed": "feed parts further apart, or shorten the time in the note",
}


def remedy_of(step: str, figure: str = "") -> str:
    """Return the remedy of a figure. Without a known figure, return the general one of the step."""
    return _FIGURES.get((step, figure), _STEPS.get(step, "repeat this step"))
