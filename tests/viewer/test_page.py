"""The viewer's page in a real browser: every control is used, and nothing leaves the machine."""

import csv
import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.viewer.browsing import (
    BROWSER,
    DESK,
    PHONE,
    READY,
    changed,
    fragment_of,
    middle,
    opened,
    pixels,
    settle,
)
from tests.viewer.stub import StubSection, served

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no Playwright: pip install playwright"
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium"),
]
VALUES = ("measured", "predicted", "difference")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def url():
    sections = (
        StubSection(warnings=("an <i>unusual</i> slide",)),
        StubSection(id="S2", side=40, has_slide=False, shape="squares"),
        StubSection(id="S3", has_measured=False),
    )
    with served(*sections) as (address, _):
        yield address


def expect(locator):
    return playwright.expect(locator)


def lasso(page, corners=((-60, -60), (60, -60), (60, 60), (-60, 60))):
    x, y = middle(page)
    page.click("#lasso")
    page.mouse.move(x + corners[0][0], y + corners[0][1])
    page.mouse.down()
    for right, down in corners[1:]:
        page.mouse.move(x + right, y + down, steps=6)
    page.mouse.up()
    settle(page)


def apart(one, other):
    """Difference of two pictures that may lie a pixel beside one another."""
    inner = one[2:-2, 2:-2]
    height, width = inner.shape[:2]
    return min(
        np.abs(inner - other[down : down + height, right : right + width]).mean()
        for down in range(1, 4)
        for right in range(1, 4)
    )


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_panel_is_drawn(browser, url, viewport, scheme):
    with opened(browser, url, viewport=viewport, color_scheme=scheme) as page:
        panels = VALUES if viewport is DESK else ("predicted",)
        assert page.locator(".panel:visible").count() == len(panels)
        for panel in panels:
            assert len(np.unique(pixels(page, panel).reshape(-1, 3), axis=0)) > 100
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]


def test_panels_show_the_same_part_of_the_section(browser, url):
    with opened(browser, url) as page:
        page.mouse.move(*middle(page))
        page.mouse.wheel(0, -600)
        settle(page)
        # the same nucleus lies at the same place of each panel: tissue alone is equal
        page.evaluate("document.querySelectorAll('.points, .over').forEach(c => c.hidden = true)")
        one, two, three = (pixels(page, panel) for panel in VALUES)
        assert apart(one, two) < 2
        assert apart(one, three) < 2


def test_a_change_of_the_window_keeps_panels_linked_and_all_places_in_view(browser, url):
    with opened(browser, url, "#tissue=no") as page:
        for size in ({"width": 1100, "height": 620}, {"width": 1440, "height": 1000}, DESK):
            page.set_viewport_size(size)
            settle(page)
            rows = [
                np.flatnonzero((pixels(page, panel) < 250).any(axis=(1, 2))) for panel in VALUES
            ]
            assert len({(row[5], row[-5]) for row in rows}) == 1 or apart_by(rows) <= 1
        assert "view" not in fragment_of(page)


def apart_by(rows):
    ends = np.array([[row[5], row[-5]] for row in rows])
    return np.ptp(ends, axis=0).max()


def test_wheel_drag_and_keys_move_all_panels(browser, url):
    with opened(browser, url) as page:
        x, y = middle(page, "difference")

        def drag():
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x - 40, y - 40, steps=4)
            page.mouse.up()

        def wheel():
            page.mouse.move(x, y)
            page.mouse.wheel(0, -300)

        for act in (wheel, drag, *(lambda key=key: page.keyboard.press(key) for key in "+-0")):
            assert all(changed(page, VALUES, act))
        assert all(changed(page, VALUES, lambda: page.keyboard.press("ArrowLeft")))


def test_a_gene_is_found_by_its_symbol_with_score_and_trust(browser, url):
    with opened(browser, url) as page:
        page.keyboard.press("/")
        rows = page.locator("#gene-list [role=option]")
        expect(rows).to_have_count(12)
        expect(rows.first).to_have_text("ERBB20.70● above chance")
        expect(rows.last).to_have_text("GENE6—trust unknown")
        page.keyboard.type("krt")
        expect(rows).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.locator("#title-predicted")).to_have_text("KRT19, predicted")
        expect(page.locator("#gene-words")).to_contain_text(
            "pcc_given_depth on held-out patients 0.65"
        )
        assert fragment_of(page) == {"gene": "ENSG00000000001"}
        assert all(changed(page, VALUES, lambda: page.keyboard.press("]")))
        expect(page.locator("#title-measured")).to_have_text("<b>X</b>, measured")


def test_a_gene_costs_one_request_for_each_kind_and_none_the_second_time(browser):
    with served(StubSection()) as (url, stub), opened(browser, url) as page:
        before = len(stub.paths)
        page.keyboard.press("]")
        settle(page)
        kinds = sorted(path for path in stub.paths[before:] if path.startswith("s/"))
        assert kinds == [
            f"s/0/gene/1/{kind}.bin" for kind in ("difference", "measured", "predicted")
        ]
        page.keyboard.press("[")
        page.keyboard.press("]")
        settle(page)
        assert len([path for path in stub.paths[before:] if path.startswith("s/")]) == 3


def test_a_gene_that_was_not_measured_says_so(browser, url):
    with opened(browser, url, "#gene=ENSG00000000004") as page:
        words = "GENE4 was not measured in this section."
        expect(page.locator("#panel-measured .none")).to_have_text(words)
        expect(page.locator("#panel-predicted .none")).to_be_hidden()


def test_opacity_palette_range_and_tissue_change_the_panels(browser, url):
    with opened(browser, url) as page:
        acts = (
            lambda: page.select_option("#palette", "magma"),
            lambda: page.fill("#opacity", "40"),
            lambda: page.uncheck("#tissue"),
        )
        assert changed(page, VALUES, acts[0]) == [True, True, False]
        assert all(all(changed(page, VALUES, act)) for act in acts[1:])
        assert all(changed(page, VALUES, lambda: page.select_option("#range", "separate")))
        page.select_option("#range", "given")
        page.fill("#range-low", "0.5")
        page.fill("#range-high", "1.5")
        page.keyboard.press("Enter")
        settle(page)
        assert fragment_of(page) == {
            "palette": "magma",
            "opacity": "40",
            "tissue": "no",
            "range": "0.5,1.5",
        }
        expect(page.locator("#panel-predicted .legend")).to_have_text("0.5log(1 + counts)1.5")


def test_the_colour_of_a_place_is_that_of_its_value(browser, url):
    x, y = StubSection().xy[301]
    fragment = f"#section=S3&opacity=100&palette=greys&range=0,2&view={x},{y},300"
    with opened(browser, url, fragment) as page:
        picture = pixels(page, "predicted")
        page.mouse.move(*middle(page))
        expect(page.locator("#reading")).to_contain_text("301x1")
        value = float(page.locator("#reading").text_content().split("predicted ")[1].split("\n")[0])
        centre = picture[picture.shape[0] // 2, picture.shape[1] // 2]
        expected = 0xF5 + (0x11 - 0xF5) * value / 2
        assert np.abs(centre - expected).max() <= 4


@pytest.mark.parametrize("width", [2501, 1777, 901, 433])
def test_squares_that_touch_leave_no_gap_and_no_line(browser, url, width):
    # constant colours and half opacity: a gap or a doubled pixel would be another colour
    fragment = f"#section=S2&panels=predicted&range=90,91&opacity=50&view=840,840,{width}"
    with opened(browser, url, fragment) as page:
        picture = pixels(page, "predicted")
        row, column = (side // 2 for side in picture.shape[:2])
        inner = picture[row - 200 : row + 200, column - 200 : column + 200]
        assert len(np.unique(inner.reshape(-1, 3), axis=0)) == 1
        assert inner[0, 0].max() < 200  # places, not the ground


def test_places_unlike_the_training_are_greyed_out(browser, url):
    with opened(browser, url) as page:
        expect(page.locator("#mask-words")).to_have_text("26 of 576 places are unlike it.")
        assert all(changed(page, VALUES, lambda: page.check("#mask")))


def test_facts_and_evidence_are_shown_beside_the_gene(browser, url):
    with opened(browser, url) as page:
        page.select_option("#layer", label="EMT")
        expect(page.locator("#title-layer")).to_have_text("Pathway activity: EMT")
        settle(page)
        assert changed(page, ["layer"], lambda: page.select_option("#layer", "fact:tissue")) == [
            True
        ]
        page.select_option("#layer", "")
        expect(page.locator("#panel-layer")).to_be_hidden()


def test_a_place_is_read_out_and_kept_with_its_exemplars(browser, url):
    with opened(browser, url, "#section=S3") as page:
        page.mouse.move(*middle(page))
        expect(page.locator("#reading")).to_contain_text("\npredicted ")
        expect(page.locator("#reading")).to_contain_text("tissue like the training")
        page.mouse.click(*middle(page))
        expect(page.locator("#exemplars li")).to_have_count(3)
        expect(page.locator("#exemplars img")).to_have_count(2)
        place = fragment_of(page)["place"]
        expect(page.locator("#place-values")).to_contain_text(f"{place}x1")
        page.keyboard.press("Escape")
        expect(page.locator("#place-kept")).to_be_hidden()


def test_a_lasso_gives_means_and_a_table(browser, url, tmp_path):
    with opened(browser, url, "#section=S3") as page:
        lasso(page)
        rows = page.locator("#region-means tr")
        expect(rows).to_have_count(1)
        n = int(page.locator("#region-count").text_content().split()[0])
        with page.expect_download() as waiting:
            page.click("#region-csv")
        waiting.value.save_as(tmp_path / "region.csv")
        with (tmp_path / "region.csv").open(encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        section = StubSection()
        places = [int(line["place"].removesuffix("x1")) for line in lines]
        assert len(places) == n > 9
        expected = section.predicted(0)[places]
        values = [float(line["ERBB2, predicted"]) for line in lines]
        np.testing.assert_allclose(values, expected, atol=2 / 254)
        assert float(rows.locator("td").nth(0).text_content()) == pytest.approx(
            expected.mean(), abs=0.01
        )
        box = section.xy[places]
        inside = ((section.xy >= box.min(axis=0)) & (section.xy <= box.max(axis=0))).all(axis=1)
        assert inside.sum() == n  # the line was a square
        page.keyboard.press("Escape")
        expect(page.locator("#region-tables")).to_be_hidden()
        page.click("#region-view")
        expect(page.locator("#region-count")).to_have_text("576 of 576 places are inside.")


def test_a_link_keeps_the_view(browser, url):
    with opened(browser, url) as page:
        page.keyboard.press("]")
        page.keyboard.press("3")
        page.mouse.move(*middle(page))
        page.mouse.wheel(0, -500)
        settle(page)
        lasso(page)
        page.mouse.click(*middle(page))
        page.mouse.move(2, 2)
        settle(page)
        link, before = page.url, [pixels(page, panel) for panel in VALUES[:2]]
        seen = {key: fragment_of(page)[key] for key in ("gene", "panels", "view", "lasso", "place")}
    assert all(seen.values())
    with opened(browser, url, link.removeprefix(url)) as page:
        settle(page)
        assert page.locator(".panel:visible").count() == 2
        for panel, old in zip(VALUES[:2], before, strict=True):
            assert np.abs(pixels(page, panel) - old).mean() < 1


def test_what_an_address_names_and_is_not_there_is_said(browser, url):
    with opened(browser, url, "#section=S9&gene=ENSG9&layer=fact:none") as page:
        words = "the section S9 and the gene ENSG9 and the map fact:none, which are not here"
        expect(page.locator("#problem")).to_contain_text(words)
        expect(page.locator("#title-predicted")).to_have_text("ERBB2, predicted")
        expect(page.locator("#layer")).to_have_value("")


def test_units_that_differ_share_no_scale(browser):
    with served(StubSection(other_unit="z-score")) as (url, _), opened(browser, url) as page:
        expect(page.locator("#panel-measured .legend")).to_contain_text("z-score")
        expect(page.locator("#panel-measured .legend")).to_have_text(re.compile("^−.*0 · z-score"))
        expect(page.locator("#panel-predicted .legend")).to_contain_text("log(1 + counts)")
        expect(page.locator("#panel-predicted .legend")).not_to_contain_text("−")
        expect(page.locator("#panel-difference")).to_be_hidden()
        expect(page.locator("#range option[value=shared]")).to_be_disabled()


def test_back_undoes_a_choice(browser, url):
    with opened(browser, url) as page:
        page.keyboard.press("]")
        settle(page)
        page.select_option("#section", "S2")
        expect(page.locator("#about")).to_contain_text("S2: 1,600 squares")
        page.go_back()
        expect(page.locator("#about")).to_contain_text("S1: 576 circles")
        expect(page.locator("#title-predicted")).to_have_text("KRT19, predicted")
        page.go_back()
        expect(page.locator("#title-predicted")).to_have_text("ERBB2, predicted")


def test_places_without_a_slide_and_without_measurement_are_shown(browser, url):
    with opened(browser, url, "#section=S2") as page:
        assert len(np.unique(pixels(page, "measured").reshape(-1, 3), axis=0)) > 50
        expect(page.locator("#tissue")).to_be_disabled()
        page.select_option("#section", "S3")
        expect(page.locator("#panel-measured")).to_be_hidden()
        expect(page.locator("#toggles")).to_be_hidden()


def test_the_picture_holds_all_panels(browser, url, tmp_path):
    with opened(browser, url, color_scheme="dark") as page:
        with page.expect_download() as waiting:
            page.keyboard.press("s")
        assert waiting.value.suggested_filename == "S1_ERBB2.png"
        waiting.value.save_as(tmp_path / "view.png")
        picture = np.asarray(Image.open(tmp_path / "view.png").convert("RGB")).astype(int)
        assert tuple(picture[0, 0]) == (255, 255, 255)  # paper, in the dark too
        yellow = (np.abs(picture - (0xFE, 0xE8, 0x38)).max(axis=2) < 60).sum(axis=0) > 3
        half = picture.shape[1] // 2
        assert yellow[:half].any(), "measured"
        assert yellow[half:].any(), "predicted"
        shown = Image.open(io.BytesIO(page.locator("#panel-predicted .map").screenshot()))
        assert picture.shape[1] > 2 * 2 * shown.width  # two columns at twice the screen


def test_warnings_findings_and_names_are_texts_not_html(browser, url):
    with opened(browser, url) as page:
        page.locator("#warnings summary").click()
        expect(page.locator("#warnings li")).to_have_text("an <i>unusual</i> slide")
        page.locator(".finding summary").click()
        expect(page.locator(".finding p").last).to_have_text("By chance it would stay.")
        assert (
            page.locator(".finding img").evaluate("i => i.decode().then(() => i.naturalWidth)")
            == 120
        )


def test_keys_open_panels_help_and_tools(browser, url):
    with opened(browser, url) as page:
        for key, panel in zip("123", VALUES, strict=True):
            page.keyboard.press(key)
            if panel != "difference":
                expect(page.locator(f"#panel-{panel}")).to_be_hidden()
        expect(page.locator(".panel:visible")).to_have_count(1)  # the last one stays
        page.keyboard.press("t")
        expect(page.locator("#tissue")).not_to_be_checked()
        page.keyboard.press("l")
        expect(page.locator("#lasso")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Escape")
        expect(page.locator("#lasso")).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("?")
        expect(page.locator("#help")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#help")).to_be_hidden()
        page.locator("#panel-difference .map").focus()
        page.keyboard.press("+")
        expect(page.locator("#reading")).to_contain_text("difference")
        page.keyboard.press("Enter")
        expect(page.locator("#place-kept")).to_be_visible()


def test_a_phone_shows_one_panel_and_changes_it_by_a_touch(browser, url):
    with opened(browser, url, viewport=PHONE, has_touch=True) as page:
        page.tap("#gene-search")
        expect(page.locator("#gene-list")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        page.keyboard.press("Escape")
        page.tap("#toggles [data-panel=measured]")
        expect(page.locator("#panel-measured")).to_be_visible()
        expect(page.locator("#panel-predicted")).to_be_hidden()
        settle(page)
        assert len(np.unique(pixels(page, "measured").reshape(-1, 3), axis=0)) > 100


def test_places_stay_in_sight_below_a_long_list_of_genes(browser):
    with served(StubSection(n_genes=200)) as (url, _), opened(browser, url, viewport=PHONE) as page:
        below = pixels(page, "predicted")[-100:-60]
        page.click("#gene-search")
        settle(page)
        assert page.locator("#gene-list").bounding_box()["height"] > 400
        assert np.abs(pixels(page, "predicted")[-100:-60] - below).max() <= 3


def test_a_server_that_was_stopped_is_named(browser, url):
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.goto(url)
    page.locator(READY).wait_for()
    context.set_offline(True)
    page.keyboard.press("]")
    expect(page.locator("#problem")).to_contain_text("“histoscribe view” was stopped")
    context.set_offline(False)
    page.keyboard.press("]")
    expect(page.locator("#problem")).to_be_hidden()
    context.close()
