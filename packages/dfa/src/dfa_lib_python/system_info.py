"""What is known of the machine, under the names that DLProv has for it."""

from __future__ import annotations

import platform
from typing import Any

from trilha.capture import machine

__all__ = ["get_system_info"]


def get_system_info() -> dict[str, Any]:
    """Name, system, processor and accelerators of the machine. Trilha records these and more by itself."""
    facts = machine.machine_facts()
    return {
        "hostname": machine.host(),
        "os": platform.system(),
        "os_version": platform.version(),
        "platform": platform.platform(),
        "architecture": platform.machine(),
        "processor": facts.get("cpu", platform.processor()),
        "gpus": ", ".join(facts.get("accelerator", ())) or "Not available",
        "in_container": bool(facts.get("container")),
    }
