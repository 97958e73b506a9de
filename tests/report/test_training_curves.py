"""Training curves of a run: loss and inner score of each row, on scales that compare."""

from histoscribe.predictor.training_curve import TRAINING_FILE
from histoscribe.report.template import environment
from histoscribe.report.training_curves import training_curves

HEAD = "member,epoch,loss,inner_score,metric,kept\n"


def write_row(run, row, *folds):
    """Curves of a row, whose best epoch is the second; each fold adds its number to the scores."""
    for number, scores in enumerate(folds):
        folder = run / "predictors" / row / f"P{number}"
        folder.mkdir(parents=True)
        lines = [
            f"1,{epoch},{9 - epoch},{score},pcc,{int(epoch == 2)}\n"
            for epoch, score in enumerate(scores, start=1)
        ]
        (folder / TRAINING_FILE).write_text(HEAD + "".join(lines))


def page(curves):
    return environment().get_template("training.html.j2").render(training=curves)


def test_inner_scores_of_all_rows_are_on_one_scale(tmp_path):
    write_row(tmp_path, "egn", (0.1, 0.4, 0.2), (0.0, 0.3))
    write_row(tmp_path, "vit", (0.01, 0.02))
    egn, vit = training_curves(tmp_path, ("egn", "vit", "ridge"))
    assert egn.inner_score.up == vit.inner_score.up
    assert (egn.metric, egn.kept, vit.kept) == ("pcc", "2 of 2 to 3", "2 of 2")
    assert [line.name for line in egn.loss.lines] == ["fold P0", "fold P1"]
    text = page((egn, vit))
    assert "Epochs kept: 2 of 2 to 3." in text
    assert 'var(--c1)">fold P1</b>' in text
    assert "<details>" not in text


def test_without_validation_patients_there_is_a_loss_alone(tmp_path):
    write_row(tmp_path, "egn", ("", ""))
    (egn,) = training_curves(tmp_path, ("egn",))
    assert egn.inner_score is None
    assert len(egn.loss.lines) == 1
    assert "inner score (" not in page((egn,))


def test_many_rows_are_folded_away_after_six(tmp_path):
    rows = tuple(f"k{n}" for n in range(9))
    for row in rows:
        write_row(tmp_path, row, (0.1, 0.2))
    text = page(training_curves(tmp_path, rows))
    assert text.index("<h3>k5") < text.index("3 more rows: k6, k7, k8</summary>")
    assert text.index("<details>") < text.index("<h3>k6")
