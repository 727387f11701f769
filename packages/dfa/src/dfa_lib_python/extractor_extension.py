"""Which raw data an extractor reads."""

from enum import Enum

__all__ = ["ExtractorExtension"]


class ExtractorExtension(Enum):
    """Which raw data an extractor reads."""

    PROGRAM = "PROGRAM"
    CSV = "CSV"
    FITS = "FITS"
    FASTBIT = "FASTBIT"
    OPTIMIZED_FASTBIT = "OPTIMIZED_FASTBIT"
    POSTGRES_RAW = "POSTGRES_RAW"
