"""What a manifest store states, from the library's report of it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.media.manifest_store import describe_manifests, plain_text
from monitor.types import AiUse, ContentCredentials, CredentialState

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def actions(*stated: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {"label": "c2pa.actions.v2", "data": {"actions": list(stated), **data}}


def manifest(*assertions: dict[str, Any], generator: str = "Editor", **facts: Any) -> dict[str, Any]:
    return {"claim_generator_info": [{"name": generator}], "assertions": list(assertions), **facts}


def described(active: dict[str, Any], state: str = "Valid", **others: Any) -> ContentCredentials:
    results = others.pop("validation_results", {})
    store = {
        "active_manifest": "a",
        "manifests": {"a": active, **others},
        "validation_state": state,
        "validation_results": results,
    }
    return describe_manifests(store, has_signer_list=False)


def test_the_signer_and_the_time_are_those_of_the_active_manifest() -> None:
    signature = {"common_name": "Jane", "issuer": "News", "time": "2026-11-30T18:00:00+00:00"}
    found = described(manifest(signature_info=signature))
    assert (found.signer, found.organisation, found.claim_generator) == ("Jane", "News", "Editor")
    assert found.signed_at is not None
    assert found.signed_at.isoformat() == "2026-11-30T18:00:00+00:00"
    assert not found.has_known_time
    assert described(manifest(signature_info={"time": "soon"})).signed_at is None
    known = {"activeManifest": {"success": [{"code": "timeStamp.trusted"}]}}
    assert described(manifest(signature_info=signature), validation_results=known).has_known_time


@pytest.mark.parametrize(
    ("kind", "use"),
    [
        ("trainedAlgorithmicMedia", AiUse.GENERATED),
        ("compositeWithTrainedAlgorithmicMedia", AiUse.EDITED),
        ("compositeSynthetic", AiUse.SYNTHETIC),
        ("algorithmicMedia", AiUse.NONE),
        ("digitalCapture", AiUse.NONE),
    ],
)
def test_the_stated_source_type_tells_the_use_of_ai(kind: str, use: AiUse) -> None:
    found = described(manifest(actions({"action": "c2pa.created", "digitalSourceType": IPTC + kind})))
    assert found.ai_use is use
    assert found.digital_source_types == (kind,)
    assert found.actions[0].digital_source_type == kind


def test_iptc_metadata_states_a_source_type_too() -> None:
    metadata = {"label": "stds.iptc", "data": {"Iptc4xmpExt:DigitalSourceType": f"{IPTC}trainedAlgorithmicMedia"}}
    assert described(manifest(metadata)).ai_use is AiUse.GENERATED


def test_what_the_original_was_made_by_holds_for_an_edited_copy() -> None:
    made = actions({"action": "c2pa.created", "digitalSourceType": f"{IPTC}trainedAlgorithmicMedia"})
    parent = {"title": "old.png", "relationship": "parentOf", "active_manifest": "b"}
    found = described(
        manifest(actions({"action": "c2pa.cropped"}), ingredients=[parent]),
        b=manifest(made, generator="Painter", signature_info={"common_name": "Lab"}),
    )
    assert found.ai_use is AiUse.GENERATED
    assert [action.in_words for action in found.actions] == ["created with Painter", "cropped with Editor"]
    assert found.ingredients[0].signer == "Lab"


def test_a_generated_part_is_an_edit_and_a_generated_input_is_nothing() -> None:
    made = manifest(actions({"action": "c2pa.created", "digitalSourceType": f"{IPTC}trainedAlgorithmicMedia"}))
    part = {"title": "p.png", "relationship": "componentOf", "active_manifest": "b"}
    assert described(manifest(ingredients=[part]), b=made).ai_use is AiUse.EDITED
    assert described(manifest(ingredients=[part | {"relationship": "inputTo"}]), b=made).ai_use is AiUse.NONE


def test_programs_are_named_in_all_forms_that_the_format_has() -> None:
    stated = actions(
        {"action": "c2pa.edited", "softwareAgent": "Old 1"},
        {"action": "c2pa.edited", "softwareAgent": {"name": "New", "version": "2"}},
        {"action": "c2pa.edited", "softwareAgentIndex": 0},
        {"action": "c2pa.edited", "softwareAgentIndex": 7},
        softwareAgents=[{"name": "Listed"}],
    )
    assert [one.software for one in described(manifest(stated)).actions] == ["Old 1", "New 2", "Listed", "Editor"]


def test_the_failed_checks_are_listed_without_the_unknown_signer() -> None:
    failures = [{"code": "signingCredential.untrusted"}, {"code": "assertion.dataHash.mismatch", "explanation": "no"}]
    inner = {"validationDeltas": {"failure": [{"code": "claimSignature.mismatch"}]}}
    results = {"activeManifest": {"failure": failures}, "ingredientDeltas": [inner]}
    found = described(manifest(), "Invalid", validation_results=results)
    assert found.state is CredentialState.INVALID
    assert [fault.code for fault in found.faults] == ["assertion.dataHash.mismatch", "claimSignature.mismatch"]
    assert described(manifest(), "Trusted", validation_results=results).faults == ()


def test_an_unknown_state_is_invalid() -> None:
    assert described(manifest(), "Splendid").state is CredentialState.INVALID


def test_a_file_that_was_made_from_itself_ends() -> None:
    circle = {"title": "me", "relationship": "parentOf", "active_manifest": "a"}
    assert described(manifest(actions({"action": "c2pa.edited"}), ingredients=[circle])).actions


def test_a_flood_is_cut() -> None:
    flood = actions(*({"action": f"c2pa.{number}", "description": "x" * 10_000} for number in range(5000)))
    found = described(manifest(flood))
    assert len(found.actions) == 50
    assert len(found.actions[0].description) == 200


def test_a_strangers_text_is_one_line_without_controls() -> None:
    assert plain_text("a\x1b[31m\nb\u202e c") == "a [31m b c"
    assert plain_text(7) == ""


def test_a_store_without_an_active_manifest_is_refused() -> None:
    with pytest.raises(ValueError, match="names no manifest"):
        describe_manifests({"active_manifest": "gone", "manifests": {}}, has_signer_list=False)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_KEYS = ("assertions", "ingredients", "signature_info", "claim_generator_info", "claim_generator", "label")


@settings(max_examples=60, deadline=None)
@given(facts=st.dictionaries(st.sampled_from(_KEYS), _JSON, min_size=1), results=_JSON)
def test_malformed_statements_are_left_out(facts: dict[str, Any], results: Any) -> None:
    found = described(facts, "Invalid", validation_results=results)
    assert found.state is CredentialState.INVALID
    assert found.to_dict()["in_words"]
