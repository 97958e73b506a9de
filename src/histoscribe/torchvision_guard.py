"""Makes `import torchvision` work beside a torch that can't load its compiled operators.

torchvision's wheel links its operators to CUDA. Beside a CPU build of torch they do not load,
and `import torchvision` (so timm, lightning and torchmetrics too) fails with "operator
torchvision::nms does not exist". Import this module before any of them: where the operators
are missing it defines their schemas, with a matching build it does nothing.
"""

import contextlib
import importlib.util
from pathlib import Path

import torch

_SCHEMAS = {
    name: f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms")
}


def operators_load() -> bool:
    """Whether torchvision's compiled operators load beside this torch."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # nothing to guard
    for library in sorted(Path(spec.origin).parent.glob("_C*.so")):
        with contextlib.suppress(OSError):
            torch.ops.load_library(str(library))
    return hasattr(torch.ops.torchvision, "nms")


def define_schemas() -> torch.library.Library | None:
    """Define the schemas that torchvision registers fake kernels for, where they are missing.

    Returns
    -------
    The library fragment, which must be kept alive, or None where the operators load.
    """
    if operators_load():
        return None
    fragment = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS.values():
        fragment.define(schema)
    return fragment


_fragment = define_schemas()
