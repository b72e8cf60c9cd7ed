import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import SourceNotFoundError, SourceUnavailableError, UsageError
from monitor.media.sources import cameras, devices, open_source
from monitor.media.sources.address import Address
from monitor.media.sources.devices import Device, screen, webcam
from monitor.settings import SourceSettings

HD = {"video_size": "1280x720", "framerate": "30"}
X11 = {"DISPLAY": ":7"}


def camera(url: str, platform: str) -> Device:
    return webcam(Address.of(url), platform=platform)


def display(url: str, platform: str) -> Device:
    return screen(Address.of(url), fps=15.0, platform=platform, environment=X11)


@pytest.mark.parametrize("url", ["webcam:0", "webcam:"])
def test_a_camera_on_linux(url: str) -> None:
    found = camera(url, "linux")
    assert (found.format_name, found.file) == ("v4l2", "/dev/video0")
    assert found.option_sets == ({**HD, "input_format": "mjpeg"}, HD, {})
    assert camera("webcam:/dev/v4l/by-id/usb-cam", "linux").file == "/dev/v4l/by-id/usb-cam"


def test_a_camera_on_a_mac() -> None:
    found = camera("webcam:1", "darwin")
    assert (found.format_name, found.file) == ("avfoundation", "1:none")
    assert found.option_sets[0] == HD
    assert camera("webcam:FaceTime HD Camera", "darwin").file == "FaceTime HD Camera:none"


def test_a_camera_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_enumerate", lambda name: [("@pnp_a", "Front"), ("@pnp_b", "Back")])
    assert camera("webcam:1", "win32") == Device("dshow", "video=@pnp_b", (HD, {}))
    assert camera("webcam:Back", "win32").file == "video=Back"
    with pytest.raises(SourceNotFoundError, match="no such camera"):
        camera("webcam:2", "win32")


def test_the_list_of_cameras_shows_valid_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_enumerate", lambda name: [("/dev/video0", "Front"), ("/dev/video2", "Back")])
    monkeypatch.setattr(sys, "platform", "linux")
    assert cameras() == ["0 (Front)", "2 (Back)"]
    monkeypatch.setattr(sys, "platform", "win32")
    assert cameras() == ["0 (Front)", "1 (Back)"]


def test_the_list_of_cameras_is_a_list_on_every_machine() -> None:
    assert all(isinstance(found, str) for found in cameras())


def test_the_whole_screen() -> None:
    options = {"framerate": "15", "draw_mouse": "0"}
    assert display("screen:", "linux") == Device("x11grab", ":7", (options,))
    assert display("screen:", "win32") == Device("gdigrab", "desktop", (options,))
    assert display("screen:", "darwin") == Device("avfoundation", "Capture screen 0:none", ({"framerate": "15"},))


def test_a_region_of_the_screen() -> None:
    (x11,) = display("screen:640x480+10+20", "linux").option_sets
    assert (x11["video_size"], x11["grab_x"], x11["grab_y"]) == ("640x480", "10", "20")
    (windows,) = display("screen:640x480", "win32").option_sets
    assert (windows["video_size"], windows["offset_x"], windows["offset_y"]) == ("640x480", "0", "0")
    with pytest.raises(UsageError, match="macOS gives the whole screen only"):
        display("screen:640x480+10+20", "darwin")


@pytest.mark.parametrize("region", ["640", "640x", "axb", "640x480+10", "640x480-1-1", "0"])
def test_the_error_for_an_invalid_region_shows_the_syntax(region: str) -> None:
    with pytest.raises(UsageError, match=r"screen:WIDTHxHEIGHT\+X\+Y"):
        display(f"screen:{region}", "linux")


def test_a_missing_display_is_an_error() -> None:
    with pytest.raises(SourceUnavailableError, match="no display"):
        screen(Address.of("screen:"), fps=15.0, platform="linux", environment={})


@pytest.mark.skipif(sys.platform != "linux", reason="the camera's file name is Linux's")
def test_a_missing_camera_is_an_error() -> None:
    with pytest.raises(SourceNotFoundError, match=r"webcam:99: there is no such camera"):
        open_source("webcam:99")


@pytest.fixture
def virtual_screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if not shutil.which("Xvfb"):
        pytest.skip("needs Xvfb (tests/apt-packages.txt)")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "320x240x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as pipe:
            display = f":{pipe.readline().strip()}"
        monkeypatch.setenv("DISPLAY", display)
        yield display
        server.terminate()


def test_the_screen_is_captured(virtual_screen: str) -> None:
    with open_source("screen:", SourceSettings(screen_fps=20)) as source:
        info = source.info
        assert (info.kind, info.live, info.width, info.height, info.fps) == ("screen", True, 320, 240, 20.0)
        frames = list(islice(source, 5))
    assert frames[0].media_time == 0.0
    assert np.diff([frame.media_time for frame in frames]).min() > 0.01
    assert frames[0].pixels.shape == (240, 320, 3)


def test_a_region_of_the_screen_is_captured(virtual_screen: str) -> None:
    with open_source("screen:100x80+10+20") as source:
        assert next(iter(source)).pixels.shape == (80, 100, 3)


def test_a_region_beyond_the_screen_is_refused(virtual_screen: str) -> None:
    with pytest.raises(SourceUnavailableError, match="does the region lie on it"):
        open_source("screen:400x80+10+20")


def linux_camera(classes: Path, name: str, bus: str) -> None:
    """A camera as Linux lists it: a link to the driver's device."""
    driver = classes.parent / "devices" / bus / "video4linux" / "video3"
    driver.mkdir(parents=True)
    (driver / "name").write_text(f"{name}\n")
    classes.mkdir(exist_ok=True)
    (classes / "video3").symlink_to(driver)


@pytest.mark.parametrize(
    ("name", "bus", "virtual"),
    [("HD Pro Webcam C920", "pci0000:00/usb1", False), ("HD Pro Webcam C920", "virtual", True)],
)
def test_linux_reports_the_name_of_a_camera_and_whether_it_is_virtual(
    tmp_path: Path, name: str, bus: str, virtual: bool
) -> None:
    linux_camera(tmp_path / "classes", name, bus)
    address = Address.of("webcam:3")
    found = devices.identity(webcam(address, platform="linux"), address, platform="linux", classes=tmp_path / "classes")
    assert found == (name, virtual)


def test_a_camera_that_linux_does_not_list_has_no_name(tmp_path: Path) -> None:
    address = Address.of("webcam:7")
    assert devices.identity(webcam(address, platform="linux"), address, platform="linux", classes=tmp_path) == (
        "",
        False,
    )


@pytest.mark.parametrize("url", ["webcam:1", "webcam:OBS Virtual Camera"])
def test_on_other_systems_the_name_of_a_camera_comes_from_the_list(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    names = [("0", "FaceTime HD Camera"), ("1", "OBS Virtual Camera")]
    monkeypatch.setattr(devices, "_enumerate", lambda name: names)
    found = devices.identity(camera(url, "darwin"), Address.of(url), platform="darwin")
    assert found == ("OBS Virtual Camera", False)
