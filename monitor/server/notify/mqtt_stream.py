"""One stream as MQTT messages: its state, its events, its pictures."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from monitor.runtime import StreamState
from monitor.server.notify import WatchedStream
from monitor.server.notify.mqtt_outbox import MqttOutbox
from monitor.server.notify.mqtt_topics import OFFLINE, ONLINE, StreamTopics, label_in_words, to_json
from monitor.server.notify.snapshots import snapshot
from monitor.system.logs import mask_text
from monitor.types import Label, Verdict
from monitor.types.events import Event, FrameAnalysed, StreamClosed, StreamStateChanged

STATE_INTERVAL: Final = 1.0  # seconds (wall clock) between two states with the same worst label
PICTURE_INTERVAL: Final = 1.0  # seconds (wall clock) between two pictures ...
PICTURE_MAX_INTERVAL: Final = 10.0  # ... if the worst label changed, else so many
_CONFIDENCE_STEPS: Final = 20  # 5 % each; a smaller difference is no new state
_LABELS: Final = tuple(Label)


class MqttStream:
    """Publishes one stream; an observer. Every call returns at once.

    Args:
        stream: the stream; a new name is published with its next event.
        topics: of the stream.
        outbox: receives all messages.
        describe: returns the discovery messages for a name, by topic.
        snapshots: whether pictures are published.
        server: id of the server, part of the state.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        stream: WatchedStream,
        *,
        topics: StreamTopics,
        outbox: MqttOutbox,
        describe: Callable[[str], Mapping[str, Mapping[str, Any]]],
        snapshots: bool,
        server: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self.topics, self._outbox = stream, topics, outbox
        self._describe, self._snapshots, self._server, self._clock = describe, snapshots, server, clock
        self._name: str | None = None  # as published
        self._state, self._reason = StreamState.CONNECTING.value, ""
        self._worst: Verdict | None = None  # of the newest frame; None: no face, or no frame
        self._faces: Mapping[Label, int] = {}  # of the newest frame
        self._published: tuple[Any, ...] = ()
        self._state_at = self._picture_at = float("-inf")  # monotonic
        self._picture_label: Label | None = None
        self._publish()

    @property
    def _label(self) -> Label | None:
        return None if self._worst is None else self._worst.label

    def __call__(self, event: Event) -> None:
        """Publish an event, and the state if it has changed."""
        match event:
            case FrameAnalysed():
                self._note_frame(event)
            case StreamStateChanged():
                self._state, self._reason = event.state, event.reason
            case StreamClosed():
                self._worst, self._faces = None, {}
        if not isinstance(event, FrameAnalysed):
            self._outbox.add(self.topics.events, to_json(event.to_dict()))
        self._publish()

    def _note_frame(self, event: FrameAnalysed) -> None:
        verdicts = event.observation.verdicts
        self._faces = Counter(verdict.label for verdict in verdicts)
        self._worst = max(verdicts, key=_severity, default=None)
        now = self._clock()
        since = now - self._picture_at
        is_due = since >= (PICTURE_MAX_INTERVAL if self._label is self._picture_label else PICTURE_INTERVAL)
        if self._snapshots and is_due:
            self._picture_at, self._picture_label = now, self._label
            self._outbox.offer(self.topics.snapshot, partial(snapshot, event.frame, event.observation))

    def _publish(self) -> None:
        """Publish name, availability and state, as far as they changed."""
        if self._stream.name != self._name:
            self._name = self._stream.name
            self._announce(self._name)
            self._published = ()
        confidence = None if self._worst is None else self._worst.confidence
        step = None if confidence is None else round(confidence * _CONFIDENCE_STEPS)
        major = self._state, self._reason, self._label
        current = (major, self._faces, step)
        now = self._clock()
        if current == self._published:
            return
        if self._published and major == self._published[0] and now - self._state_at < STATE_INTERVAL:
            return  # the next frame looks again
        self._published, self._state_at = current, now
        is_live = self._state == StreamState.LIVE
        self._outbox.set(self.topics.availability, ONLINE if is_live else OFFLINE)
        self._outbox.set(self.topics.state, to_json(self._describe_state(confidence)))

    def _announce(self, name: str) -> None:
        for topic, message in self._describe(name).items():
            self._outbox.set(topic, to_json(message))

    def _describe_state(self, confidence: float | None) -> Mapping[str, Any]:
        return {
            "state": self._state,
            "reason": mask_text(self._reason),
            "label": None if self._label is None else self._label.value,
            "words": label_in_words(self._label),
            "confidence": None if confidence is None else round(confidence, 4),
            "face": None if self._worst is None else self._worst.track_id,
            "faces": {label.value: self._faces.get(label, 0) for label in _LABELS},
            "name": self._name,
            "address": self._stream.address,
            "server": self._server,
        }

    def end(self) -> None:
        """Publish that the server no longer watches the stream, until it starts again."""
        self._outbox.set(self.topics.availability, OFFLINE)


def _severity(verdict: Verdict) -> tuple[int, float]:
    return verdict.label.severity, verdict.confidence or 0.0
