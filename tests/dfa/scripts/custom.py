"""Transformations of one's own, and a Dependency made by hand; two executions in one program, if asked."""

import sys

from dfa_lib_python.attribute import Attribute
from dfa_lib_python.attribute_type import AttributeType
from dfa_lib_python.dataflow import Dataflow
from dfa_lib_python.dataset import DataSet
from dfa_lib_python.dependency import Dependency
from dfa_lib_python.element import Element
from dfa_lib_python.extractor import Extractor
from dfa_lib_python.extractor_cartridge import ExtractorCartridge
from dfa_lib_python.extractor_extension import ExtractorExtension
from dfa_lib_python.file import File
from dfa_lib_python.performance import Performance
from dfa_lib_python.program import Program
from dfa_lib_python.set import Set
from dfa_lib_python.set_type import SetType
from dfa_lib_python.system_info import get_system_info
from dfa_lib_python.task import Task
from dfa_lib_python.transformation import Transformation

df = Dataflow("weather")
tf1 = Transformation("Clean")
tf1_input = Set("iClean", SetType.INPUT, [Attribute("MODE", AttributeType.TEXT)])
tf1_output = Set(
    "oClean",
    SetType.OUTPUT,
    [Attribute("PLACE", AttributeType.TEXT), Attribute("DEGREES", AttributeType.NUMERIC)],
    [Extractor("rows", ExtractorCartridge.EXTRACTION, ExtractorExtension.CSV)],
)
tf1.set_sets([tf1_input, tf1_output])
df.add_transformation(tf1)
tf2 = Transformation("Summarize")
tf1_output.set_type(SetType.INPUT)
tf1_output.dependency = tf1._tag
tf2.set_sets([tf1_output, Set("oMean", SetType.OUTPUT, [Attribute("MEAN", AttributeType.NUMERIC)])])
df.add_transformation(tf2)
df.save()

for exec_tag in sys.argv[1:] or ["weather-1"]:
    t1 = Task(1, df, exec_tag, "Clean", workspace="/somewhere", resource="cpu0")
    t1.add_dataset(DataSet("iClean", [Element(["strict"])]))
    t1.begin()
    # Several before one save: the client of old kept the last alone.
    t1.add_dataset(DataSet("oClean", [Element(["Recife", 30]), Element(["Natal", 31.5])]))
    t1.add_dataset(DataSet("oClean", [Element(["Olinda", float("nan")])]))
    t1.end()
    t2 = Task(2, df, exec_tag, "Summarize")
    t2.add_dependency(Dependency(["clean"], [1]))
    t2.begin()
    t2.set_datasets([DataSet("oMean", [Element([30.75])])])
    t2.end()

assert get_system_info()["hostname"]
assert File("/tmp", "x").get_specification() == {"tag": "x", "path": "/tmp", "name": "x"}
assert Program("a", "/b").get_specification() == {"path": "/b", "name": "a"}
assert Performance("a", "b").get_specification() == {"startTime": "a", "endTime": "b"}
