"""What the card says of networks, in words."""

from histoscribe.benchmark.card_rows import row_lines

SHOWN = {
    "n": 9,
    "distance": "l2",
    "draw": "nearest",
    "training_exclusion": "section",
    "test_exclusion": "patient",
    "pool": 910,
    "shift": "retrieval shift: said",
}


def card(**models):
    return {"models": models, "train": {"epochs": 20, "keep": "last", "batch_size": 32}}


def test_a_run_without_networks_has_no_such_table():
    ridge = {"model": "ridge", "settings": {}, "n_parameters": {"A": 3}}
    assert not list(row_lines(card(ridge=ridge)))


def test_each_network_says_its_size_its_start_and_its_exemplars():
    row = {
        "model": "egn",
        "settings": {"model": "egn", "preset": "small", "exemplars": {"n": 9}},
        "n_parameters": {"A": 1000, "B": 1200},
        "weights": {"A": "none", "B": "none"},
        "exemplars": {"A": SHOWN, "B": {**SHOWN, "pool": 1200}},
    }
    text = "\n".join(row_lines(card(near=row)))
    assert "20 epochs, the last kept, batches of 32" in text
    assert (
        "| near | egn | preset small | 1,000 to 1,200 | none | 9, nearest by l2, none of the same "
        "section in training, none of the same patient in test; pools: A 910, B 1,200; retrieval "
        "shift: said |"
    ) in text


def test_a_network_that_looks_nothing_up_says_so():
    row = {"model": "vit", "settings": {}, "n_parameters": {"A": 5}, "weights": {"A": "sha256:ab"}}
    assert "| vit | vit | as published | 5 | sha256:ab | none |" in "\n".join(
        row_lines(card(vit=row))
    )
