"""Variables of the environment that matter for results, each known by name; what may be a secret is not kept.

They say how many threads add numbers up and in what order, which accelerators there are, how texts are read
and sorted, in which time zone it is, and where code comes from. Sources: Python, "Command line and
environment"; OpenMP 5.2, chapter 21; oneMKL and OpenBLAS, environment variables; CUDA C++ Programming Guide,
"CUDA Environment Variables"; PyTorch, "Reproducibility"; POSIX, 8.2 and 8.3.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["KEPT", "KEY", "facts", "kept"]

KEPT: Final = frozenset(
    [
        *("PYTHONHASHSEED", "PYTHONPATH", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONIOENCODING"),
        *("PYTHONINTMAXSTRDIGITS", "PYTHON_GIL", "PYTHONNOUSERSITE", "PYTHONSAFEPATH"),
        *("VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD"),
        *("LANG", "LANGUAGE", "TZ", "SOURCE_DATE_EPOCH"),
        *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG"),
        *("NVIDIA_TF32_OVERRIDE", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
        *("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ENABLE_MPS_FALLBACK", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
        *("TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS"),
        *("JAX_ENABLE_X64", "JAX_PLATFORMS", "KERAS_BACKEND", "DDE_BACKEND", "NPY_DISABLE_CPU_FEATURES"),
        *("GOMP_CPU_AFFINITY", "KMP_AFFINITY", "VECLIB_MAXIMUM_THREADS", "ATEN_CPU_CAPABILITY"),
    ]
)
"""Variables whose values are kept, beside those whose names begin with one of `_BEGINNINGS`."""
_BEGINNINGS: Final = ("LC_", "OMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_")
KEY: Final = "trilha:env."
"""What the attribute of a variable begins with."""
_SECRET: Final = re.compile("SECRET|TOKEN|KEY|PASS|CREDENTIAL|AUTH|PRIVATE|LICENSE", re.IGNORECASE)
_IN_ADDRESS: Final = re.compile(r"(?<=://)[^/\s@]+@")
_LONGEST: Final = 2000


def kept(name: str) -> bool:
    """Whether the value of a variable is kept."""
    return (name in KEPT or name.startswith(_BEGINNINGS)) and not _SECRET.search(name) and name.isidentifier()


def facts(environment: Mapping[str, str] | None = None) -> list[Any]:
    """Attributes of a run, keys and values in turn: how many variables are kept, and each of them.

    Args:
        environment: the variables; those of this process by default.
    """
    found = dict(os.environ if environment is None else environment)
    known = {name: value for name, value in sorted(found.items()) if kept(name)}
    told: list[Any] = ["trilha:env", len(known)]
    for name, value in known.items():
        told += [KEY + name, _IN_ADDRESS.sub("", value.encode("utf-8", "replace").decode())[:_LONGEST]]
    return told
