"""The page in a real browser: every control is used, nothing fails, nothing leaves the page."""

import csv
import shutil
from contextlib import contextmanager

import pandas as pd
import pytest

from histoscribe.report import write
from tests.report.made import keep_values, make_run

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no Playwright: pip install playwright"
)

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium"),
]

DESK, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Page of a run with two sections of different size."""
    folder = make_run(tmp_path_factory.mktemp("browser") / "run", n_patients=6)
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    scores["section"] = scores["section"].replace({"S0a": "A", "S0b": "B"})
    scores.to_csv(folder / "scores.csv", index=False)
    for section, n_spots in (("A", 20), ("B", 25)):
        keep_values(folder, section, n_spots=n_spots)
    return write(folder)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


@contextmanager
def opened(browser, report, address="", viewport=DESK, **settings):
    """The page after it is drawn; at the end, nothing may have failed or left it."""
    failures = []
    context = browser.new_context(viewport=viewport, accept_downloads=True, **settings)
    page = context.new_page()
    page.on("console", lambda said: said.type == "log" or failures.append(said.text))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda asked: left_by(asked.url, report) and failures.append(asked.url))
    page.goto(report.as_uri() + address)
    page.locator("#map-measured-ramp div").first.wait_for()
    yield page
    page.wait_for_timeout(100)
    context.close()
    assert failures == []


def left_by(url, report):
    """Whether this request leaves the page."""
    return not url.startswith((report.as_uri(), "data:", "blob:"))


def expect(locator):
    return playwright.expect(locator)


def pixels(page, panel):
    return page.locator(f"#map-{panel}").evaluate("canvas => canvas.toDataURL()")


def changed(page, panels, act):
    """Whether each of the panels looks different after it."""
    before = [pixels(page, panel) for panel in panels]
    act()
    page.wait_for_timeout(150)
    return [old != pixels(page, panel) for old, panel in zip(before, panels, strict=True)]


def pick_gene(page, name):
    page.select_option("#pick-gene", str(page.evaluate("name => data.genes.indexOf(name)", name)))


PANELS = ("measured", "predicted", "difference")
N_BYTES = """canvas => new Set(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size"""
AT_GENE = """name => {
    const chart = drawn.get("chart-skewness");
    const at = chart.data.datasets[1].data.findIndex(({gene}) => data.genes[gene] === name);
    const {x, y} = chart.getDatasetMeta(1).data[at];
    return {x, y};
}"""


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_and_map_is_drawn(browser, report, viewport, scheme):
    with opened(browser, report, viewport=viewport, color_scheme=scheme) as page:
        for canvas in page.locator("canvas").all():
            size = canvas.evaluate("c => [c.clientWidth, c.clientHeight]")
            assert min(size) > 100
            assert canvas.evaluate(N_BYTES) > 3  # an empty canvas has one colour
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        sizes = [page.locator(f"#map-{panel}").bounding_box() for panel in PANELS]
        assert len({(round(box["width"]), round(box["height"])) for box in sizes}) == 1
        # the best of the made-up genes is the last: pcc_given_depth grows by 0.1 a gene
        expect(page.locator("#gene-words")).to_contain_text("NA, predicted by ridge: pcc 0.200")
        expect(page.locator("#gene-words")).to_contain_text("chosen as the best gene of ridge")
        expect(page.locator("#map-words")).to_contain_text("section pcc is 0.200")


def test_gene_model_section_and_score_change_words_maps_and_charts(browser, report):
    with opened(browser, report) as page:
        acts = (
            lambda: pick_gene(page, "ERBB2"),
            lambda: page.select_option("#pick-model", "depth"),
            lambda: page.select_option("#pick-view", label="section B (patient 000)"),
        )
        assert all(changed(page, PANELS, acts[0]))
        assert changed(page, PANELS, acts[1])[1:] == [True, True]
        assert all(changed(page, PANELS, acts[2]))
        expect(page.locator("#gene-words")).to_contain_text("ERBB2, predicted by depth: pcc 0.100")
        expect(page.locator("#map-measured-title")).to_have_text(
            "ERBB2, measured in section B (patient 000)"
        )
        expect(page.locator("#chart-values-title")).to_have_text("ERBB2: measured values")
        before = page.locator("#chart-detection").evaluate("c => c.toDataURL()")
        page.select_option("#pick-score", "pcc")
        assert page.locator("#chart-detection").evaluate("c => c.toDataURL()") != before
        page.click("#better")
        expect(page.locator("#gene-words")).not_to_contain_text("ERBB2")
        page.click("#worse")
        expect(page.locator("#gene-words")).to_contain_text("ERBB2")


def test_colours_tissue_and_zoom_change_the_maps(browser, report):
    with opened(browser, report) as page:
        # the prediction has a smaller range than the values, which keep the common one
        own = changed(page, PANELS, lambda: page.select_option("#pick-scale", "own"))
        assert own[1:] == [True, True]
        assert all(changed(page, PANELS, lambda: page.uncheck("#pick-tissue")))
        assert all(changed(page, PANELS, lambda: page.click("#zoom-in")))
        assert all(changed(page, PANELS, lambda: page.click("#zoom-in")))
        assert all(changed(page, PANELS, lambda: page.click("#zoom-out")))
        assert all(changed(page, PANELS, lambda: page.click("#zoom-all")))


def test_a_map_is_moved_and_read_by_mouse_and_by_keys(browser, report):
    with opened(browser, report) as page:
        box = page.locator("#map-predicted").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.locator("#map-predicted").scroll_into_view_if_needed()
        box = page.locator("#map-predicted").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        def wheel():
            page.mouse.move(*middle)
            page.keyboard.down("Control")
            page.mouse.wheel(0, -300)
            page.mouse.wheel(0, -300)
            page.keyboard.up("Control")

        def drag():
            page.mouse.move(*middle)
            page.mouse.down()
            page.mouse.move(middle[0] - 30, middle[1] - 30)
            page.mouse.up()

        assert all(changed(page, PANELS, wheel))
        assert all(changed(page, PANELS, drag))
        page.locator("#map-predicted").dblclick()
        page.locator("#map-measured").focus()
        for key in ("+", "+", "ArrowLeft", "ArrowDown", "-", "0"):
            assert all(changed(page, PANELS, lambda k=key: page.keyboard.press(k))), key
        read = page.evaluate(
            "() => { const v = maps.view; pointAt(v.x[3], v.y[3]);"
            " return element('map-spot').textContent; }"
        )
        assert read.startswith("Spot at x ")
        assert all(word in read for word in ("measured", "predicted", "difference"))


def test_a_finger_scrolls_the_page_until_a_map_is_zoomed(browser, report):
    with opened(browser, report, viewport=PHONE, has_touch=True) as page:
        canvas = page.locator("#map-measured")
        assert canvas.evaluate("c => getComputedStyle(c).touchAction") == "pan-y"
        page.tap("#zoom-in")
        assert canvas.evaluate("c => getComputedStyle(c).touchAction") == "none"


def test_address_keeps_the_choice_on_load_and_on_back(browser, report):
    address = "#gene=KRT19&model=depth&section=B"
    with opened(browser, report, address) as page:
        expect(page.locator("#map-measured-title")).to_contain_text("KRT19, measured in section B")
        expect(page.locator("#pick-model")).to_have_value("depth")
        pick_gene(page, "ERBB2")
        assert page.url.endswith("#gene=ERBB2&model=depth&section=B")
        page.evaluate("location.hash = 'genes'")  # a link inside the page changes no choice
        expect(page.locator("#map-measured-title")).to_contain_text("ERBB2")
        page.go_back()
        page.go_back()
        expect(page.locator("#map-measured-title")).to_contain_text("KRT19")
        expect(page.locator("#table-model")).to_have_value("depth")
        assert page.locator("#address-words").is_hidden()


def test_an_address_of_another_run_is_named(browser, report):
    with opened(browser, report, "#gene=XYZ&model=ridge&section=Q") as page:
        words = page.locator("#address-words")
        expect(words).to_contain_text("the gene XYZ, which this page does not have")
        expect(words).to_contain_text("the section Q")


def test_a_constant_prediction_is_called_constant_and_references_say_why(browser, report):
    with opened(browser, report) as page:
        off = page.locator("#pick-model option[disabled]").all_text_contents()
        assert off == ["oracle-depth (a reference: no map)", "shuffled (a reference: no map)"]
        page.select_option("#pick-model", "mean")
        expect(page.locator("#map-predicted-title")).to_contain_text("the same value in every spot")
        expect(page.locator("#map-predicted-ramp")).to_contain_text("constant: ")


def test_the_table_is_sorted_searched_and_chosen_from(browser, report):
    with opened(browser, report) as page:
        first = page.locator("#gene-table tbody th").first
        head = page.locator("#gene-table thead th")
        expect(first).to_have_text("NA")
        head.nth(0).locator("button").click()
        expect(first).to_have_text("<script>alert(1)</script>")
        assert head.nth(0).get_attribute("aria-sort") == "ascending"
        page.keyboard.press("Enter")  # the focus stayed on the head
        expect(first).to_have_text("NA")
        page.select_option("#table-model", "depth")
        expect(page.locator("#pick-model")).to_have_value("depth")
        page.fill("#table-search", "krt")
        expect(page.locator("#table-count")).to_have_text("1 of 4 genes")
        first.locator("button").click()
        expect(page.locator("#map-measured-title")).to_contain_text("KRT19, measured")
        assert page.locator("#maps").evaluate("e => e.getBoundingClientRect().top") < 200


def test_the_table_is_saved_as_csv(browser, report, tmp_path):
    with opened(browser, report) as page:
        with page.expect_download() as waiting:
            page.click("#table-csv")
        waiting.value.save_as(tmp_path / "genes.csv")
    with (tmp_path / "genes.csv").open(encoding="utf-8") as file:
        rows = {(row["gene"], row["model"]): row for row in csv.DictReader(file)}
    run = pd.read_csv(report.with_name("genes.csv"), keep_default_na=False)
    assert len(rows) == len(run)
    for of in run.to_dict("records"):
        row = rows[of["gene"], of["model"]]
        assert all(float(row[key]) == of[key] for key in of if key not in ("gene", "model"))


def test_many_genes_are_shown_on_demand(browser, tmp_path):
    genes = tuple(f"G{place:02}" for place in range(30))
    folder = make_run(tmp_path / "run", genes=genes)
    keep_values(folder, "A", genes=genes)
    with opened(browser, write(folder)) as page:
        rows = page.locator("#gene-table tbody tr")
        expect(rows).to_have_count(20)
        page.click("#table-all")
        expect(rows).to_have_count(30)
        expect(page.locator("#table-all")).to_have_text("Show the first 20 only")


def test_a_click_on_a_dot_chooses_its_gene(browser, report):
    with opened(browser, report) as page:
        spot = page.evaluate(AT_GENE, "ERBB2")
        page.locator("#chart-skewness").click(position=spot)
        expect(page.locator("#gene-words")).to_contain_text("ERBB2")


def test_paper_is_light_in_the_dark_too(browser, report):
    with opened(browser, report, color_scheme="dark") as page:
        assert page.evaluate("colour('ink')") == "#e6edf3"
        page.emulate_media(media="print")
        page.wait_for_timeout(200)
        assert page.evaluate("colour('ink')") == "#1b1f24"
        assert page.locator("#pick-gene").is_hidden()
        assert page.locator("#map-measured").is_visible()
        shape = "c => [c.width / c.height, c.clientWidth / c.clientHeight]"
        drawn, printed = page.locator("#map-measured").evaluate(shape)
        assert printed == pytest.approx(drawn, rel=0.02), "a map on paper keeps its shape"
        expect(page.locator("#gene-table tbody th").first).to_be_visible()
        assert page.locator("#gene-table .other").first.is_hidden()


def test_a_thumbnail_opens_the_map_of_its_gene_and_section(browser, report):
    with opened(browser, report, viewport=PHONE) as page:
        link = page.locator(".thumbs a").nth(2)
        gene, section = link.locator("strong").inner_text(), link.locator("small").inner_text()
        assert gene != page.evaluate("data.genes[state.gene]")
        link.click()
        expect(page.locator("#map-words")).to_contain_text(gene)
        assert section.startswith(
            f"section {page.evaluate('data.maps.views[state.view].section')},"
        )
        expect(page.locator("#maps")).to_be_in_viewport()
        link.focus()
        page.keyboard.press("Enter")  # the same by keyboard


def test_the_menu_folds_on_a_phone_and_stays_beside_the_page_on_a_desk(browser, report):
    with opened(browser, report, viewport=PHONE) as page:
        expect(page.locator("nav.side")).to_be_hidden()
        page.locator(".menu summary").click()
        page.locator(".menu a", has_text="Files").click()
        expect(page.locator("#files")).to_be_in_viewport()
    with opened(browser, report) as page:
        expect(page.locator(".menu")).to_be_hidden()
        page.locator(".side a", has_text="Files").click()
        expect(page.locator("#files")).to_be_in_viewport()
        expect(page.locator(".side a").first).to_be_in_viewport()


def test_the_first_key_skips_the_menu(browser, report):
    with opened(browser, report) as page:
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()


def test_without_a_script_the_result_and_its_genes_are_on_the_page(browser, report):
    context = browser.new_context(java_script_enabled=False, viewport=DESK)
    page = context.new_page()
    page.goto(report.as_uri())
    expect(page.locator(".numbers li").first).to_be_visible()
    assert page.locator(".thumbs img").count() == 6
    expect(page.locator(".charts").first).to_be_hidden()
    expect(page.locator("noscript").first).to_be_visible()
    context.close()


def test_a_browser_that_cannot_unpack_maps_says_so_and_shows_the_rest(browser, report):
    context = browser.new_context(viewport=DESK)
    context.add_init_script("delete window.DecompressionStream")
    page, failures = context.new_page(), []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(report.as_uri())
    expect(page.locator("#map-words")).to_contain_text("This browser is too old for the maps")
    expect(page.locator("#map-panels")).to_be_hidden()
    expect(page.locator("#pick-gene")).to_be_visible()
    context.close()
    assert failures == []
