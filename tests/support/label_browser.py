"""A person at the label page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DESKTOP, TABLET, PHONE = (1280, 800), (820, 1180), (390, 844)
WAIT_MS = 120_000


class Person:
    """One person with a browser of their own. faults: what the browser complained about."""

    def __init__(self, page: Any, name: str) -> None:
        self.page = page
        self.name = name
        self.faults: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: Any) -> None:
        # The browser notes each answer with an error status; the page handles these.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def enter(self, url: str) -> Person:
        """Open the page, give a name and wait for the first picture."""
        self.page.goto(url)
        self.page.get_by_role("textbox", name="Your name").fill(self.name)
        self.page.get_by_role("button", name="Start").click()
        return self.sees_picture()

    def sees_picture(self, name: str = "") -> Person:
        """Wait until a picture, or the one of this name, is on the page and can be drawn on."""
        self.page.wait_for_function(
            "name => document.querySelector('#name').textContent.startsWith(name)"
            " && document.querySelector('#name').textContent"
            " && !document.body.classList.contains('busy')",
            arg=name,
        )
        return self

    def settled(self) -> None:
        """Wait until no request of this person is on its way."""
        self.page.locator("body:not(.busy)").wait_for()

    @property
    def picture(self) -> str:
        return str(self.page.locator("#name").text_content())

    @property
    def status(self) -> str:
        return str(self.page.locator("#status").text_content())

    def says(self, text: str) -> None:
        """Wait for a text in the line of the status."""
        self.page.wait_for_function(
            "text => document.querySelector('#status').textContent.includes(text)", arg=text
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def place(self, x: int, y: int) -> tuple[float, float]:
        """Return where the centre of a pixel of the picture is in the window."""
        box = self.page.locator("#picture").bounding_box()
        width = self.page.locator("#picture").evaluate("each => each.width")
        scale = box["width"] / width
        return box["x"] + (x + 0.5) * scale, box["y"] + (y + 0.5) * scale

    def click(self, x: int, y: int) -> None:
        """Click on a pixel of the picture."""
        self.page.mouse.click(*self.place(x, y))

    def drag(self, *points: tuple[int, int]) -> None:
        """Draw a line through pixels of the picture with the mouse."""
        mouse = self.page.mouse
        mouse.move(*self.place(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.place(*point), steps=8)
        mouse.up()

    def touch(self, *steps: list[tuple[int, int]]) -> None:
        """Move fingers over pixels of the picture. steps: the places of the fingers, in order."""
        places = [[self.place(*each) for each in step] for step in steps]
        session = self.page.context.new_cdp_session(self.page)
        for number, step in enumerate(places):
            kind = "touchStart" if number == 0 else "touchMove"
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(step)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()

    def pen(self, *points: tuple[int, int]) -> None:
        """Draw a line through pixels of the picture with a pen."""
        session = self.page.context.new_cdp_session(self.page)
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
        for kind, point in zip(kinds, (*points, points[-1]), strict=True):
            x, y = self.place(*point)
            buttons = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
            session.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y} | buttons)
        session.detach()


@contextmanager
def at_the_page(
    browser: Any, name: str = "Ada", size: tuple[int, int] = DESKTOP, **options: Any
) -> Iterator[Person]:
    """A person with an own browser context. The block fails where the browser complained."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **options
    )
    try:
        person = Person(context.new_page(), name)
        yield person
        assert not person.faults
    finally:
        context.close()
