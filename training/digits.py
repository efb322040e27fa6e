"""Train the small digit classifier that ships as the demo network.

Needs, besides Python 3.11 or later:

    pip install keras torch scikit-learn pillow

Run from the top of the repository:

    python training/digits.py
    python training/digits.py --activations tests/golden/digits_outputs.npz

The script prints the size of the two sets of images, Keras's summary of the network, one line
per epoch, the held-out accuracy, and each file it writes. It exits with status 1, writing
nothing, if the held-out accuracy is below 95 %.

Data: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0, in the copy that
comes with scikit-learn (1797 images, 8x8 pixels, values 0 to 16). Each image is stretched to
0..255 and enlarged to 28x28 as an 8-bit grey image before anything else happens, so the PNG
files written here hold exactly the pixels the network sees.

One fifth of the images, the same share of every digit, is held out: the network never trains on
them, and they decide neither when training stops nor which weights are kept. The split is by
image, not by writer: other images by the same people are in the training set.

Everything random is seeded and torch runs on one thread. Running twice on one machine with the
same library versions gave identical files, byte for byte; other versions or another processor
may round differently.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import torch

SEED = 7
SIDE = 28
EPOCHS = 20
BATCH = 32
LEARNING_RATE = 1e-3
L2 = 1e-3
REQUIRED_ACCURACY = 0.95

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHIPPED = (0, 2, 3, 5, 7, 9)
SUREST_SHIPPED = 0.999  # above this, the other nine probabilities are too small to see
GOLDEN_IMAGES = 2  # how many of the shipped images get their activations stored

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def enlarge(small: NDArray[np.float64]) -> Bytes:
    """Turn one 8x8 image with values 0..16 into a 28x28 image with values 0..255."""
    grey = Image.fromarray(np.rint(small / 16 * 255).astype(np.uint8))
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def as_input(images: Bytes) -> Floats:
    """Turn (N, 28, 28) bytes into the (N, 28, 28, 1) floats in 0..1 that the network takes."""
    return (images[..., np.newaxis] / 255).astype(np.float32)


def split_digits() -> tuple[Bytes, Bytes, Labels, Labels]:
    """Images to train on, images held out, and the labels of both, the same at every call."""
    digits = load_digits()
    images = np.stack([enlarge(small) for small in digits.images])
    train_images, held_images, train_labels, held_labels = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=SEED
    )
    return train_images, held_images, train_labels, held_labels


def build_network() -> keras.Sequential:
    """Two convolutions, one pooling, one dense layer."""
    l2 = keras.regularizers.L2(L2)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(32, 3, activation="relu", kernel_regularizer=l2, name="conv2d"),
            layers.Conv2D(64, 3, activation="relu", kernel_regularizer=l2, name="conv2d_1"),
            layers.MaxPooling2D(2, name="max_pooling2d"),
            layers.Flatten(name="flatten"),
            layers.Dense(10, activation="softmax", kernel_regularizer=l2, name="dense"),
        ]
    )


def pick_examples(images: Bytes, labels: Labels, probabilities: Floats) -> dict[str, Bytes]:
    """For each digit in SHIPPED, the surest correct answer that is not above SUREST_SHIPPED."""
    examples = {}
    correct = probabilities.argmax(axis=1) == labels
    for digit in SHIPPED:
        certainty = probabilities[:, digit]
        usable = np.flatnonzero((labels == digit) & correct & (certainty <= SUREST_SHIPPED))
        best = usable[certainty[usable].argmax()]
        examples[f"{NAMES[digit]}.png"] = images[best]
    return dict(sorted(examples.items()))


def weights_of(model: keras.Sequential) -> dict[str, Any]:
    """All weights in Keras's own layout, keyed "layer/kernel" and "layer/bias"."""
    return {
        f"{layer.name}/{weight.name}": keras.ops.convert_to_numpy(weight).astype(np.float32)
        for layer in model.layers
        for weight in layer.weights
    }


def activations_of(model: keras.Sequential, images: Bytes) -> dict[str, Any]:
    """What every layer puts out for these images, keyed by the name of the layer."""
    probe = keras.Model(model.inputs, [layer.output for layer in model.layers])
    outputs = probe.predict(as_input(images), verbose=0)
    return {layer.name: out for layer, out in zip(model.layers, outputs, strict=True)}


def report(path: Path) -> None:
    print(f"wrote {path} ({path.stat().st_size} bytes)")


def main() -> int:
    parser = argparse.ArgumentParser(description="Train the demo digit classifier.")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("src/convscope/demo"),
        help="folder for digits.npz and the example images (default: %(default)s)",
    )
    parser.add_argument(
        "--activations",
        type=Path,
        metavar="FILE",
        help=f"also write every layer's output for the first {GOLDEN_IMAGES} example images",
    )
    args = parser.parse_args()

    torch.set_num_threads(1)  # sums are then always added up in the same order
    keras.utils.set_random_seed(SEED)

    train_images, test_images, train_labels, test_labels = split_digits()
    print(f"{len(train_images)} images to train on, {len(test_images)} held out")

    model = build_network()
    model.summary()
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(as_input(train_images), train_labels, batch_size=BATCH, epochs=EPOCHS, verbose=2)

    probabilities = model.predict(as_input(test_images), verbose=0)
    right = int((probabilities.argmax(axis=1) == test_labels).sum())
    accuracy = right / len(test_labels)
    print(f"held-out accuracy: {accuracy:.2%} ({right} of {len(test_labels)})")
    if accuracy < REQUIRED_ACCURACY:
        print(f"below the required {REQUIRED_ACCURACY:.0%}; nothing written", file=sys.stderr)
        return 1

    args.out.mkdir(parents=True, exist_ok=True)
    weights_file = args.out / "digits.npz"
    np.savez_compressed(weights_file, **weights_of(model))
    report(weights_file)

    examples = pick_examples(test_images, test_labels, probabilities)
    for name, image in examples.items():
        Image.fromarray(image).save(args.out / name)
        report(args.out / name)

    if args.activations is not None:
        golden = np.stack(list(examples.values())[:GOLDEN_IMAGES])
        args.activations.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(args.activations, images=golden, **activations_of(model, golden))
        report(args.activations)
    return 0


if __name__ == "__main__":
    sys.exit(main())
