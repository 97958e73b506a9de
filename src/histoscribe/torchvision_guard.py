"""Make `import torchvision` work with a torch that cannot load its compiled operators.

torchvision's wheel links its operators to CUDA. With a CPU build of torch they do not load, and
`import torchvision` (and so timm, lightning and torchmetrics) fails with "operator torchvision::nms
does not exist". Import this module before any of them: it defines the schemas of missing operators;
with a matching build it does nothing.
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
    """Whether torchvision's compiled operators load with this torch.

    A schema alone, such as the one defined by this module, computes nothing and does not count.
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
    """Define schemas of missing operators for which torchvision registers fake kernels.

    Returns
    -------
    The library fragment, which must be kept alive; None if no schema was missing.
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
    """Whether an operator has a CPU kernel; torch has no public function for this question."""
    return hasattr(torch.ops.torchvision, name) and bool(
        torch._C._dispatch_has_kernel_for_dispatch_key(f"torchvision::{name}", "CPU")
    )


_fragment = define_schemas()
