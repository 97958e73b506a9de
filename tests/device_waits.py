"""Operations in which a GPU would wait for the processor, noted while others run."""

from collections import Counter

from torch.utils._python_dispatch import TorchDispatchMode

_WAITS = ("lift_fresh", "_local_scalar_dense", "nonzero")
"""A tensor from Python numbers, a number read from a tensor, a shape that hangs on values."""


class DeviceWaits(TorchDispatchMode):
    """Counts such operations by name; on a CPU they happen, too, and cost nothing."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        self.counts[name] += any(wait in name for wait in _WAITS)
        return func(*args, **(kwargs or {}))

    @property
    def names(self):
        """Names of the operations that wait."""
        return sorted(name for name, count in self.counts.items() if count)
