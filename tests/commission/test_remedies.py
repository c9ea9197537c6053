"""Every figure of commissioning that has a limit has a remedy of its own."""

import re
from pathlib import Path

import edge.commission
from edge.commission.record import STEPS
from edge.commission.remedies import remedy_of

FOLDER = Path(edge.commission.__file__).parent
# A figure by its literal name, and its other arguments.
FIGURE = re.compile(r'Figure\(\s*name="([^"]+)"([^()]*(?:\([^()]*\)[^()]*)*)')
# Module → step.
OF = {"reference": "focus", "steps/focus": "focus", "steps/parts": "parts"}
OF |= {"steps/travel": "travel", "steps/pulse": "pulse", "steps/timing": "timing"}
OF |= {"steps/speed": "speed"}


def test_every_limited_figure_has_a_remedy_of_its_own() -> None:
    with_limits = [
        (step, name)
        for module, step in OF.items()
        for name, rest in FIGURE.findall((FOLDER / f"{module}.py").read_text())
        if re.search(r"\b(low|high)=", rest)
    ]
    assert len(with_limits) >= 15
    without = [one for one in with_limits if remedy_of(*one) == remedy_of(one[0])]
    assert without == []


def test_a_fault_without_a_figure_has_the_step_s() -> None:
    remedies = [remedy_of(step) for step in STEPS]
    assert len(set(remedies)) == len(STEPS)
    assert remedy_of("speed", "least gap seen") == remedy_of("speed")
