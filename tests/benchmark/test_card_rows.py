"""What the card says of networks, in words."""

from dataclasses import replace

from histoscribe.benchmark.card_rows import row_lines
from histoscribe.train.settings import TrainSettings
from histoscribe.types import ExemplarsCard, RowCard

SHOWN = ExemplarsCard(
    n=9,
    draw="nearest",
    distance="l2",
    training_exclusion="section",
    test_exclusion="patient",
    pool=910,
    pool_in_training=910,
    perceptual=None,
    shift="retrieval shift: said",
)


def lines(**rows):
    return list(row_lines(rows, TrainSettings(keep="last")))


def test_a_run_without_networks_has_no_such_table():
    assert not lines(ridge=RowCard(model="ridge", settings={}, n_parameters={"A": 3}))


def test_each_network_says_its_size_its_start_and_its_exemplars():
    row = RowCard(
        model="egn",
        settings={"model": "egn", "preset": "small", "exemplars": {"n": 9}},
        n_parameters={"A": 1000, "B": 1200},
        epochs=20,
        batch_size=32,
        departures=("20 epochs (50)", "preset small"),
        weights={"A": "none", "B": "none"},
        exemplars={"A": SHOWN, "B": replace(SHOWN, pool=1200)},
    )
    text = "\n".join(lines(near=row))
    assert "The last epoch was kept." in text
    assert (
        "| near | egn | preset small | 20 | 32 | 20 epochs (50), preset small | 1,000 to 1,200 "
        "| none | 9, nearest by l2, none of the same section in training, none of the same patient "
        "in test; pools: A 910, B 1,200; retrieval shift: said |"
    ) in text


def test_a_network_that_looks_nothing_up_says_so():
    row = RowCard(
        model="vit",
        settings={},
        n_parameters={"A": 5},
        epochs=50,
        batch_size=32,
        weights={"A": "sha256:ab"},
    )
    assert "| vit | vit | default | 50 | 32 |  | 5 | sha256:ab | none |" in "\n".join(
        lines(vit=row)
    )


def test_a_loss_that_the_settings_name_is_on_the_card():
    row = RowCard(model="vit", settings={}, n_parameters={"A": 5}, weights={"A": "none"})
    for loss, says in (("zinb", "likelihood of raw counts"), ("mse-pcc", "a weight of 0.5 for")):
        settings = TrainSettings(loss=loss, pcc_weight=0.5)
        text = "\n".join(row_lines({"vit": row}, settings))
        assert f"Loss of all of them: `{loss}`, " in text
        assert says in text
    assert "Loss of" not in "\n".join(lines(vit=row))
