import pytest
from pydantic import ValidationError

from monitor.server.api.analysis_answers import AnalysisAnswer, ExportRequest, FlagReview
from monitor.server.uploads import UploadState

FACTS = {"id": "1", "name": "a", "created_at": "2026-11-24T12:00:00Z", "progress": None, "label": None, "why": ""}


@pytest.mark.parametrize("state", list(UploadState))
def test_every_state_of_an_upload_has_an_answer(state: UploadState) -> None:
    assert AnalysisAnswer(**FACTS, state=state.value).is_over == state.over  # type: ignore[arg-type]


def test_a_client_ignores_what_a_newer_server_adds() -> None:
    assert AnalysisAnswer.model_validate(FACTS | {"state": "done", "colour": "red"}).error is None


def test_a_request_with_an_unknown_key_or_a_zero_byte_is_refused() -> None:
    for wrong in ({"colour": "red"}, {"note": "a\0b"}, {"category": "x" * 81}):
        with pytest.raises(ValidationError):
            FlagReview.model_validate(wrong)
    for ids in ([], ["1"] * 501):
        with pytest.raises(ValidationError):
            ExportRequest(ids=ids)
