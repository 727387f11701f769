"""What reads raw data into a set."""

from __future__ import annotations

from dfa_lib_python.extractor_cartridge import ExtractorCartridge
from dfa_lib_python.extractor_extension import ExtractorExtension
from dfa_lib_python.ProvenanceObject import ProvenanceObject

__all__ = ["Extractor"]


class Extractor(ProvenanceObject):
    """An extractor of raw data, as a set declares it.

    Args:
        tag: of the extractor.
        cartridge: what it does.
        extension: which data it reads.
    """

    def __init__(self, tag: str, cartridge: ExtractorCartridge, extension: ExtractorExtension) -> None:
        super().__init__(tag)
        assert isinstance(cartridge, ExtractorCartridge), "The cartridge must be an ExtractorCartridge."
        assert isinstance(extension, ExtractorExtension), "The extension must be an ExtractorExtension."
        self._cartridge = cartridge.value
        self._extension = extension.value

    @property
    def cartridge(self) -> str:
        """What it does."""
        return self._cartridge

    @property
    def extension(self) -> str:
        """Which data it reads."""
        return self._extension
