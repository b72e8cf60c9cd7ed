"""The sound of a source, moved to the clock of its pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

if TYPE_CHECKING:
    Packets = Iterator[Packet[AudioStream]]

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_log = logging.getLogger(__name__)


class Soundtrack:
    """Feeds the sound of a file into an output, beside its pictures.

    Media time counts from the first picture: sound before it is left out, later sound keeps its
    distance to the pictures, whatever the clocks of the source start at. AAC is copied, other
    codecs are encoded to AAC. Sound that cannot be read is left out, and that is logged.

    Args:
        path: a local file; without sound, nothing is fed.
        output: takes the sound; its audio stream is made here, before any packet.
    """

    def __init__(self, path: Path, output: OutputContainer) -> None:
        self._path, self._output = path, output
        self._input: InputContainer | None = None
        self._packets: Packets = iter(())
        self._waiting: Packet[AudioStream] | None = None
        self._warned = False
        try:
            self._origin = _first_picture(path)
            self._input = _opened(path)
        except (OSError, av.FFmpegError) as error:
            self._warn(error)
            return
        stream = self._input.streams.best("audio")
        if isinstance(stream, av.AudioStream) and stream.codec_context is not None:  # None: an unknown codec
            self._packets = self._moved(self._input, stream)

    def mux_until(self, media_time: float) -> None:
        """Give the output all sound that begins before ``media_time``.

        Raises:
            av.FFmpegError: the output cannot be written.
        """
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = packet
            if _begin(packet) >= media_time:
                return
            self._waiting = None
            self._output.mux(packet)

    def close(self) -> None:
        """Let go of the source."""
        if self._input is not None:
            self._input.close()

    def _moved(self, source: InputContainer, stream: AudioStream) -> Packets:
        codec = stream.codec_context
        # AAC without a decoder configuration (ADTS in MPEG-TS) would not play from an mp4, MP3 from AVI cannot be muxed
        if codec.name == "aac" and codec.extradata:
            return self._copied(source, stream, self._output.add_stream_from_template(stream))
        rate = codec.sample_rate if codec.sample_rate in _AAC_RATES else 48000
        layout = "mono" if codec.channels == 1 else "stereo"
        return self._encoded(source, stream, self._output.add_stream("aac", rate=rate, layout=layout))

    def _copied(self, source: InputContainer, stream: AudioStream, track: AudioStream) -> Packets:
        last = -1
        for packet in self._demuxed(source, stream):
            if packet.pts is None or packet.time_base is None:  # the end of the file
                continue
            pts = packet.pts - round(self._origin / packet.time_base)
            if pts > last:
                packet.pts = packet.dts = last = pts
                packet.stream = track
                yield packet

    def _encoded(self, source: InputContainer, stream: AudioStream, track: AudioStream) -> Packets:
        last = -1
        for packet in self._demuxed(source, stream):
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                self._warn(error)
                continue
            for frame in frames:
                if frame.pts is None or frame.time_base is None:
                    continue
                # in samples: AVI counts MP3 in packets, too coarse for the encoder's own
                begin = frame.pts * frame.time_base - Fraction(self._origin)
                frame.pts, frame.time_base = round(begin * frame.sample_rate), Fraction(1, frame.sample_rate)
                if frame.pts > last:
                    last = frame.pts
                    try:
                        yield from track.encode(frame)
                    except ValueError as error:  # its layout or rate changed midway
                        self._warn(error)
        yield from track.encode(None)

    def _demuxed(self, source: InputContainer, stream: AudioStream) -> Packets:
        try:
            yield from source.demux(stream)
        except av.FFmpegError as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            _log.warning("%s: some of its sound is left out of the annotated video: %s", self._path, error)
        self._warned = True


def _begin(packet: Packet[AudioStream]) -> float:
    """Seconds on the packet's clock."""
    return 0.0 if packet.pts is None or packet.time_base is None else float(packet.pts * packet.time_base)


def _opened(path: Path) -> InputContainer:
    """The file as the source opens it: a colon or a % in its name, or odd metadata, is nothing special."""
    return av.open(f"file:{path}", options={"pattern_type": "none"}, metadata_errors="replace")


def _first_picture(path: Path) -> float:
    """When the first picture is shown, seconds on the file's own clock."""
    with _opened(path) as container:
        return next((frame.time or 0.0 for frame in container.decode(video=0)), 0.0)
