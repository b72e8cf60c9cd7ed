"""Programs that act as cameras are known by name; hardware is not taken for one."""

import pytest
from support.observations import source_info

from monitor.analysis.virtual_cameras import is_virtual_camera


@pytest.mark.parametrize(
    "name",
    ["OBS Virtual Camera", "Dummy video device (0x0000)", "ManyCam Virtual Webcam", "Snap Camera", "XSplit VCam",
     "mmhmm Camera", "NVIDIA Broadcast", "Camera (NVIDIA Broadcast)", "DroidCam Source 3", "e2eSoft VCam",
     "Logi Capture", "CamTwist", "Iriun Webcam", "EpocCam Camera", "OBS-Camera", "v4l2loopback"],
)  # fmt: skip
def test_names_of_virtual_cameras_are_known(name: str) -> None:
    assert is_virtual_camera(source_info(kind="webcam", live=True, device=name))


@pytest.mark.parametrize(
    "name",
    ["Integrated Camera: Integrated C", "HD Pro Webcam C920", "FaceTime HD Camera", "Logitech BRIO",
     "USB2.0 HD UVC WebCam", "Microsoft LifeCam HD-3000", "Observer Cam", "Camomile", ""],
)  # fmt: skip
def test_hardware_is_not_a_virtual_camera(name: str) -> None:
    assert not is_virtual_camera(source_info(kind="webcam", live=True, device=name))


def test_what_the_system_reports_decides_whatever_the_name() -> None:
    assert is_virtual_camera(source_info(kind="webcam", live=True, device="HD Pro Webcam C920", virtual=True))
