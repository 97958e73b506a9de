"""The guard in both states: operators missing, operators there."""

import subprocess
import sys

_STUB = """
import torch
stub = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    stub.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    stub.impl(name, lambda dets, scores, iou_threshold: scores, "CPU")
"""
_BLOCKED = """
import torch
def refuse(path):
    raise OSError("libcudart.so: cannot open shared object file")
torch.ops.load_library = refuse
"""


def _run(code):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_where_operators_are_missing_schemas_are_defined_and_torchvision_timm_lightning_import():
    out = _run(
        _BLOCKED + "from histoscribe import torchvision_guard as guard\n"
        "print(guard._fragment is not None, guard.operators_load())\n"
        "import torchvision, timm, lightning\n"
        "print(hasattr(torch.ops.torchvision, 'nms'), hasattr(torch.ops.torchvision, 'qnms'))"
    )
    assert out == ["True", "False", "True", "True"]


def test_where_operators_load_nothing_is_done():
    out = _run(
        _STUB + "from histoscribe import torchvision_guard as guard\n"
        "print(guard._fragment, guard.operators_load())\n"
        "print(torch.ops.torchvision.nms(torch.zeros(1, 4), torch.ones(1), 0.5).item())"
    )
    assert out == ["None", "True", "1.0"]


def test_a_second_definition_is_never_tried():
    out = _run(
        _BLOCKED + "from histoscribe import torchvision_guard as guard\n"
        "print(guard.define_schemas(), guard.operators_load())"
    )
    assert out == ["None", "False"]


def test_importing_the_encoders_leaves_torchvision_alone():
    out = _run(
        "import sys\nimport histoscribe.encoders.encoder, histoscribe.data.features\n"
        "print('torchvision' in sys.modules, 'timm' in sys.modules, 'lightning' in sys.modules)"
    )
    assert out == ["False", "False", "False"]
