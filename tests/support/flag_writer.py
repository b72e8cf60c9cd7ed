"""Flags one moment after the other, each told when it is committed, until it is killed: a monitor in one page.

PYTHONPATH=tests python tests/support/flag_writer.py FOLDER [SETTINGS]

SETTINGS: of the evidence, as JSON, for a place elsewhere than in the folder.
"""

import itertools
import json
import sys
from datetime import UTC, datetime

import numpy as np
from support.events import analyse_frame, open_stream
from support.observations import Face, observation

from monitor.classifiers import engines_dir
from monitor.classifiers.model_card import ModelCard
from monitor.flags.archive import FlagArchive
from monitor.flags.clips import PictureRing
from monitor.flags.recorder import FlagRecorder, FlagRequest
from monitor.results.report import Provenance
from monitor.results.report_content import ModelSummary
from monitor.runtime import BackgroundWorker
from monitor.settings import EvidenceSettings, Settings
from monitor.types import Frame, Label, SourceInfo

CARD = ModelCard.model_validate_json((engines_dir() / "inception_resnet_v1.json").read_bytes())
INFO = SourceInfo("cam", "rtsp", live=True, width=320, height=240, fps=5, duration=None, frame_count=None, path=None)
SUSPECT = Face((40, 40, 120, 140), track=2, label=Label.SUSPICIOUS, probability=0.8, log_odds=1.5)


def provenance(settings: Settings) -> Provenance:
    """Of what the shipped weights say of that camera."""
    return Provenance(INFO, None, settings, ModelSummary.of(CARD), "onnxruntime-fp32", "the fastest")


def main() -> None:
    settings = Settings.model_validate({"evidence": {"pre_roll": 1, "post_roll": 0.4}})
    place = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    evidence = EvidenceSettings.model_validate({**place, "folder": sys.argv[1]})
    with FlagArchive.open(evidence) as archive, BackgroundWorker("clips") as worker:
        archive.files.repair(archive.store)
        ring = PictureRing(seconds=5, max_bytes=1 << 24)
        flagger = FlagRecorder(archive, submit=worker.do)
        flagger.prepare(provenance(settings), clips=ring)
        open_stream(flagger, source=INFO)
        print("ready", flush=True)
        for index in itertools.count():
            now = index / 5
            frame = Frame(np.full((240, 320, 3), index % 256, np.uint8), index, now, datetime.now(UTC), "cam")
            analyse_frame(flagger, frame, observation((SUSPECT,), index=index, media_time=now))
            mark = FlagRequest(connection=1, media_time=now, frame_index=index, reporter="ada")
            print(flagger.flag(mark).id, flush=True)


if __name__ == "__main__":
    main()
