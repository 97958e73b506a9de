"""Files of the viewer's page: of one look with the report, and with nothing from elsewhere."""

import hashlib
import re

import pytest

from tests.viewer.stub import STATIC

REPORT = STATIC.parent.parent / "report"
OWN = sorted(path for path in STATIC.iterdir() if not path.name.startswith("openseadragon"))
OPENSEADRAGON_6_1_1 = "14d587cd3ee7c4861f1a41077ce642029364a21029956ba635bd8fb1202cf9ad"


def text(name, folder=STATIC):
    return (folder / name).read_text(encoding="utf-8")


def tokens(css):
    """Names and colours of a style sheet's variables, light and dark."""
    return re.findall(r"--([a-z-]+): (#[0-9a-f]+)", css)


def stops(script, name):
    return re.findall("#[0-9a-f]{6}", script.split(f"{name}: [")[1].split("]")[0])


def test_the_viewer_has_the_colours_of_the_report():
    report = tokens(text("page.css", REPORT))
    viewer = tokens(text("page.css"))
    assert len(viewer) > 20
    assert set(viewer) <= set(report)


@pytest.mark.parametrize(
    ("viewer", "report"),
    [("cividis", "rising"), ("signed", "signed"), ("difference", "difference")],
)
def test_the_palettes_of_the_report_are_the_same(viewer, report):
    expected = stops(text("palette.js", REPORT / "scripts"), report)
    assert len(expected) == 13
    assert stops(text("palettes.js"), viewer) == expected


def test_the_page_has_no_inline_script_and_no_inline_style():
    page = text("index.html")
    assert "style=" not in page
    assert "<style" not in page
    assert not re.search(r"\son[a-z]+=", page)
    assert all("src=" in tag for tag in re.findall("<script[^>]*>", page))


def test_the_page_names_no_address_elsewhere():
    for path in OWN:
        if path.suffix in {".js", ".css", ".html"}:
            assert not re.search(
                r"https?:|//[a-z]", text(path.name).replace("http://www.w3.org", "")
            )


def test_texts_of_files_are_never_read_as_html():
    for path in OWN:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write", text(path.name))


def test_scripts_stay_small_and_import_files_that_are_there():
    for path in OWN:
        if path.suffix == ".js":
            script = text(path.name)
            assert len(script.splitlines()) <= 220, path.name
            for name in re.findall(r'from "\./([\w.]+)"', script):
                assert (STATIC / name).is_file(), f"{path.name} imports {name}"


def test_openseadragon_is_the_published_file_with_its_licence():
    shipped = (STATIC / "openseadragon.min.js").read_bytes()
    assert hashlib.sha256(shipped).hexdigest() == OPENSEADRAGON_6_1_1
    assert "Redistribution and use" in text("LICENSE.openseadragon.txt")
