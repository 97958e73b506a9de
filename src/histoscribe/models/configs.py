"""Settings of models, parsed and checked."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from histoscribe.models.catalog import load_class
from histoscribe.near_names import each_meant


def make_config(name: str, settings: Mapping[str, Any]) -> Any:
    """Settings of a model; a preset starts from another size than the published one.

    `preset = "tiny"` is for tests, `small`, where a model has it, trains on two cores. A config
    with other presets lists them in `PRESETS`, each a class method of that name.

    Raises
    ------
    ValueError
        for an unknown key, naming the known ones; for a value of the wrong type.
    """
    config_class = load_class(name).Config
    known = {field.name for field in fields(config_class)}
    unknown = sorted(set(settings) - known - {"preset"})
    if unknown:
        listed = f"its settings are {', '.join(sorted(known))}" if known else "it has no settings"
        has = each_meant(unknown, known, listed)
        raise ValueError(f"model {name!r} has no setting {', '.join(unknown)}; {has}")
    preset = settings.get("preset", "default")
    offered = getattr(config_class, "PRESETS", ("small", "tiny"))
    presets = {"default": config_class} | {
        size: getattr(config_class, size) for size in offered if hasattr(config_class, size)
    }
    if preset not in presets:
        raise ValueError(f"model {name!r} has no preset {preset!r}; choose {' or '.join(presets)}")
    own = {key: settings[key] for key in settings.keys() & known}
    return _checked(name, vars(presets[preset]()) | own)


def wrong_values(error: ValidationError) -> str:
    """Say each wrong value of a table of settings, and what it should be, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))} = {item['input']!r}: {item['msg']}"
        if item["loc"]
        else item["msg"].removeprefix("Value error, ")
        for item in error.errors()
    )


def _checked(name: str, values: Mapping[str, Any]) -> Any:
    """The config of a model; a word where a number belongs would pass for one until it is used."""
    try:
        config = TypeAdapter(load_class(name).Config).validate_python(dict(values))
    except ValidationError as error:
        raise ValueError(f"model {name!r}: {wrong_values(error)}") from None
    infinite = [
        f"{key} = {value}"
        for key, value in vars(config).items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    if infinite:
        raise ValueError(f"model {name!r}: {', '.join(infinite)}: must be finite")
    if getattr(config, "learning_rate", 1.0) <= 0:
        raise ValueError(f"model {name!r}: learning_rate = {config.learning_rate}: must be above 0")
    return config
