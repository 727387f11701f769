"""What an extractor does with raw data."""

from enum import Enum

__all__ = ["ExtractorCartridge"]


class ExtractorCartridge(Enum):
    """What an extractor does with raw data."""

    EXTRACTION = "EXTRACTION"
    INDEXING = "INDEXING"
