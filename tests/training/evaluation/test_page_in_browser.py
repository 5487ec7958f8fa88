"""The page as a browser shows it: every chart is drawn, nothing is fetched, and nothing runs that should not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import chromium
from tests.training.evaluation.whole_evaluation import NASTY, whole_evaluation
from training.evaluation.page import evaluation_page
from training.evaluation.pages.markup import element

pytestmark = pytest.mark.slow

BARS, DOTS, LINES = ".bars .point", ".scatterlayer .point", ".scatterlayer .js-line"
DRAWN = {
    "NDCG@10 of search": {BARS: 4, DOTS: 0, ".errorbar": 4, ".annotation": 4, ".shapelayer path": 1},
    "unicorn minus each baseline, NDCG@10 of search": {BARS: 0, DOTS: 2, ".errorbar": 2, ".annotation": 2},
    "NDCG@10 of slices of search": {DOTS: 6, ".errorbar": 6, ".annotation": 3},
    "NDCG@10 of slices by country of search": {DOTS: 4, ".errorbar": 4, ".annotation": 2},
    "Change of NDCG@10 of search where a field is hidden": {BARS: 2, ".errorbar": 2, ".annotation": 2},
    "Recall over k of search": {DOTS: 12, LINES: 4, ".annotation": 0},
    "Rate of engagement over probability in search": {DOTS: 3, LINES: 1, ".shapelayer path": 1},
    "NDCG@10 of graded judgments": {BARS: 2, ".errorbar": 2, ".annotation": 2},
}
"""By chart, how many elements of each kind are drawn."""
OURS = {"light": "rgb(43, 92, 171)", "dark": "rgb(127, 168, 238)"}
VIEWS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]


class Opened(NamedTuple):
    """A page that was opened, and what it did meanwhile."""

    page: Page
    requests: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    lead = element("p", f"lead {NASTY}")
    path.write_text(evaluation_page(f"A page {NASTY}", lead, whole_evaluation(), {}), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module", params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def opened(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """The page at a width, in a colour scheme."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    yield watched(context, address)
    context.close()


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield watched(context, address).page
    context.close()


def watched(context: BrowserContext, address: str) -> Opened:
    requests: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(address)  # returns when the page has loaded, and so when its scripts have run
    return Opened(page, requests, complaints)


def fill(page: Page, chart: str, mark: str) -> str:
    drawn = page.locator(f'figure[aria-label^="{chart}:"] {mark} path')
    return str(drawn.last.evaluate("path => getComputedStyle(path).fill"))


def unfold(page: Page) -> None:
    page.locator("details").evaluate_all("parts => parts.forEach(part => { part.open = true; })")
    charts_fill_their_width(page)


def charts_fill_their_width(page: Page) -> None:
    page.wait_for_function(
        """() => [...document.querySelectorAll('.plot')].every(
            plot => plot.clientWidth > 300 && plot.querySelector('svg').clientWidth === plot.clientWidth)"""
    )


def test_every_chart_is_drawn_and_nothing_is_fetched(opened: Opened, address: str) -> None:
    page = opened.page
    figures = page.locator("figure.chart")
    labels = [figure.get_attribute("aria-label") or "" for figure in figures.all()]
    assert [label.partition(":")[0] for label in labels] == list(DRAWN)
    for figure, expected in zip(figures.all(), DRAWN.values(), strict=True):
        assert figure.locator(".js-plotly-plot svg.main-svg").count() > 0
        assert {kind: figure.locator(kind).count() for kind in expected} == expected
    assert opened.requests == [address]
    assert opened.complaints == []


def test_nothing_is_wider_than_the_page(opened: Opened) -> None:
    page = opened.page
    unfold(page)
    width: Any = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] == width[1]
    names = page.locator(".annotation-text")
    cut = "names => names.filter(name => name.getBoundingClientRect().right > innerWidth).map(n => n.textContent)"
    assert names.evaluate_all(cut) == []


def test_a_title_is_text(opened: Opened) -> None:
    page = opened.page
    assert page.title() == f"A page {NASTY}"
    assert page.locator("h1").inner_text() == f"A page {NASTY}"
    assert page.locator("img, b:not(svg b)").count() == 0
    unfold(page)
    chart = page.locator('figure[aria-label^="NDCG@10 of slices by country"]')
    assert chart.locator(".annotation-text").last.text_content() == "country </script><script>docume…\u00a0 40 requests"
    assert page.locator(".card").last.get_by_text(f"{NASTY} (not served)").count() == 1
    assert opened.complaints == []  # of the policy, too, which would refuse what the title wants to run


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_have_the_colours_of_the_scheme_and_follow_it(browser: Browser, address: str, scheme: str) -> None:
    other = "dark" if scheme == "light" else "light"
    context = browser.new_context(color_scheme=scheme)
    page = watched(context, address).page
    chart = "Change of NDCG@10 of search where a field is hidden"
    assert fill(page, chart, BARS) == OURS[scheme]
    page.emulate_media(color_scheme=other)
    page.wait_for_function(
        """([label, colour]) => getComputedStyle(
            document.querySelector(`figure[aria-label^="${label}"] .bars .point path`)).fill === colour""",
        arg=[chart, OURS[other]],
    )
    context.close()


def test_a_finger_on_a_chart_scrolls_the_page(phone: Page) -> None:
    chart = phone.locator('figure[aria-label^="NDCG@10 of slices of search:"]')
    chart.evaluate("chart => chart.scrollIntoView({block: 'center'})")
    before, numbers = phone.evaluate("scrollY"), chart.locator(".xaxislayer-above").text_content()
    box = chart.bounding_box()
    assert box is not None
    finger = phone.context.new_cdp_session(phone)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for way in range(20, 201, 20):
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - way}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    phone.wait_for_function("before => scrollY > before + 150", arg=before)
    assert chart.locator(".xaxislayer-above").text_content() == numbers


def test_charts_follow_the_width_of_the_page(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 844})
    page = watched(context, address).page
    unfold(page)
    page.set_viewport_size({"width": 390, "height": 844})
    charts_fill_their_width(page)
    assert (
        page.locator("figure.chart svg.main-svg").first.evaluate("svg => svg.clientWidth") == 358
    )  # of 390, a rem off
    context.close()


def test_what_is_pointed_at_is_told(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 844})
    page = watched(context, address).page
    bar = page.locator(f'figure[aria-label^="NDCG@10 of search:"] {BARS}').first
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("g.hovertext")
    assert page.locator("g.hovertext").text_content() == "0.200 (0.180 – 0.220)"
    context.close()


def test_without_scripts_the_page_says_that_the_tables_have_the_figures(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.get_by_text("their figures are in the tables").count() == 1
    assert page.locator("figure.chart").first.is_hidden()
    context.close()
