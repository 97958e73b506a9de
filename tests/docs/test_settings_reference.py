"""The page of settings is what the code says."""

from docs.figures.settings_reference import TARGET, reference, undocumented


def test_the_reference_of_settings_is_up_to_date():
    assert TARGET.read_text("utf-8") == reference(), (
        "run `python docs/figures/settings_reference.py`"
    )


def test_every_setting_has_words_of_its_own():
    assert undocumented() == []
