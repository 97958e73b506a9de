"""Doctor for the machine: torch, cores, memory, disk, folders."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryFile

import torch

from histoscribe.cli.doctor_install import installed
from histoscribe.cli.doctor_probe import FAILURES, Diagnosis
from histoscribe.io.cohorts.catalog import CATALOG
from histoscribe.io.cohorts.catalog_records import DataSet, data_folders, find_file
from histoscribe.io.weights import cache_folder
from histoscribe.torchvision_guard import operators_load

_GB = 1e9
_LITTLE_DISK_GB = 5.0
"""More than the features of a slide and a downloaded encoder together."""
_LITTLE_MEMORY_GB = 4.0
"""Enough for an encoder, a batch and an overview of a large slide."""


def examine_torch() -> list[Diagnosis]:
    """Report torch's build, its device, torchvision's operators and bfloat16."""
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    found = [Diagnosis("torch", "ok", f"{torch.__version__}, {build}"), _device()]
    if operators_load():
        found.append(Diagnosis("torchvision", "ok", f"{installed('torchvision')}, with operators"))
    else:
        found.append(
            Diagnosis(
                "torchvision",
                "note",
                f"{installed('torchvision')}: its compiled operators do not load with this torch; "
                "encoders work without them",
            )
        )
    return [*found, _bfloat16()]


def examine_machine() -> list[Diagnosis]:
    """Report cores and threads, memory, and free disk space of cache and working folder."""
    cores, threads = _cores(), torch.get_num_threads()
    found = [
        Diagnosis(
            "cores",
            "ok" if threads <= cores else "note",
            f"{cores} usable, torch uses {threads} threads",
            "" if threads <= cores else f"export OMP_NUM_THREADS={cores}",
        )
    ]
    if (memory := _memory()) is not None:
        found.append(memory)
    return [
        *found,
        *(_space(*place) for place in (("cache", cache_folder()), ("here", Path.cwd()))),
    ]


def examine_data() -> list[Diagnosis]:
    """Report the cache folder, HISTOSCRIBE_DATA, and the local data sets of the catalog."""
    return [_cache(cache_folder()), _data_folder(), *(_data_set(one) for one in CATALOG.values())]


def _device() -> Diagnosis:
    if torch.cuda.is_available():
        names = [
            f"{torch.cuda.get_device_name(n)}, "
            f"{torch.cuda.get_device_properties(n).total_memory / _GB:.0f} GB"
            for n in range(torch.cuda.device_count())
        ]
        return Diagnosis("device", "ok", "; ".join(names))
    if torch.backends.mps.is_available():
        return Diagnosis("device", "ok", "Apple GPU (mps)")
    if torch.version.cuda:
        return Diagnosis(
            "device", "note", "torch supports CUDA but finds no GPU: it computes on the CPU",
            "run nvidia-smi: driver and CUDA version must fit",
        )  # fmt: skip
    return Diagnosis("device", "ok", "CPU")


def _bfloat16() -> Diagnosis:
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        return Diagnosis("bfloat16", "ok", "in hardware" if fast else "emulated: use float32")
    ones = torch.ones(8, 8, dtype=torch.bfloat16)
    if (ones @ ones)[0, 0].item() != 8:
        return Diagnosis("bfloat16", "note", "gives wrong results on this machine", "use float32")
    flags = Path("/proc/cpuinfo")
    if not flags.is_file():
        return Diagnosis("bfloat16", "ok", "works; hardware support is unknown")
    said = flags.read_text("utf-8", errors="replace")
    fast = any(flag in said for flag in ("avx512_bf16", "amx_bf16", " bf16"))
    return Diagnosis("bfloat16", "ok", "in hardware" if fast else "emulated: float32 is faster")


def _cores() -> int:
    """Cores that this process may use; in a container fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> Diagnosis | None:
    """Total and free memory; None if the system has no /proc."""
    info = Path("/proc/meminfo")
    if not info.is_file():
        return None
    said = {line.split(":")[0]: line.split()[1] for line in info.read_text("utf-8").splitlines()}
    total, free = (int(said[name]) * 1024 / _GB for name in ("MemTotal", "MemAvailable"))
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text("utf-8").strip()).isdigit():
        total = min(total, int(text) / _GB)
        free = min(free, total)
    little = free < _LITTLE_MEMORY_GB
    return Diagnosis(
        "memory",
        "note" if little else "ok",
        f"{free:.1f} GB free of {total:.1f} GB",
        "close other programs, or use smaller batches" if little else "",
    )


def _space(name: str, folder: Path) -> Diagnosis:
    there = _existing(folder)
    free = shutil.disk_usage(there).free / _GB
    little = free < _LITTLE_DISK_GB
    return Diagnosis(
        f"disk ({name})",
        "note" if little else "ok",
        f"{free:.1f} GB free at {there}",
        "free some space, or set HISTOSCRIBE_CACHE to a larger disk" if little else "",
    )


def _existing(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _cache(folder: Path) -> Diagnosis:
    """Check the cache by writing a file to it, or to its nearest existing parent."""
    try:
        with TemporaryFile(dir=_existing(folder)) as file:
            file.write(b"doctor")
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    except FAILURES as error:
        return Diagnosis(
            "cache",
            "BROKEN",
            f"{folder} cannot be written to ({error})",
            "set HISTOSCRIBE_CACHE to a folder that you may write to",
        )
    return Diagnosis("cache", "ok", f"{folder}, {size / _GB:.2f} GB used")


def _data_folder() -> Diagnosis:
    given = os.environ.get("HISTOSCRIBE_DATA")
    if not given:
        return Diagnosis(
            "HISTOSCRIBE_DATA", "not here", "not set", "export HISTOSCRIBE_DATA=FOLDER_OF_DATA_SETS"
        )
    if not Path(given).is_dir():
        return Diagnosis(
            "HISTOSCRIBE_DATA",
            "BROKEN",
            f"{given} is no folder",
            "correct the variable, or unset HISTOSCRIBE_DATA",
        )
    return Diagnosis("HISTOSCRIBE_DATA", "ok", given)


def _data_set(chosen: DataSet) -> Diagnosis:
    """Count the local files of a data set without reading them."""
    roots = data_folders(chosen)
    files = [file for section in chosen.sections for file in section.files]
    n_here = sum(find_file(roots, file) is not None for file in files)
    folder = next((str(root) for root in roots if root.is_dir()), "")
    if folder and n_here == len(files):
        return Diagnosis(chosen.name, "ok", f"{n_here} files in {folder}" if files else folder)
    return Diagnosis(
        chosen.name,
        "not here",
        f"{n_here} of {len(files)} files" if files else "no folder",
        f"histoscribe data {chosen.name}{' --fetch' if files else ''}",
    )
