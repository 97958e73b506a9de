"""A hook of mkdocs: adds the pages that `python -m docs.site.pages` wrote to the site."""

import shutil
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

PAGES = Path(__file__).parents[2] / "build" / "pages"
RUN = "demo"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add each file of the folder under its own path; of the demo's run only the report."""
    if not PAGES.is_dir():
        raise PluginError(f"no pages of the gallery in {PAGES}: run `make docs`")
    pages = [path for path in sorted(PAGES.glob("*/*")) if path.parent.name != RUN]
    for path in [*pages, PAGES / RUN / "report.html"]:
        name = path.relative_to(PAGES).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """Lay the files of the run, which the report links, beside it as they are."""
    shutil.copytree(PAGES / RUN, Path(config.site_dir) / RUN, dirs_exist_ok=True)
