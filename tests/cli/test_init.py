"""`histoscribe init`: from folders to a cohort that passes its check."""

import csv


def test_init_then_patients_then_check(histoscribe, cohort, tmp_path):
    for path in (cohort.manifest, cohort.settings):
        path.unlink()
    for path in cohort.folder.glob("*.spots"):
        path.rename(path.with_suffix(".spots.tsv"))
    (cohort.folder / "lost.h5ad").write_bytes(b"nonsense")
    out = tmp_path / "new"
    done = histoscribe("init", cohort.folder, "--out", out)
    assert done.code == 0
    assert "P1: st, " in done.out
    assert "passed over: " in done.out
    assert "lost.h5ad: truncated or no AnnData" in done.out
    assert "3 sections in " in done.out
    assert f"then: histoscribe check {out / 'run.toml'}" in done.out
    unfilled = histoscribe("check", out / "run.toml")
    assert unfilled.code == 2
    assert unfilled.err.count("the patient is empty") == 3
    lines = list(csv.DictReader((out / "cohort.csv").read_text().splitlines()))
    with (out / "cohort.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows({**line, "patient": f"P{n}"} for n, line in enumerate(lines))
    checked = histoscribe("check", out / "run.toml")
    assert (checked.code, checked.err) == (0, "")
    assert "P3: patient P2, 36 spots" in checked.out


def test_init_never_replaces_a_file(histoscribe, cohort):
    for path in cohort.folder.glob("*.spots"):
        path.rename(path.with_suffix(".spots.tsv"))
    before = cohort.manifest.read_text()
    done = histoscribe("init", cohort.folder, "--out", cohort.folder)
    assert done.code == 2
    assert "this file exists" in done.err
    assert cohort.manifest.read_text() == before


def test_init_of_an_empty_folder_says_what_it_looked_for(histoscribe, tmp_path):
    (tmp_path / "empty").mkdir()
    done = histoscribe("init", tmp_path / "empty", "--out", tmp_path / "out")
    assert done.code == 2
    assert "no section" in done.err
    assert not (tmp_path / "out").exists()
