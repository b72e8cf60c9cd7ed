import json
import re
import shutil
from pathlib import Path

import pytest
from support.face_shards import pair_rows, write_faces
from support.outcomes import damage
from support.random_weights import written

from monitor.analysis.pipeline import Engines
from monitor.classifiers import engines_dir
from monitor.errors import DatasetError, ModelCardError, UsageError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.evaluation.bootstrap import Estimate
from monitor.lab.evaluation.comparison import (
    FIGURES,
    ComparedModel,
    CropSummary,
    chart,
    compared,
    entries_from,
    markdown,
    measure,
    to_json,
)
from monitor.lab.evaluation.crops import crop_outcomes
from monitor.lab.evaluation.metrics_summary import section_of
from monitor.settings import Settings


def entry(name: str, auc: float | None = 0.7, **others: object) -> ComparedModel:
    interval = (None, None) if auc is None else (auc - 0.05, auc + 0.05)
    facts = {
        "model": name,
        "id": f"{name}-1",
        "weights_sha256": "0" * 64,
        "input_size": 160,
        "trained_on": "dfdc-faces, train split",
        "images_trained": 100_000,
        "parameters": 23_500_000,
        "file_bytes": 47 * 2**20,
        "engine": "onnxruntime-fp32",
        "faces_per_second": 61.0,
        "figures": {figure: Estimate(auc, *interval, n=100, groups=50) for figure in FIGURES},
        "material": CropSummary("dfdc-faces, split test", fakes=60, reals=40, groups=50, digest="d"),
        "run": "0123456789abcdef",
    }
    return ComparedModel(**{**facts, **others})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    return FaceSet.open(write_faces(tmp_path_factory.mktemp("faces"), pair_rows(6, split="test")))


class TestLikeWithLike:
    @pytest.mark.parametrize(
        ("others", "clause"),
        [
            ({"trained_on": "another set"}, "'another set'"),
            ({"images_trained": 200_000}, "a-1 was trained on 100,000 images, b-1 on 200,000"),
            ({"images_trained": None}, "the card of b-1 does not say"),
            ({"material": CropSummary("x", fakes=1, reals=1, groups=2, digest="other")}, "measured on different crops"),
            ({"engine": "openvino-int8"}, "a-1 ran on onnxruntime-fp32, b-1 on openvino-int8"),
        ],
    )
    def test_what_differs_is_refused_in_one_sentence_or_said_in_the_caption(
        self, others: dict[str, object], clause: str
    ) -> None:
        pair = [entry("a"), entry("b", **others)]
        with pytest.raises(UsageError, match=clause) as caught:
            compared(pair)
        assert "--anyway" in str(caught.value)
        assert "\n" not in str(caught.value)
        allowed = compared(pair, anyway=True)
        assert allowed.caption.startswith("NOT LIKE FOR LIKE: ")
        assert clause in allowed.caption

    def test_a_last_batch_more_or_less_is_the_same_budget(self) -> None:
        assert compared([entry("a"), entry("b", images_trained=101_000)]).unlike == ()

    def test_there_must_be_something_to_compare(self) -> None:
        with pytest.raises(UsageError, match="no classifier"):
            compared([])

    def test_the_caption_says_data_budget_material_and_what_it_is_not(self) -> None:
        caption = compared([entry("a"), entry("b")]).caption
        for part in ("dfdc-faces, train split", "100,000 images", "split test", "60 fake and 40 real", "50 groups"):
            assert part in caption
        assert "not the figures of any paper" in caption

    def test_speeds_of_separate_runs_are_not_said_to_be_of_one(self) -> None:
        together, apart = compared([entry("a"), entry("b")]), compared([entry("a"), entry("b", run="another")])
        assert "in turns in one run" in together.caption
        assert "in separate runs" in apart.caption
        assert "in turns" not in apart.caption
        assert "separate runs" in chart(apart).axes[1].get_title()
        untimed = compared([entry("a"), entry("b", run="another", faces_per_second=None)])
        assert "in turns in one run" in untimed.caption, "one of them was timed"

    def test_crops_that_could_not_be_read_are_named(self) -> None:
        material = CropSummary("x", fakes=2, reals=1, groups=2, digest="d", failures=("broken", "oblong"))
        caption = compared([entry("a", material=material)]).caption
        assert "2 fake and 1 real crops" in caption
        assert "2 further crops could not be read and are part of no figure (broken and 1 more)" in caption


class TestShowing:
    def test_the_best_figures_are_bold_and_missing_ones_said(self) -> None:
        table = markdown(compared([entry("a", 0.7), entry("b", 0.8), entry("c", None, faces_per_second=None)]))
        lines = table.splitlines()
        assert "**0.80 [0.75, 0.85]**" in lines[3]
        assert "**" not in lines[2] + lines[4]
        assert "not measured" in lines[4]
        assert {line.count("|") for line in lines[:5]} == {lines[0].count("|")}

    def test_the_chart_has_a_bar_a_figure_and_a_detector(self) -> None:
        figure = chart(compared([entry("a"), entry("b", 0.8)]))
        quality, speed = figure.axes
        assert len(quality.patches) == 2 * len(FIGURES)
        assert [patch.get_height() for patch in quality.patches[: len(FIGURES)]] == pytest.approx([0.7] * len(FIGURES))
        assert len(speed.patches) == 2
        labels = {text.get_text() for text in quality.texts}
        assert labels == {"0.70", "0.80"}
        assert "not the figures" in figure.texts[0].get_text().replace("\n", " ")


class TestKeeping:
    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        kept = [entry("a"), entry("b", None, faces_per_second=None, images_trained=100_001)]
        path = tmp_path / "comparison.json"
        path.write_text(json.dumps(to_json(compared(kept))), encoding="utf-8")
        assert entries_from(path) == kept

    @pytest.mark.parametrize(
        "content",
        [
            "{",
            "[]",
            '{"version": 2, "kind": "other"}',
            '{"version": 1, "kind": "comparison", "entries": [{}]}',
            '{"version": 2, "kind": "comparison", "entries": [{}]}',
            '{"version": 2, "kind": "comparison", "entries": []}',
            '{"version": 2, "kind": "comparison"}',
        ],
    )
    def test_another_file_is_refused_with_one_sentence(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "comparison.json"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(DatasetError, match=r"is no comparison\.json") as caught:
            entries_from(path)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("place", "value", "named"),
        [
            (("parameters",), "many", "entries.0.parameters"),
            (("figures", "auc", "value"), "x", "entries.0.figures.auc.value"),
            (("figures", "auc", "value"), float("nan"), "NaN"),
            (("faces_per_second",), -1, "entries.0.faces_per_second"),
            (("material", "fakes"), -3, "entries.0.material.fakes"),
            (("figures",), {}, "lacks the figure 'accuracy'"),
        ],
    )
    def test_a_value_of_the_wrong_kind_is_named(
        self, tmp_path: Path, place: tuple[str, ...], value: object, named: str
    ) -> None:
        tree = to_json(compared([entry("a")]))
        inner = tree["entries"][0]
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value
        path = tmp_path / "comparison.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        with pytest.raises(DatasetError, match=re.escape(named)) as caught:
            entries_from(path)
        assert "\n" not in str(caught.value)


class TestMeasuring:
    def test_material_knows_its_crops(self, faces: FaceSet) -> None:
        whole, some = CropSummary.of(faces), CropSummary.of(faces.select(lambda face: face.name != "test0f"))
        assert (whole.fakes, whole.reals, whole.groups) == (6, 6, 6)
        assert whole.name.endswith("split test")
        assert whole.digest != some.digest
        assert whole == CropSummary.of(faces)

    def test_other_pictures_or_another_square_under_the_same_names_are_other_crops(
        self, faces: FaceSet, tmp_path: Path
    ) -> None:
        rows = pair_rows(6, split="test")
        same, wider, smaller = (
            CropSummary.of(FaceSet.open(write_faces(tmp_path / name, rows, **others)))
            for name, others in (("same", {}), ("wider", {"side": 1.2}), ("smaller", {"size": 160}))
        )
        assert same.digest == CropSummary.of(faces).digest
        assert len({same.digest, wider.digest, smaller.digest}) == 3

    def test_a_damaged_crop_is_counted_apart(self, settings: Settings, tmp_path: Path) -> None:
        damaged = write_faces(tmp_path / "faces", pair_rows(3, split="test"))
        damage(damaged / "test-00.tar")
        (one,) = measure([written("meso4", tmp_path)], FaceSet.open(damaged), settings=settings, on_done=lambda _: None)
        assert (one.material.fakes, one.material.reals, one.material.failures) == (3, 2, ("test0r",))
        assert one.figures["accuracy"].n == 5

    def test_figures_are_those_of_the_scorecard(
        self, faces: FaceSet, settings: Settings, engines: Engines, tmp_path: Path
    ) -> None:
        done: list[int] = []
        paths = [engines_dir() / "inception_resnet_v1.safetensors", written("meso4", tmp_path)]
        shipped, meso = measure(paths, faces, settings=settings, on_done=done.append)
        assert sum(done) == 2 * len(faces)
        section = section_of(crop_outcomes(faces, engines=engines, settings=settings.verdict))
        assert shipped.figures["auc"] == section.ranking["auc"]
        assert shipped.figures["f1"] == section.forced["f1"]
        assert (shipped.model, meso.model) == ("inception_resnet_v1", "meso4")
        assert shipped.parameters == pytest.approx(23.5e6, rel=0.02)
        assert meso.parameters < 50_000
        assert shipped.file_bytes == paths[0].stat().st_size
        assert meso.input_size == 256
        assert shipped.faces_per_second > 0

    def test_one_set_of_weights_is_compared_at_several_sizes(
        self, faces: FaceSet, settings: Settings, tmp_path: Path
    ) -> None:
        torch = settings.classifier.model_copy(update={"backend": "torch"})  # exports nothing
        settings = settings.model_copy(update={"classifier": torch})
        path = Path(shutil.copy(engines_dir() / "inception_resnet_v1.safetensors", tmp_path))
        facts = json.loads((engines_dir() / "inception_resnet_v1.json").read_text(encoding="utf-8"))
        usual, other = facts["input"]["size"], 112
        facts["profiles"] = [{"size": other, "calibration": facts["calibration"]}]
        path.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
        with pytest.raises(ModelCardError, match=f"calibrated for {usual} or {other} pixels, not for 176"):
            measure([path], faces, settings=settings, sizes=[176], on_done=lambda _: None)
        found = measure([path], faces, settings=settings, sizes=[usual, other], on_done=lambda _: None)
        assert [entry.input_size for entry in found] == [usual, other]
        assert found[0].figures["auc"] != found[1].figures["auc"] or found[0].figures["f1"] != found[1].figures["f1"]
        labels = [text.get_text() for text in chart(compared(found)).axes[0].get_legend().get_texts()]
        assert labels == [f"{facts['id']}, {size} px" for size in (usual, other)]

    def test_one_class_alone_cannot_be_compared(self, faces: FaceSet, settings: Settings) -> None:
        with pytest.raises(DatasetError, match="0 fake and 6 real"):
            measure([], faces.select(lambda face: not face.label), settings=settings, on_done=lambda _: None)
