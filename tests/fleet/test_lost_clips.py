"""The clips that a lost host has not written."""

from pathlib import Path

from support.flagging import flag

from monitor.flags.archive import FlagArchive
from monitor.flags.files import CLIP
from monitor.fleet.lost_clips import LostClips
from monitor.types import ClipState


def test_only_the_pending_clips_of_the_lost_host_are_missing(tmp_path: Path) -> None:
    with FlagArchive(tmp_path) as archive:
        clips = LostClips(archive)
        ids = ["20260101T000000-0000000a", "20260101T000000-0000000b", "20260101T000000-0000000c"]
        kept = [archive.add(flag(id=flag_id, clip=ClipState.PENDING), {"frame.jpg": b"x"}) for flag_id in ids]
        clips.expect(kept[0], host="one")
        clips.expect(kept[1], host="one")
        clips.expect(kept[2], host="two")
        with archive.files.open_new(ids[1], CLIP) as path:  # complete, and the host was killed before it said so
            path.write_bytes(b"a clip")
        assert clips.settle("one", why="node one was lost") == 1
        found = [archive.store.get(flag_id) for flag_id in ids]
        assert [one.clip for one in found] == [ClipState.MISSING, ClipState.KEPT, ClipState.PENDING]
        assert found[0].clip_why == "node one was lost"
        assert [archive.files.faults(one) for one in found] == [[], [], []]
        assert clips.settle("one", why="again") == 0


def test_a_deleted_flag_is_no_error(tmp_path: Path) -> None:
    with FlagArchive(tmp_path) as archive:
        clips = LostClips(archive)
        added = archive.add(flag(clip=ClipState.PENDING), {"frame.jpg": b"x"})
        clips.expect(added, host="one")
        archive.delete(added.id, actor="ada")
        assert clips.settle("one", why="lost") == 0
