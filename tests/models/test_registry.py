import pytest

from histoscribe.models.base import ExpressionModel, create_model, list_models, register
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
