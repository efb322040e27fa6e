"""Train a small digit classifier like the one that ships as the demo network, with convscope itself.

Run from the top of the repository:

    python training/digits.py --out FOLDER
    python training/digits.py --out FOLDER --activations digits_outputs.npz

The script prints the size of the two sets of images, a summary of the network, one line per epoch, the held-out
accuracy, and each file it writes. It exits with status 1, writing nothing, if the held-out accuracy is below 95 %.
`convscope train demo` does the same without files for the demo, and keeps a film.

The weights that ship (src/convscope/demo/digits.npz) were trained once, with the same settings, by Keras on PyTorch,
on another split of the images; tests and documentation are about those.

Data: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0, in the copy that
comes with scikit-learn (1797 images, 8x8 pixels, values 0 to 16). Each image is stretched to
0..255 and enlarged to 28x28 as an 8-bit grey image before anything else happens, so the PNG
files written here hold exactly the pixels the network sees.

One fifth of the images, the same share of every digit, is held out: the network never trains on
them, and they decide neither when training stops nor which weights are kept. The split is by
image, not by writer: other images by the same people are in the training set.

Everything random is seeded. Another version of ONNX Runtime or another processor may round differently.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convscope import Sequential, optimizers
from convscope.demo.training import as_input, network, split

EPOCHS = 20
BATCH = 32
LEARNING_RATE = 1e-3
REQUIRED_ACCURACY = 0.95

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHIPPED = (0, 2, 3, 5, 7, 9)
SUREST_SHIPPED = 0.999  # above this, the other nine probabilities are too small to see
GOLDEN_IMAGES = 2  # how many of the shipped images get their activations stored

Array = np.ndarray[Any, Any]


def pick_examples(images: Array, labels: Array, probabilities: Array) -> dict[str, Array]:
    """For each digit in SHIPPED, the surest correct answer that is not above SUREST_SHIPPED."""
    examples = {}
    correct = probabilities.argmax(axis=1) == labels
    for digit in SHIPPED:
        certainty = probabilities[:, digit]
        usable = np.flatnonzero((labels == digit) & correct & (certainty <= SUREST_SHIPPED))
        best = usable[certainty[usable].argmax()]
        examples[f"{NAMES[digit]}.png"] = images[best]
    return dict(sorted(examples.items()))


def weights_of(model: Sequential) -> dict[str, Array]:
    """All weights in Keras's own layout, keyed "layer/kernel" and "layer/bias"."""
    return {
        f"{layer.name}/{name}": a for layer in model.layers for name, a in layer.weights.items()
    }


def activations_of(model: Sequential, images: Array) -> dict[str, Array]:
    """What every layer puts out for these images, keyed by the name of the layer."""
    runs = [model.run(image) for image in as_input(images)]
    return {name: np.stack([run[name] for run in runs]) for name in model.graph.nodes}


def report(path: Path) -> None:
    print(f"wrote {path} ({path.stat().st_size} bytes)")


def main() -> int:
    parser = argparse.ArgumentParser(description="Train the demo digit classifier.")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for digits.npz and the example images",
    )
    parser.add_argument(
        "--activations",
        type=Path,
        metavar="FILE",
        help=f"also write every layer's output for the first {GOLDEN_IMAGES} example images",
    )
    args = parser.parse_args()

    train_images, test_images, train_labels, test_labels = split()
    print(f"{len(train_images)} images to train on, {len(test_images)} held out")

    model = network()
    model.summary()
    model.compile(
        optimizer=optimizers.Adam(LEARNING_RATE),
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
    np.savez_compressed(weights_file, allow_pickle=False, **weights_of(model))
    report(weights_file)

    examples = pick_examples(test_images, test_labels, probabilities)
    for name, image in examples.items():
        Image.fromarray(image).save(args.out / name)
        report(args.out / name)

    if args.activations is not None:
        golden = np.stack(list(examples.values())[:GOLDEN_IMAGES])
        args.activations.parent.mkdir(parents=True, exist_ok=True)
        held = {"images": golden, **activations_of(model, golden)}
        np.savez_compressed(args.activations, allow_pickle=False, **held)
        report(args.activations)
    return 0


if __name__ == "__main__":
    sys.exit(main())
