"""The sound of a source, moved to the clock of its pictures."""

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
from monitor.system.files import unwritable
from monitor.system.masking import printable

if TYPE_CHECKING:
    Packets = Iterator[Packet[AudioStream]]

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def add_sound(source: Path, pictures: Path, path: Path, end: float) -> str | None:
    """Write ``pictures`` with the sound of ``source`` beside them as an mp4 whose index is at the front.

    Args:
        source: a local file whose first picture is the first of ``pictures``.
        pictures: an mp4; its packets are copied.
        path: of the new mp4.
        end: seconds from the first picture, where the sound is cut.

    Returns:
        Why some of the sound is left out, in one sentence; None if all of it is there.

    Raises:
        OutputError: the file cannot be written.
        SourceUnreadableError: the sound does not fit into an mp4.
    """
    try:
        with _opened(pictures) as silent, av.open(path, "w", format="mp4", options=dict(MP4_OPTIONS)) as output:
            stream = silent.streams.video[0]
            copied = output.add_stream_from_template(stream)
            copied.time_base = stream.time_base
            with closing(Soundtrack(source, output)) as sound:
                for packet in silent.demux(stream):
                    progress.report()
                    if packet.size:
                        begin = _begin(packet)
                        packet.stream = copied
                        output.mux(packet)
                        sound.mux_until(begin)
                sound.mux_until(end)
    except (av.InvalidDataError, av.ArgumentError) as error:
        raise SourceUnreadableError(
            f"{printable(source)}: its sound does not fit into an mp4 ({error.strerror})"
        ) from None
    except (OSError, av.FFmpegError) as error:
        raise unwritable(path, error) from error
    return sound.left_out


class Soundtrack:
    """Feeds the sound of a file into an output, beside its pictures.

    Media time counts from the first picture: sound before it is left out, later sound keeps its
    distance to the pictures, whatever the clocks of the source start at. AAC is copied, other
    codecs are encoded to AAC. Sound that cannot be read is left out.

    Args:
        path: a local file; without sound, nothing is fed.
        output: takes the sound; its audio stream is made here, before any packet.

    Attributes:
        left_out: why some of the sound is left out, in one sentence; None if none is.
    """

    def __init__(self, path: Path, output: OutputContainer) -> None:
        self._path, self._output = path, output
        self._input: InputContainer | None = None
        self._packets: Packets = iter(())
        self._waiting: Packet[AudioStream] | None = None
        self.left_out: str | None = None
        try:
            self._origin = _first_picture(path)
            self._input = _opened(path)
        except (OSError, av.FFmpegError) as error:
            self._leave_out(error)
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
                self._leave_out(error)
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
                        self._leave_out(error)
        yield from track.encode(None)

    def _demuxed(self, source: InputContainer, stream: AudioStream) -> Packets:
        try:
            for packet in source.demux(stream):
                progress.report()
                yield packet
        except av.FFmpegError as error:
            self._leave_out(error)

    def _leave_out(self, error: Exception) -> None:
        why = getattr(error, "strerror", None) or error
        sentence = f"{printable(self._path)}: some of its sound is left out of the annotated video: {why}"
        self.left_out = self.left_out or sentence


def _begin(packet: Packet[AudioStream] | Packet[VideoStream]) -> float:
    """Seconds on the packet's clock."""
    return 0.0 if packet.pts is None or packet.time_base is None else float(packet.pts * packet.time_base)


def _opened(path: Path) -> InputContainer:
    """The file as the source opens it: a colon or a % in its name, or odd metadata, is nothing special."""
    return av.open(f"file:{path}", options={"pattern_type": "none"}, metadata_errors="replace")


def _first_picture(path: Path) -> float:
    """When the first picture is shown, seconds on the file's own clock."""
    with _opened(path) as container:
        return next((frame.time or 0.0 for frame in container.decode(video=0)), 0.0)
