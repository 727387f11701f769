"""What a task is at."""

from enum import Enum

__all__ = ["TaskStatus"]


class TaskStatus(Enum):
    """What a task is at."""

    READY = "READY"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
