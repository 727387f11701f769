"""DLProv's present style: the predefined workflow, a Dataflow for each task, dependencies as tasks."""

import os
import time
from datetime import datetime
from pathlib import Path

import numpy as np

from dfa_lib_python.attribute import Attribute
from dfa_lib_python.attribute_type import AttributeType
from dfa_lib_python.dataflow import Dataflow
from dfa_lib_python.dataset import DataSet
from dfa_lib_python.element import Element
from dfa_lib_python.set import Set
from dfa_lib_python.set_type import SetType
from dfa_lib_python.task import Task
from dfa_lib_python.task_status import TaskStatus
from dfa_lib_python.transformation import Transformation

EPOCHS = 3
dataflow_tag = "alexnet"
df = Dataflow(dataflow_tag, predefined=True, email="bob@fictional.com")
df.save()
exec_tag = dataflow_tag + "-" + str(datetime.now())
base_dir = Path("data")
base_dir.mkdir(exist_ok=True)


def load_dataset(t1):
    tf1_input = DataSet("iInputDataset", [Element(["Line", "http://example.org/line.tgz"])])
    t1.add_dataset(tf1_input)
    t1.begin()
    x = np.linspace(0, 1, 100)
    np.save(base_dir / "raw.npy", x)
    tf1_output = DataSet("oLoadData", [Element([base_dir / "raw.npy"])])
    t1.add_dataset(tf1_output)
    t1.end()
    return x


def preprocess_dataset(x, t2):
    tf2_input = DataSet("iFilter", [Element(["Grayscale"])])
    t2.add_dataset(tf2_input)
    t2.begin()
    x = x * 2
    np.save(base_dir / "gray.npy", x)
    tf2_output = DataSet("oFilter", [Element([str(base_dir / "gray.npy")])])
    t2.add_dataset(tf2_output)
    t2.end()
    return x


def split_data(x, t3):
    tf3_input = DataSet("iSplitConfig", [Element([80, 10, 10])])
    t3.add_dataset(tf3_input)
    t3.begin()
    for name, part in (("train", x[:80]), ("val", x[80:90]), ("test", x[90:])):
        np.save(base_dir / f"{name}_x.npy", part)
        np.save(base_dir / f"{name}_y.npy", part * 3)
    for tag, name in (("oTrainSet", "train"), ("oValSet", "val")):
        paths = [str(base_dir / f"{name}_x.npy"), str(base_dir / f"{name}_y.npy")]
        t3.add_dataset(DataSet(tag, [Element(paths)]))
        t3.save()
    paths = [str(base_dir / "test_x.npy"), str(base_dir / "test_y.npy")]
    t3.add_dataset(DataSet("oTestSet", [Element(paths)]))
    t3.end()
    return x[:80], x[90:]


def train():
    t1 = Task(1, df, exec_tag, "LoadData")
    x = load_dataset(t1)
    t2 = Task(2, df, exec_tag, "ApplyFilter", dependency=t1)
    x = preprocess_dataset(x, t2)
    t3 = Task(3, df, exec_tag, "SplitData", dependency=t2)
    train_x, test_x = split_data(x, t3)

    t4 = Task(4, df, exec_tag, "Train", dependency=t3)
    tf4_input = DataSet("iTrain", [Element(["Adam", 0.002, EPOCHS, 32, 11])])
    t4.add_dataset(tf4_input)
    t4.begin()
    weight = 0.0
    for epoch in range(EPOCHS):
        epoch_start_time = time.time()
        weight += 0.5 * np.mean((3 - weight) * train_x)
        loss = float(np.mean((3 - weight) * train_x) ** 2)
        val_loss = np.nan if epoch == 1 else loss
        elapsed_time = time.time() - epoch_start_time
        timestamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        row = [timestamp, elapsed_time, loss, 0.5 + epoch / 10, val_loss, -9999999, epoch + 1]
        t4.add_dataset(DataSet("oTrain", [Element(row)]))
        t4.save()
    trained_path = os.path.join(os.getcwd(), "trained.npy")
    np.save(trained_path, np.array([weight]))
    t4.add_dataset(DataSet("oTrainedModel", [Element(["trained_model", str(trained_path)])]))
    t4.save()
    weights_path = os.path.join(os.getcwd(), "weights.npy")
    np.save(weights_path, np.array([weight]))
    t4.add_dataset(DataSet("oWeights", [Element([str(weights_path)])]))
    t4.end()

    t5 = Task(5, df, exec_tag, "Test", dependency=[t3, t4])
    t5.begin()
    testing_output = DataSet("oTest", [Element([float(np.mean(test_x)), 0.875])])
    t5.add_dataset(testing_output)
    t5.end()


if __name__ == "__main__":
    train()
    assert TaskStatus.FINISHED.value == "FINISHED"
    print(Attribute, AttributeType, Set, SetType, Transformation)
    print("Script finished.")
