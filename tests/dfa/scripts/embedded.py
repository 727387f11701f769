"""Keras-Prov's style: one call on the model, nothing else."""

import numpy as np
from keras.callbacks import LearningRateScheduler
from keras.layers import Activation, Dense, Dropout
from keras.models import Sequential
from keras.optimizers import SGD

x = np.random.default_rng(1000).random((32, 4))
y = x.sum(axis=1)

model = Sequential()
model.add(Dense(4))
model.add(Activation("relu"))
model.add(Dropout(0.1))
model.add(Dense(1))

hyps = {"OPTIMIZER_NAME": True, "LEARNING_RATE": True, "DECAY": False, "NUM_EPOCHS": True}
model.provenance(dataflow_tag="keras-alexnet-df", adaptation=True, hyps=hyps)
df = model.get_dataflow()
assert [one["tag"] for one in df.transformations] == ["trainingmodel", "adaptation", "testingmodel"]


def step_decay(epoch):
    return 0.01 * 0.5**epoch


model.compile(loss="mse", optimizer=SGD(learning_rate=0.01))
model.fit(x, y, batch_size=16, epochs=2, callbacks=[LearningRateScheduler(step_decay)], verbose=0)
model.evaluate(x, y, verbose=0)
print("done")
