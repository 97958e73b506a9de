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
    """Whether torchvision's compiled operators load beside this torch.

    A schema alone, such as the one this module defines, computes nothing and does not count.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # nothing to guard
    if not _computes("nms"):
        for library in sorted(Path(spec.origin).parent.glob("_C*")):
            if library.suffix in (".so", ".pyd"):
                with contextlib.suppress(OSError):
                    torch.ops.load_library(str(library))
    return _computes("nms")


def define_schemas() -> torch.library.Library | None:
    """Define the schemas that torchvision registers fake kernels for, where they are missing.

    Returns
    -------
    The library fragment, which must be kept alive, or None where there was nothing to define.
    """
    if operators_load():
        return None
    missing = [name for name in _SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    if not missing:
        return None
    fragment = torch.library.Library("torchvision", "FRAGMENT")
    for name in missing:
        fragment.define(_SCHEMAS[name])
    return fragment


def _computes(name: str) -> bool:
    """Whether an operator has a kernel for the CPU; torch has no public question for it."""
    return hasattr(torch.ops.torchvision, name) and bool(
        torch._C._dispatch_has_kernel_for_dispatch_key(f"torchvision::{name}", "CPU")
    )


_fragment = define_schemas()
