"""Files with content credentials, signed by the library itself."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import c2pa
import numpy as np
from support.certificates import SigningFiles

from monitor.system import jpeg

AI: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
AI_EDIT: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
CAMERA: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def picture(*, side: int = 64) -> bytes:
    """A JPEG."""
    return jpeg.encode(np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8), quality=90)


def created(kind: str = CAMERA, **facts: Any) -> dict[str, Any]:
    """The first action of a new file."""
    return {"action": "c2pa.created", "digitalSourceType": kind, **facts}


def sign(
    content: bytes,
    files: SigningFiles,
    *,
    kind: str = "image/jpeg",
    actions: Sequence[Mapping[str, Any]] = (),
    assertions: Sequence[Mapping[str, Any]] = (),
    parent: bytes = b"",
    part: bytes = b"",
    remote: str = "",
) -> bytes:
    """A copy with content credentials.

    Args:
        actions: default: created by a camera, or opened with a parent.
        parent: the file that it was made from.
        part: a JPEG that was placed in it.
        remote: address of the credentials, which are then not in the file.
    """
    first = [] if parent else [created()]
    stated = [{"label": "c2pa.actions", "data": {"actions": list(actions or first)}}, *assertions]
    manifest = {"claim_generator_info": [{"name": "Some Tool", "version": "1.2"}], "title": "x", "assertions": stated}
    info = c2pa.C2paSignerInfo("es256", files.chain.read_bytes(), files.key.read_bytes(), None)
    output = io.BytesIO()
    options = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"remote_manifest_fetch": False}}
    with (
        c2pa.Context.from_dict(options) as context,
        c2pa.Builder(manifest, context) as builder,
        c2pa.Signer.from_info(info) as signer,
    ):
        if parent:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            builder.add_ingredient({"title": "original.jpg", "relationship": "parentOf"}, kind, io.BytesIO(parent))
        if part:
            placed = {"title": "part.jpg", "relationship": "componentOf"}
            builder.add_ingredient(placed, "image/jpeg", io.BytesIO(part))
        if remote:
            builder.set_remote_url(remote)
            builder.set_no_embed()
        builder.sign(signer, kind, io.BytesIO(content), output)
    return output.getvalue()
