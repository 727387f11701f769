"""A callback in Keras' list: `trilha.keras.Callback`.

KERAS_BACKEND=torch python keras_callback.py
"""

import keras
import numpy as np

from trilha.keras import Callback

mine = Callback("line")  # at the top: what comes before it is not recorded

keras.utils.set_random_seed(7)
x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.SGD(0.3), loss="mse")
model.fit(x, 3 * x + 1, epochs=5, batch_size=16, validation_split=0.25, verbose=0, callbacks=[mine])
model.save("line.keras")
