"""DNNProv's older style: tasks name the dataflow by its tag; an adaptation goes on beside the training."""

import math
from datetime import datetime

import numpy as np
from sklearn.linear_model import SGDClassifier

from dfa_lib_python.dataflow import Dataflow
from dfa_lib_python.dataset import DataSet
from dfa_lib_python.element import Element
from dfa_lib_python.task import Task

dataflow_tag = "dnnp-1"
exec_tag = dataflow_tag + "-" + str(datetime.now())

df = Dataflow(dataflow_tag, True)
df.save()

epochs, initial_lrate, drop, epochs_drop = 4, 0.002, 0.5, 2.0
t1 = Task(1, dataflow_tag, exec_tag, "TrainingModel")
tf1_input = DataSet("iTrainingModel", [Element(["SGD", initial_lrate, epochs, 3])])
t1.add_dataset(tf1_input)
t1.begin()

t2 = Task(2, dataflow_tag, exec_tag, "Adaptation", dependency=t1)
t2_input = DataSet("iAdaptation", [Element([epochs_drop, drop, initial_lrate])])
t2.add_dataset(t2_input)
t2.begin()

random = np.random.default_rng(0)
x = random.normal(size=(80, 4))
y = (x[:, 0] > 0).astype(int)
model = SGDClassifier(learning_rate="constant", eta0=initial_lrate, random_state=0)
lrate = initial_lrate
for epoch in range(epochs):
    new = initial_lrate * math.pow(drop, math.floor((1 + epoch) / epochs_drop))
    if new != lrate:
        lrate = model.eta0 = new
        now = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        t2.add_dataset(DataSet("oAdaptation", [Element([lrate, now, epoch, str(epoch)])]))
        if epoch == epochs - 1:
            t2.end()
        else:
            t2.save()
    elif epoch == epochs - 1:
        t2.end()
    model.partial_fit(x, y, classes=[0, 1])
    now = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    row = [now, 0.25, 1 / (epoch + 1), model.score(x, y), np.nan, np.float32(0.5), epoch]
    t1.add_dataset(DataSet("oTrainingModel", [Element(row)]))
    if epoch == epochs - 1:
        t1.end()
    else:
        t1.save()

t3 = Task(3, dataflow_tag, exec_tag, "TestingModel", dependency=t1)
t3.begin()
loss = float("nan")
t3.add_dataset(DataSet("oTestingModel", [Element([-9999999 if np.isnan(loss) else loss, model.score(x, y)])]))
t3.end()
