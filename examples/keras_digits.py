"""Train a small network on handwritten digits with Keras, on the backend that KERAS_BACKEND names.

    python keras_digits.py [OUT] [EPOCHS]

Keeps the epoch with the lowest validation loss as OUT/best.keras and the end as OUT/final.keras. Run it as it
is by ``trilha run keras_digits.py``; nothing in it knows of Trilha.
"""

import sys
from pathlib import Path

import keras
import numpy as np

table = np.loadtxt(Path(__file__).parent / "data" / "digits.csv", delimiter=",", skiprows=1, dtype="float32")
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 15
out.mkdir(parents=True, exist_ok=True)
with open(Path(__file__).parent / "data" / "digits.csv") as file:
    label = file.readline().strip().split(",").index("label")

keras.utils.set_random_seed(0)
table = np.random.default_rng(0).permutation(table)
labels = table[:, label].astype("int32")
images = keras.layers.Rescaling(1 / 16)(np.delete(table, label, axis=1).reshape(-1, 8, 8, 1))
images = keras.ops.convert_to_numpy(images)

model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(8, 3, activation="relu", name="edges"),
        keras.layers.MaxPooling2D(name="pool"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dropout(0.2, name="drop"),
        keras.layers.Dense(10, activation="softmax", name="digit"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
)
model.fit(
    images[:1400],
    labels[:1400],
    epochs=epochs,
    validation_split=0.2,
    verbose=0,
    callbacks=[
        keras.callbacks.ReduceLROnPlateau(patience=2),
        keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(str(out / "best.keras"), save_best_only=True),
    ],
)
loss, accuracy = model.evaluate(images[1400:], labels[1400:], verbose=0)
print(f"test accuracy {accuracy:.3f}")
model.save(out / "final.keras")
