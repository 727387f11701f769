"""Typed data sets over files.

Declare a structure, say which file is which member, and use them::

    from trilha import data

    class Image(data.Struct):
        img: data.File
        hdr: data.File

    anatomy = data.mapped(list[Image], data.pattern("anatomy{index}.{field}"), name="anatomy")
    for index, image in anatomy.items():
        align(image.img, image.hdr)

A file is an `os.PathLike`. What contains what, under which key, and which file each member is, is recorded,
and that a data set was written piece by piece and closed. The same file, mapped twice, is one entity.
"""

from trilha.capture.mapping.mappers import Mapper
from trilha.capture.mapping.sets import Array, File, Struct, glob, mapped, pattern, table

__all__ = ["Array", "File", "Mapper", "Struct", "glob", "mapped", "pattern", "table"]
