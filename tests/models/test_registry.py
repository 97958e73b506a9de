import pytest

from histoscribe.models.base import (
    ExpressionModel,
    create_model,
    list_models,
    make_config,
    register,
)
from histoscribe.types import Output


def test_an_unknown_model_names_the_near_ones():
    with pytest.raises(ValueError, match="did you mean ridge"):
        create_model("rigde")


def test_an_unknown_setting_names_the_known_ones():
    with pytest.raises(ValueError, match="dropout, hidden"):
        create_model("mlp", hiden=3)


def test_a_model_that_names_a_label_is_refused():
    with pytest.raises(TypeError, match="target"):

        @register("cheat")
        class Cheat(ExpressionModel):
            """Looks at what it should predict."""

            def forward(self, feature, target) -> Output:
                return Output(target)

    assert "cheat" not in list_models()


def test_the_baselines_of_the_protocol_are_there():
    assert list_models()[:6] == ("mean", "colour", "depth", "knn", "ridge", "ridge-hest")
    assert "mlp" in list_models()


@pytest.mark.parametrize(
    ("model", "own", "said"),
    [
        ("egn", {"projector": "perhaps"}, "projector = 'perhaps'"),
        ("egn", {"dim": "big"}, "dim = 'big'"),
        ("egn", {"sees": "nothing"}, "'exemplars', 'feature' or 'image'"),
        ("mpvit", {"widths": 64}, "widths = 64"),
        ("stnet", {"weights": "fiel"}, "'file' or 'random'"),
        ("vit", {"learning_rate": "fast"}, "learning_rate = 'fast'"),
        ("nsl", {"learning_rate": -1.0}, "above 0"),
    ],
)
def test_a_value_of_another_kind_is_named_with_the_model(model, own, said):
    with pytest.raises(ValueError, match=said) as caught:
        make_config(model, own)
    assert f"model {model!r}" in str(caught.value)


@pytest.mark.parametrize("word", ["False", "false"])
def test_a_word_that_means_no_is_no(word):
    assert make_config("egn", {"projector": word}).projector is False
    assert make_config("retro", {"with_expression": word}).with_expression is False
