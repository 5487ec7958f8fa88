"""The explorer page in a real browser, on a run whose catalogue holds markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from playwright.sync_api import Browser, Page

from serving.http.explorer import suggestions
from tests.browser import chromium
from tests.serving.http.conftest import Server, served
from tests.training.worlds import config, items, world, write
from training.fit import fit

MARKUP = '<img src=x onerror="window.broken=1"><b>red chair</b>'
SIZES = [(1280, 900, "light"), (390, 844, "dark")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def exploring(tmp_path_factory, tiny_encoder, fitted) -> Iterator[Server]:
    """A run with a title of markup, and the tiny run beside it."""
    folder = tmp_path_factory.mktemp("explorer")
    tables = world()
    tables["items"] = items().with_columns(
        title=pl.when(pl.col("item_id") == "i4").then(pl.lit(MARKUP)).otherwise(pl.col("title"))
    )
    run: Path = fit(write(folder / "data", tables), folder / "run", config(tiny_encoder), quiet=True)
    with served(run, "--reload-seconds", "0", "--beside", str(fitted)) as server:
        yield server


@pytest.fixture
def page(browser: Browser, exploring: Server) -> Iterator[Page]:
    """The page; whatever it complains of, or fetches from elsewhere, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    elsewhere: list[str] = []
    opened.on(
        "request", lambda one: None if one.url.startswith((exploring.url, "data:")) else elsewhere.append(one.url)
    )
    opened.goto(exploring.url)
    opened.wait_for_selector(".items li")
    yield opened
    context.close()
    assert complaints == [] and elsewhere == []


def pane(page: Page, which: int = 0):
    return page.locator(".pane").nth(which)


def shown(page: Page, which: int = 0) -> list[str]:
    return pane(page, which).locator(".items li").evaluate_all("nodes => nodes.map(node => node.dataset.item)")


def direct(server: Server, prefix: str = "", **request) -> list[str]:
    body = {"requests": [request], "top_k": 20}
    return [item["item_id"] for item in server.post(f"{prefix}/rank", body).json()["answers"][0]["items"]]


def settled(page: Page, expected: list[str], which: int = 0) -> None:
    page.wait_for_function(
        "([which, wanted]) => { const nodes = document.querySelectorAll('.pane')[which].querySelectorAll('.items li');"
        " return JSON.stringify([...nodes].map(node => node.dataset.item)) === wanted; }",
        arg=[which, json.dumps(expected, separators=(",", ":"))],
        timeout=10_000,
    )


def test_answers_come_as_one_types_also_to_a_prefix(page, exploring):
    query = pane(page).get_by_label("Query")
    for typed in ("gr", "green"):
        query.press_sequentially(typed[len(query.input_value()) :])
        settled(page, direct(exploring, task="search", query=typed))
    assert "items in" in pane(page).get_by_role("status").inner_text()


def test_every_field_counts(page, exploring):
    fields = {"User": ("user_id", "u3"), "Country": ("country", "DE"), "Source item": ("source_item_id", "i9")}
    asked = {"task": "recommendation"}
    pane(page).get_by_label("Task").select_option("recommendation")
    for label, (name, value) in fields.items():
        pane(page).get_by_label(label, exact=True).fill(value)
        asked[name] = value
        settled(page, direct(exploring, **asked))


def test_what_was_imputed_and_what_was_never_met_is_said(page):
    pane(page).get_by_label("User").fill("a stranger")
    page.wait_for_selector(".gaps .unknown")
    said = pane(page).locator(".gaps span").all_inner_texts()
    assert "user: never met" in said and "query: none" in said and "country: unknown" in said


def test_items_tell_what_they_are_and_why_they_are_there(page, exploring):
    pane(page).get_by_label("Query").fill("red")
    settled(page, direct(exploring, task="search", query="red"))
    first = pane(page).locator(".items li").first.inner_text()
    assert "Home > " in first and "found by" in first and "engagements" in first


def test_a_title_of_markup_does_nothing(page, exploring):
    exploring_items = direct(exploring, task="search", query="red chair")
    pane(page).get_by_label("Query").fill("red chair")
    settled(page, exploring_items)
    assert "i4" in exploring_items
    assert MARKUP in pane(page).locator("li[data-item=i4] .title").inner_text()
    assert page.evaluate("window.broken") is None
    assert page.locator("main img, main b").count() == 0


def test_similar_items_are_one_click_away(page, exploring):
    item = shown(page)[0]
    pane(page).get_by_role("button", name="Similar to this").first.click()
    settled(page, direct(exploring, task="similar", source_item_id=item))


def test_two_contexts_side_by_side_with_the_changes_of_rank(page, exploring):
    """By keyboard alone, as far as the second context."""
    page.get_by_label("Side by side").focus()
    page.keyboard.press("Space")
    pane(page, 1).get_by_label("Model").select_option(index=0)
    pane(page, 1).get_by_label("Query").focus()
    page.keyboard.type("blue")
    left, right = direct(exploring, task="search"), direct(exploring, task="search", query="blue")
    settled(page, right, 1)
    settled(page, left, 0)
    was = {item: rank for rank, item in enumerate(left, start=1)}
    for rank, (item, node) in enumerate(zip(right, pane(page, 1).locator(".items li").all(), strict=True), start=1):
        moved = node.locator(".moved").inner_text()
        change = was[item] - rank if item in was else None
        assert moved == (
            "new" if change is None else f"▲ {change}" if change > 0 else f"▼ {-change}" if change < 0 else "="
        )
    assert pane(page, 0).locator(".moved").all_inner_texts() == [""] * len(left)


def test_two_models_side_by_side(page, exploring):
    page.get_by_label("Side by side").check()
    pane(page, 0).get_by_label("Query").fill("green lamp")
    pane(page, 1).get_by_label("Query").fill("green lamp")
    settled(page, direct(exploring, task="search", query="green lamp"), 0)
    settled(page, direct(exploring, "/beside", task="search", query="green lamp"), 1)


def test_what_is_wrong_is_said_and_typing_on_mends_it(browser, exploring):
    page = browser.new_page()  # on which the browser itself complains of the refusal
    page.goto(exploring.url)
    page.wait_for_selector(".items li")
    pane(page).get_by_label("Query").fill("x" * 2500)
    page.wait_for_selector(".status.wrong")
    assert "2000 characters" in pane(page).get_by_role("status").inner_text()
    pane(page).get_by_label("Query").fill("red")
    settled(page, direct(exploring, task="search", query="red"))
    assert page.locator(".status.wrong").count() == 0
    page.close()


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_it_fits_and_a_link_brings_back_what_was_asked(browser, exploring, width, height, scheme):
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened = context.new_page()
    state = [{"task": "search", "query": "red"}, {"task": "similar", "source_item_id": "i3", "model": "beside/"}]
    opened.goto(f"{exploring.url}/#{quote(json.dumps(state))}")
    opened.wait_for_selector(".pane:nth-of-type(2) .items li")
    settled(opened, direct(exploring, task="search", query="red"), 0)
    settled(opened, direct(exploring, "/beside", task="similar", source_item_id="i3"), 1)
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_with_a_token_the_page_asks_for_it(browser, fitted):
    with served(fitted, "--reload-seconds", "0", token="secret") as server:
        opened = browser.new_page()
        opened.goto(server.url)
        opened.get_by_label("Token").fill("secret")
        opened.get_by_role("button", name="Enter").click()
        opened.wait_for_selector(".items li")
        assert not opened.get_by_label("Token").is_visible()
        opened.close()


def test_suggestions_begin_with_the_text_and_then_hold_it(ranker):
    found = [one.value for one in suggestions(ranker, "item", "red c")]
    titles = dict(ranker.items.select("item_id", "title").iter_rows())
    assert found and all("red c" in titles[item] for item in found)
    assert [one.value for one in suggestions(ranker, "country", "k")] == ["KR"]
    assert suggestions(ranker, "user", "u1")[0].value == "u1"
    assert suggestions(ranker, "query", "no such") == []
    assert suggestions(ranker, "item", "i7")[0].value == "i7"
    assert len(suggestions(ranker, "item", "")) == 10
    assert suggestions(ranker, "query", "(.*[") == []  # a text, no pattern
