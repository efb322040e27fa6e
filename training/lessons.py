"""Train the small networks that lessons are about, of groups and of residual blocks, with convscope's own fit.

    python training/lessons.py groups|resnet [FOLDER]

The same images as the demo network's, the same fifth of them held out. It prints a line per epoch, the held-out
accuracy and the file that it writes, and writes nothing for a network that stays below 90 %.
"""

import sys
from pathlib import Path

import numpy as np

from convscope.demo.small import untrained_groups, untrained_resnet
from convscope.demo.training import as_input, split

REQUIRED = 0.9
EPOCHS = {"groups": 12, "resnet": 36}
UNTRAINED = {"groups": untrained_groups, "resnet": untrained_resnet}


def main() -> int:
    name, *rest = sys.argv[1:] or [""]
    if name not in UNTRAINED:
        print(__doc__, file=sys.stderr)
        return 2
    out = Path(rest[0] if rest else "src/convscope/demo")
    images, held, labels, held_labels = split()
    network = UNTRAINED[name]()
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(as_input(images), labels, batch_size=32, epochs=EPOCHS[name], verbose=2)
    right = int((network.predict(as_input(held)).argmax(axis=1) == held_labels).sum())
    accuracy = right / len(held_labels)
    print(f"held-out accuracy: {accuracy:.2%} ({right} of {len(held_labels)})")
    if accuracy < REQUIRED:
        return 1
    weights = {
        f"{layer.name}/{own}": weight
        for layer in network.layers
        for own, weight in zip(layer.weight_shapes or {}, layer.get_weights(), strict=True)
    }
    file = out / f"{name}.npz"
    np.savez_compressed(file, **weights)
    print(f"wrote {file} ({file.stat().st_size} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
