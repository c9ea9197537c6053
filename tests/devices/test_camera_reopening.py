"""A camera that is lost and is opened again."""

import threading
from dataclasses import dataclass, field

import pytest

from edge.devices.camera_reopening import ReopeningCamera
from edge.errors import ConfigError, DeviceError, FrameError
from edge.sim.camera import CameraFault, SimulatedCamera, SimulatedSensor
from tests.devices.clocks import FakeClock


@dataclass
class Pauses:
    """Stands in for the waits between two tries: each ends when the test lets it."""

    asked: list[float] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, closing: threading.Event, pause_s: float) -> bool:
        self.asked.append(pause_s)
        self.begun.release()
        while not self.ended.acquire(timeout=0.01):
            if closing.is_set():
                return True
        return closing.is_set()

    def let_one_pass(self) -> None:
        """And wait until the try after it is over: it was the last, or the next pause began."""
        self.ended.release()


@pytest.fixture
def sensor():
    return SimulatedSensor(FakeClock())


def joined(name: str = "camera-reopening") -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)
            assert not thread.is_alive()


def capture(camera: ReopeningCamera, sensor: SimulatedSensor, number: int = 1) -> int:
    return camera.capture(number, number, sensor.clock.now_ns()).part_id


def test_a_lost_camera_is_tried_for_and_its_parts_do_not_wait(sensor, caplog):
    pauses = Pauses()
    camera = ReopeningCamera(lambda: SimulatedCamera(sensor), retry_max_s=1.5, wait=pauses)
    assert capture(camera, sensor, 1) == 1
    sensor.present = False
    with pytest.raises(DeviceError, match=r"^camera_simulated: is unplugged$"):
        capture(camera, sensor, 2)
    for _ in range(5):
        pauses.begun.acquire()
        before_ns = sensor.clock.now_ns()
        with pytest.raises(DeviceError, match=r"is .* \(lost; trying to open it again\)"):
            capture(camera, sensor, 3)
        assert sensor.clock.now_ns() == before_ns
        pauses.let_one_pass()
    pauses.begun.acquire()
    sensor.present = True
    pauses.let_one_pass()
    joined()
    assert capture(camera, sensor, 4) == 4
    assert pauses.asked == [0.25, 0.5, 1.0, 1.5, 1.5, 1.5]
    assert (camera.losses, sensor.opened) == (1, 1)
    assert [record.message.split(" after_s")[0] for record in caplog.records] == [
        "camera_lost reason=camera_simulated: is unplugged",
        "camera_back",
    ]
    camera.close()
    assert sensor.opened == 0


def test_a_camera_that_is_not_there_at_the_start_is_a_lost_one(sensor):
    sensor.present = False
    pauses = Pauses()
    camera = ReopeningCamera(lambda: SimulatedCamera(sensor), retry_max_s=9, wait=pauses)
    with pytest.raises(DeviceError, match="is not there"):
        capture(camera, sensor)
    sensor.present = True
    pauses.let_one_pass()
    joined()
    assert capture(camera, sensor) == 1
    camera.close()


def test_every_loss_begins_with_short_pauses_again(sensor):
    pauses = Pauses()
    camera = ReopeningCamera(lambda: SimulatedCamera(sensor), retry_max_s=9, wait=pauses)
    for _ in range(3):
        sensor.present = False
        with pytest.raises(DeviceError):
            capture(camera, sensor)
        pauses.begun.acquire()
        sensor.present = True
        pauses.let_one_pass()
        joined()
        assert capture(camera, sensor) == 1
    assert (pauses.asked, camera.losses) == ([0.25] * 3, 3)
    camera.close()


def test_one_damaged_frame_is_no_loss_and_neither_is_a_wrong_setting(sensor):
    faults = {1: CameraFault.DAMAGED}
    camera = ReopeningCamera(lambda: SimulatedCamera(sensor, faults), retry_max_s=9)
    with pytest.raises(FrameError):
        capture(camera, sensor)
    assert capture(camera, sensor, 2) == 2
    assert camera.losses == 0
    camera.close()

    def unknown() -> SimulatedCamera:
        raise ConfigError("not installed")

    with pytest.raises(ConfigError, match="not installed"):
        ReopeningCamera(unknown, retry_max_s=9)


def test_closing_ends_the_search_and_leaves_nothing_open(sensor):
    pauses = Pauses()
    camera = ReopeningCamera(lambda: SimulatedCamera(sensor), retry_max_s=9, wait=pauses)
    sensor.present = False
    with pytest.raises(DeviceError):
        capture(camera, sensor)
    camera.close()
    camera.close()
    assert not [t for t in threading.enumerate() if t.name == "camera-reopening"]
    assert sensor.opened == 0
    with pytest.raises(DeviceError, match="after close"):
        capture(camera, sensor)


def test_a_camera_that_opens_while_it_is_closed_is_closed_too(sensor):
    opening, let_go = threading.Event(), threading.Event()

    def slow() -> SimulatedCamera:
        opening.set()
        assert let_go.wait(10)
        return SimulatedCamera(sensor)

    sensor.present = False
    pauses = Pauses()
    openings = [slow, lambda: SimulatedCamera(sensor)]

    def next_one() -> SimulatedCamera:
        return openings.pop()()

    camera = ReopeningCamera(next_one, retry_max_s=9, wait=pauses)
    pauses.let_one_pass()
    assert opening.wait(10)
    sensor.present = True
    closer = threading.Thread(target=camera.close)
    closer.start()
    assert camera._closing.wait(10)
    let_go.set()
    closer.join(10)
    assert not closer.is_alive()
    assert sensor.opened == 0
