"""The verb `explain`."""

import json

from tests.cli.small import histoscribe

__all__ = ["histoscribe"]


def test_the_command_says_what_it_found_beside_what_and_what_to_beware_of(
    histoscribe, explained, tmp_path
):
    out, predictor = tmp_path / "why", explained.folder / "egn"
    gene = explained.predictor.gene_labels[1]
    done = histoscribe(
        "explain", "exemplars", predictor, explained.manifest, "--gene", gene, "--out", out
    )
    assert done.code == 0
    finding = json.loads((out / "finding.json").read_text())
    assert finding["about"]["gene"] == gene
    assert f"found: leaning {finding['statistic'][0]['value']:.3f}" in done.out
    assert "beside: own_look_swapped" in done.out
    assert "beware: Exemplars are what the model was shown, not why" in done.out
    for name in (finding["figure"], finding["table"], "finding.json"):
        assert f"{out / name}\n" in done.out
        assert (out / name).stat().st_size > 0


def test_an_unknown_question_and_a_label_file_that_is_not_there_are_told(
    histoscribe, explained, tmp_path
):
    arguments = (explained.folder / "egn", explained.manifest, "--out", tmp_path / "why")
    done = histoscribe("explain", "saliency", *arguments)
    assert done.code == 2
    assert "one of exemplars, latent" in done.err
    done = histoscribe("explain", "latent", *arguments, "--labels", "P1S1=lost.csv")
    assert done.code == 2
    assert "--labels P1S1=lost.csv" in done.err
