from collections.abc import Sequence
from html.parser import HTMLParser

import pytest
from support.outcomes import crowd, films, footage, outcome, subject

from monitor.lab.evaluation import page
from monitor.lab.evaluation.metrics_summary import MetricsSummary
from monitor.lab.evaluation.outcomes import Outcome
from monitor.lab.evaluation.report import metrics_record

FEW = 200  # resamples
VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Text, addresses and unclosed elements of a page; a drawing's own elements count, too."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def made(outcomes: Sequence[Outcome], *, kind: str = "crops", picture: bytes | None = None) -> str:
    card, about = MetricsSummary.of(outcomes, resamples=FEW), subject(kind)
    facts = metrics_record(card, outcomes, subject=about, resamples=FEW, seed=0)
    pictures = None if picture is None else lambda _: picture
    return page.page(card, outcomes, subject=about, facts=facts, pictures=pictures)


def words(text: str) -> str:
    return " ".join(" ".join(Reader(text).text).split())


def test_a_page_is_whole_and_asks_the_network_for_nothing() -> None:
    text = made(crowd(), picture=b"\xff\xd8")
    reader = Reader(text)
    assert reader.open == []
    assert all(address.startswith(("#", "data:")) for address in reader.addresses)
    assert "http" not in text.replace("http://www.w3.org/", "")
    assert text.count("<svg") == 5, "four curves, and AUC by method"
    assert "prefers-color-scheme: dark" in text


def test_it_says_how_many_what_and_with_what() -> None:
    found = words(made(crowd()))
    assert "121 crops: 61 fake, 60 real" in found
    assert "1 could not be analysed" in found
    assert subject("crops").card.id in found
    assert "broken.mp4: holds no picture" in found
    assert "no face 3" in found, "abstentions by reason"
    for heading in ("By data set", "By method", "Ranking of everything", "Forced choice", "Worst mistakes"):
        assert heading in found


def test_a_handful_is_called_a_handful() -> None:
    assert "Only 2 groups" in words(made(films(), kind="videos"))
    many = [outcome(f"o{number}", label=number % 2) for number in range(60)]
    assert "Only" not in words(made(many)).split("Curves")[0]


def test_videos_have_monitor_figures_and_a_timeline_each() -> None:
    text = made(films(), kind="videos")
    found = words(text)
    for figure in ("False alarms per hour", "Time to detect a switch to fake", "Span recall at IoU 0.5"):
        assert figure in found
    assert "1 of 1 detected, after 2.0 s" in found
    assert "partly fake" in found
    assert text.count('class="film"') == 2


def test_a_video_that_broke_off_is_named() -> None:
    film = footage(2, ended_early="talk.mp4: broke off after 2 s")
    found = words(made([outcome("talk", footage=film)], kind="videos"))
    assert "Broke off before their end judged by what could be seen talk talk.mp4: broke off after 2 s" in found


def test_many_videos_have_no_timelines() -> None:
    many = [outcome(f"o{number}", footage=footage(2)) for number in range(page.MOST_TIMELINES + 1)]
    assert 'class="film"' not in made(many, kind="videos")


def test_names_of_files_are_text_and_never_markup() -> None:
    text = made(films(), kind="videos")
    assert "<b>walk" not in text
    assert "real/&lt;b&gt;walk" in text
    assert Reader(text).open == []


def test_one_class_is_no_error() -> None:
    found = words(made([outcome(f"o{number}") for number in range(5)]))
    assert "there are no fakes" in found


def test_nothing_but_abstentions_is_no_error() -> None:
    found = words(made([outcome(f"o{number}", probability=None, label=number % 2) for number in range(4)]))
    assert "nothing was decided" in found
    assert "there is nothing to draw" in found


@pytest.mark.parametrize("picture", [None, b"\xff\xd8"])
def test_mistakes_are_named_with_or_without_a_face(picture: bytes | None) -> None:
    text = made([outcome("bad", label=1, probability=0.02), outcome("fine", label=0)], picture=picture)
    assert "bad" in words(text)
    assert ("data:image/jpeg" in text) == (picture is not None)
    assert ("<img" in text) == (picture is not None)


def test_the_headline_says_how_many_were_decided() -> None:
    card = MetricsSummary.of(crowd(), resamples=FEW)
    decided = 120 - card.whole.counts.abstained
    assert [figure.name for figure in page.headline(card)][:2] == ["AUC", f"Accuracy of the {decided} decided"]


def test_a_figure_without_a_value_says_why() -> None:
    card = MetricsSummary.of([outcome("a"), outcome("b")], resamples=FEW)
    figure = page.figure("auc", card.whole.ranking["auc"])
    assert (figure.value, figure.interval) == (page.DASH, "there are no fakes")
