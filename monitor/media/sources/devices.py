"""Cameras and screens of this machine, with each platform's own device names."""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from av.device import enumerate_input_devices
from av.error import FFmpegError

from monitor.errors import SourceError, SourceNotFoundError, SourceUnavailableError, UsageError
from monitor.media.failures import TIMED_OUT, FailureCauses
from monitor.media.sources.address import Address, SourceKind
from monitor.media.sources.container import ContainerSource, open_container, open_container_source
from monitor.settings import SourceSettings

Options = dict[str, str]

_REGION = re.compile(r"(\d+)x(\d+)(?:\+(\d+)\+(\d+))?")
_HD = {"video_size": "1280x720", "framerate": "30"}
_MAC_SCREEN = "Capture screen"  # AVFoundation lists its screens among the cameras
_CLASSES = Path("/sys/class/video4linux")
_CAMERAS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}

_NO_CAMERA = "there is no such camera; `deepfake-monitor doctor` lists those there are"
_FORBIDDEN = (SourceUnavailableError, "this program may not use it; allow it in the system's settings")
_SILENT = (SourceUnavailableError, "the camera sends no picture; unplug it and plug it in again")


@dataclass(frozen=True, slots=True)
class Device:
    """FFmpeg's description of a device: input format, file name, and option sets in order of preference."""

    format_name: str
    file: str
    option_sets: tuple[Options, ...]


def open_webcam(address: Address, settings: SourceSettings) -> ContainerSource:
    """Open a camera by its number or its platform name; 1280 x 720 at 30 Hz if the camera supports it."""
    device = webcam(address, platform=sys.platform)
    footage = _open(device, address, settings)
    name, virtual = identity(device, address, platform=sys.platform)
    footage.info = replace(footage.info, device=name, virtual=virtual)
    return footage


def open_screen(address: Address, settings: SourceSettings) -> ContainerSource:
    """Open the screen or a region of it. Under Wayland, only X11 windows are captured."""
    device = screen(address, fps=settings.screen_fps, platform=sys.platform, environment=os.environ)
    return _open(device, address, settings)


def cameras() -> list[str]:
    """The valid numbers after ``webcam:``, each with the system's name: ``0 (Integrated Camera)``."""
    found = _enumerate(_CAMERAS.get(sys.platform, "v4l2"))
    if sys.platform == "win32":
        return [f"{number} ({description})" for number, (_, description) in enumerate(found)]
    return [f"{name.removeprefix('/dev/video')} ({description})" for name, description in found]


def webcam(address: Address, *, platform: str) -> Device:
    """The device of ``webcam:0`` or ``webcam:NAME`` on a ``platform`` (a ``sys.platform``).

    Raises:
        SourceNotFoundError: the machine has fewer cameras.
    """
    wanted = address.target or "0"
    if platform == "darwin":  # few cameras offer AVFoundation's default of 29.97 Hz
        return Device("avfoundation", f"{wanted}:none", (_HD, {"framerate": "30"}, {}))
    if platform == "win32":
        if wanted.isdecimal():
            names = [name for name, _ in _enumerate("dshow")]
            if int(wanted) >= len(names):
                raise SourceNotFoundError(f"{address.name}: {_NO_CAMERA}")
            wanted = names[int(wanted)]
        return Device("dshow", f"video={wanted}", (_HD, {}))
    file = f"/dev/video{wanted}" if wanted.isdecimal() else wanted
    # USB 2 has the bandwidth for 720p at 30 Hz only as JPEG.
    return Device("v4l2", file, ({**_HD, "input_format": "mjpeg"}, _HD, {}))


def identity(device: Device, address: Address, *, platform: str, classes: Path = _CLASSES) -> tuple[str, bool]:
    """The system's name of a camera ("" if unknown), and whether the camera is virtual.

    Args:
        platform: a ``sys.platform``; only Linux reports virtual cameras.
        classes: the folder in which Linux lists its cameras.
    """
    if platform == "linux":
        listed = classes / Path(device.file).resolve().name
        try:
            name = (listed / "name").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return "", False
        return name, "virtual" in listed.resolve().parts
    wanted = address.target or "0"
    for number, (name, description) in enumerate(_enumerate(device.format_name)):
        if wanted in (str(number), name, description):
            return description, False
    return ("" if wanted.isdecimal() else wanted), False


def screen(address: Address, *, fps: float, platform: str, environment: Mapping[str, str]) -> Device:
    """The device of the screen, or of the region ``screen:WIDTHxHEIGHT+X+Y``.

    Raises:
        UsageError: the region is invalid, or not supported on this platform.
        SourceUnavailableError: there is no display.
    """
    options = {"framerate": f"{fps:g}"}
    match = _REGION.fullmatch(address.target)
    if address.target and not match:
        raise UsageError(f"{address.name}: write screen: for all of it, or screen:WIDTHxHEIGHT+X+Y for a region")
    if platform == "darwin":
        if match:
            raise UsageError(f"{address.name}: macOS gives the whole screen only; write screen:")
        return Device("avfoundation", f"{_MAC_SCREEN} 0:none", (options,))
    windows = platform == "win32"
    options["draw_mouse"] = "0"
    if match:
        width, height, x, y = (number or "0" for number in match.groups())
        names = ("offset_x", "offset_y") if windows else ("grab_x", "grab_y")
        options |= {"video_size": f"{width}x{height}", names[0]: x, names[1]: y}
    if windows:
        return Device("gdigrab", "desktop", (options,))
    if not environment.get("DISPLAY"):
        raise SourceUnavailableError(f"{address.name}: there is no display here; set DISPLAY to one")
    return Device("x11grab", environment["DISPLAY"], (options,))


def _open(device: Device, address: Address, settings: SourceSettings) -> ContainerSource:
    def open_with(options: Options) -> ContainerSource:
        # Pictures are independent: without analysing the frame rate, FFmpeg returns the first one a second earlier.
        options = {"fpsprobesize": "0", **options}
        container = open_container(
            device.file, address=address, settings=settings, format_name=device.format_name, options=options
        )
        return open_container_source(container, address=address, settings=settings, live=True)

    *option_sets, last = device.option_sets
    for options in option_sets:
        with contextlib.suppress(SourceError):  # try the next options; the last attempt reports the error
            return open_with(options)
    return open_with(last)


def _enumerate(format_name: str) -> list[tuple[str, str]]:
    """Name and description of each camera that FFmpeg's input format finds."""
    try:
        devices = enumerate_input_devices(format_name)
    except (FFmpegError, ValueError):  # no such format in this build, or no camera subsystem
        return []
    return [
        (device.name, device.description)
        for device in devices
        if "video" in (device.media_types or ["video"]) and not device.description.startswith(_MAC_SCREEN)
    ]


WEBCAM: Final = SourceKind(
    name="webcam",
    form="webcam:",
    example="webcam:0",
    open=open_webcam,
    prefix="webcam",
    is_remote=False,
    may_come_back=True,
    failures=FailureCauses(
        by_code={
            errno.ENOENT: (SourceNotFoundError, _NO_CAMERA),
            errno.EBUSY: (SourceUnavailableError, "the camera is busy; close the program that uses it"),
            errno.EACCES: _FORBIDDEN,
            errno.EPERM: _FORBIDDEN,
            TIMED_OUT: _SILENT,
            errno.ETIMEDOUT: _SILENT,
        },
        otherwise=(SourceUnavailableError, "the camera does not work; is it plugged in, and free?"),
        broken_off=(SourceUnavailableError, "the camera is gone; was it unplugged?"),
        has_content=False,
    ),
    choice="Webcam of the server",
)
SCREEN: Final = SourceKind(
    name="screen",
    form="screen:",
    example="screen:",
    open=open_screen,
    prefix="screen",
    is_remote=False,
    may_come_back=True,
    failures=FailureCauses(
        by_code={errno.EACCES: _FORBIDDEN, errno.EPERM: _FORBIDDEN},
        otherwise=(
            SourceUnavailableError,
            "the screen cannot be captured; is there one, and does the region lie on it?",
        ),
        has_content=False,
    ),
    choice="Screen of the server",
)
