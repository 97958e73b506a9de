"""A real browser on the viewer's page, which notes what fails and what leaves the machine."""

import io
import shutil
from contextlib import contextmanager

import numpy as np
from PIL import Image

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
READY = "#stage[aria-busy=false]"


@contextmanager
def opened(browser, url, fragment="", viewport=DESK, **settings):
    """The page when it shows its first gene; at the end, nothing may have failed or left it."""
    failures = []
    context = browser.new_context(viewport=viewport, accept_downloads=True, **settings)
    page = context.new_page()
    page.on("console", lambda said: fails(said) and failures.append(said.text))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda sent: leaves(sent.url, url) and failures.append(sent.url))
    page.goto(url + fragment)
    page.locator(READY).wait_for()
    page.wait_for_timeout(250)
    yield page
    page.wait_for_timeout(100)
    context.close()
    assert failures == []


def fails(said):
    # drivers without a graphics card note that screenshots are slow
    return said.type != "log" and "GL Driver Message" not in said.text


def leaves(url, page_url):
    """Whether this request goes elsewhere than to the server of the page."""
    return not url.startswith((page_url, "blob:"))


def settle(page):
    """Wait until the page has followed the last change, and its panels have stopped moving."""
    page.wait_for_timeout(120)
    page.locator(READY).wait_for()
    page.wait_for_timeout(600)


def pixels(page, panel):
    """Colours of a panel as they are on the screen."""
    picture = page.locator(f"#panel-{panel} .map").screenshot()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def changed(page, panels, act):
    """Whether each of the panels looks different after it."""
    page.mouse.move(2, 2)
    before = [pixels(page, panel) for panel in panels]
    act()
    settle(page)
    return [not same(old, pixels(page, panel)) for old, panel in zip(before, panels, strict=True)]


def same(one, other):
    return one.shape == other.shape and np.abs(one - other).max() <= 2


def fragment_of(page):
    return page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")


def middle(page, panel="predicted"):
    box = page.locator(f"#panel-{panel} .map").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
