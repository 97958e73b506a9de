"""The built site, opened from disk in Chromium: links, search and previous and next work there."""

import re
import shutil
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "build" / "docs"
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="no site: run `make docs`"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]
PAGES = sorted({path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html")} - {"404.html"})
"""Without the page for a server: its links start at the root of the site."""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page of the browser; at the end, nothing left the disk and no script failed."""
    made = browser.new_page(viewport={"width": 1440, "height": 900})
    addresses, failures = [], []
    made.on("request", lambda request: addresses.append(request.url))
    made.on("requestfailed", lambda request: _note(request, failures))
    made.on("pageerror", lambda error: failures.append(str(error)))
    yield made
    made.close()
    assert [url for url in addresses if not url.startswith(("file:", "blob:", "data:"))] == []
    assert failures == []


def _note(request, failures: list[str]) -> None:
    if request.failure != "net::ERR_ABORTED":  # the next page was opened before all had come
        failures.append(f"{request.url}: {request.failure}")


def address(name: str) -> str:
    return (SITE / name).as_uri()


def test_links_of_the_navigation_open_pages(page):
    page.goto(address("index.html"))
    page.get_by_role("link", name="How to", exact=True).first.click()
    page.wait_for_url(re.compile(r"howto/own-visium-data\.html$"))
    page.get_by_role("link", name="Predict a new slide").first.click()
    page.wait_for_url(re.compile(r"howto/new-slide\.html$"))
    assert page.locator("h1").inner_text().startswith("Predict a")
    page.locator(".md-footer__link--next").click()
    page.wait_for_url(re.compile(r"howto/view\.html$"))
    page.locator(".md-footer__link--prev").click()
    page.wait_for_url(re.compile(r"howto/new-slide\.html$"))


def test_a_word_is_found_and_its_page_opens(page):
    page.goto(address("index.html"))
    page.locator(".md-search__input").click()
    page.locator(".md-search__input").press_sequentially("surrogate")
    result = page.locator("a.md-search-result__link[href*='chance-levels']").first
    result.wait_for()
    result.click()
    page.wait_for_url(re.compile(r"concepts/chance-levels\.html"))


@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_is_wider_than_its_window(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    wide = []
    for name in PAGES:
        page.goto(address(name))
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(name)
    assert wide == []


def test_every_link_of_every_page_leads_to_a_file(page):
    broken = []
    for name in PAGES:
        text = (SITE / name).read_text("utf-8")
        for link in re.findall(r'(?:href|src)="([^"#?:]+)[^":]*"', text):
            if not (SITE / name).parent.joinpath(link).exists():
                broken.append(f"{name}: {link}")
    assert broken == []
