"""Copies the sound of a source into an mp4, shifted to the clock of its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from monitor.errors import SourceUnreadableError
from monitor.media import progress
from monitor.media.remux import MP4_OPTIONS
from monitor.system.files import write_error
from monitor.system.masking import printable

if TYPE_CHECKING:
    Packets = Iterator[Packet[AudioStream]]

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def add_sound(source: Path, pictures: Path, path: Path, end: float) -> str | None:
    """Write ``pictures`` and the sound of ``source`` into an mp4 with its index at the front.

    Args:
        source: a local file that starts with the same picture as ``pictures``.
        pictures: an mp4; its packets are copied.
        end: seconds from the first picture at which the sound is cut.

    Returns:
        One sentence that says why some sound was skipped; None if no sound was skipped.

    Raises:
        OutputError: the file cannot be written.
        SourceUnreadableError: the sound does not fit into an mp4.
    """
    try:
        with _open(pictures) as silent, av.open(path, "w", format="mp4", options=dict(MP4_OPTIONS)) as output:
            stream = silent.streams.video[0]
            copied = output.add_stream_from_template(stream)
            copied.time_base = stream.time_base
            with closing(Soundtrack(source, output)) as sound:
                for packet in silent.demux(stream):
                    progress.report()
                    if packet.size:
                        begin = _start_time(packet)
                        packet.stream = copied
                        output.mux(packet)
                        sound.mux_until(begin)
                sound.mux_until(end)
    except (av.InvalidDataError, av.ArgumentError) as error:
        raise SourceUnreadableError(
            f"{printable(source)}: its sound does not fit into an mp4 ({error.strerror})"
        ) from None
    except (OSError, av.FFmpegError) as error:
        raise write_error(path, error) from error
    return sound.skip_reason


class Soundtrack:
    """Feeds the sound of a file into an output that already has its pictures.

    Media time starts at the first picture: earlier sound is skipped, later sound keeps its offset to the pictures,
    whatever the source's own clocks start at. AAC is copied, other codecs are encoded to AAC. Unreadable sound is
    skipped.

    Args:
        path: a local file; without sound, nothing is fed.
        output: receives the sound; the constructor adds its audio stream, before any packet.

    Attributes:
        skip_reason: one sentence that says why some sound was skipped; None if no sound was skipped.
    """

    def __init__(self, path: Path, output: OutputContainer) -> None:
        self._path, self._output = path, output
        self._input: InputContainer | None = None
        self._packets: Packets = iter(())
        self._waiting: Packet[AudioStream] | None = None
        self.skip_reason: str | None = None
        try:
            self._origin = _first_picture(path)
            self._input = _open(path)
        except (OSError, av.FFmpegError) as error:
            self._skip(error)
            return
        stream = self._input.streams.best("audio")
        if isinstance(stream, av.AudioStream) and stream.codec_context is not None:  # None: an unknown codec
            self._packets = self._read_track(self._input, stream)

    def mux_until(self, media_time: float) -> None:
        """Write all sound that starts before ``media_time`` (seconds) to the output.

        Raises:
            av.FFmpegError: the output cannot be written.
        """
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = packet
            if _start_time(packet) >= media_time:
                return
            self._waiting = None
            self._output.mux(packet)

    def close(self) -> None:
        """Close the source."""
        if self._input is not None:
            self._input.close()

    def _read_track(self, source: InputContainer, stream: AudioStream) -> Packets:
        codec = stream.codec_context
        # AAC without a decoder configuration (ADTS in MPEG-TS) does not play from an mp4; MP3 from AVI cannot be muxed
        if codec.name == "aac" and codec.extradata:
            return self._copy(source, stream, self._output.add_stream_from_template(stream))
        rate = codec.sample_rate if codec.sample_rate in _AAC_RATES else 48000
        layout = "mono" if codec.channels == 1 else "stereo"
        return self._encode(source, stream, self._output.add_stream("aac", rate=rate, layout=layout))

    def _copy(self, source: InputContainer, stream: AudioStream, track: AudioStream) -> Packets:
        last = -1
        for packet in self._demux(source, stream):
            if packet.pts is None or packet.time_base is None:  # the end of the file
                continue
            pts = packet.pts - round(self._origin / packet.time_base)
            if pts > last:
                packet.pts = packet.dts = last = pts
                packet.stream = track
                yield packet

    def _encode(self, source: InputContainer, stream: AudioStream, track: AudioStream) -> Packets:
        last = -1
        for packet in self._demux(source, stream):
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                self._skip(error)
                continue
            for frame in frames:
                if frame.pts is None or frame.time_base is None:
                    continue
                # in samples: AVI counts MP3 in packets, which is too coarse for the encoder
                begin = frame.pts * frame.time_base - Fraction(self._origin)
                frame.pts, frame.time_base = round(begin * frame.sample_rate), Fraction(1, frame.sample_rate)
                if frame.pts > last:
                    last = frame.pts
                    try:
                        yield from track.encode(frame)
                    except ValueError as error:  # the channel layout or sample rate changed midway
                        self._skip(error)
        yield from track.encode(None)

    def _demux(self, source: InputContainer, stream: AudioStream) -> Packets:
        try:
            for packet in source.demux(stream):
                progress.report()
                yield packet
        except av.FFmpegError as error:
            self._skip(error)

    def _skip(self, error: Exception) -> None:
        why = getattr(error, "strerror", None) or error
        sentence = f"{printable(self._path)}: some of its sound is left out of the annotated video: {why}"
        self.skip_reason = self.skip_reason or sentence


def _start_time(packet: Packet[AudioStream] | Packet[VideoStream]) -> float:
    """Start of the packet, seconds on its own clock."""
    return 0.0 if packet.pts is None or packet.time_base is None else float(packet.pts * packet.time_base)


def _open(path: Path) -> InputContainer:
    """Open the file like the source does, whatever characters its name or metadata contain."""
    return av.open(f"file:{path}", options={"pattern_type": "none"}, metadata_errors="replace")


def _first_picture(path: Path) -> float:
    """Presentation time of the first picture, seconds on the file's own clock."""
    with _open(path) as container:
        return next((frame.time or 0.0 for frame in container.decode(video=0)), 0.0)
