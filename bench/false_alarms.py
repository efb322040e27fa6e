"""What `convscope check` finds in networks that people use, so that each kind of finding can be looked at.

    python bench/false_alarms.py [NAME ...]

Builds networks of keras.applications, and architectures of transformers, with random weights and small images; checks
each; prints a table in Markdown, a row for a network, with how many findings each rule has in it. Without names: all
of them. Every finding of class "fact" asserts its own proof while it is made: a false one ends the script.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

KERAS = [
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetV2B0",
    "DenseNet121",
    "DenseNet169",
    "ResNet50",
    "ResNet50V2",
    "ResNet101",
    "InceptionV3",
    "Xception",
    "InceptionResNetV2",
    "ConvNeXtTiny",
    "ConvNeXtSmall",
    "VGG16",
    "VGG19",
]


def _transformers() -> dict[str, Callable[[], Any]]:
    """Return how to build each architecture, small, by its name."""
    import transformers as t

    def small(config: str, model: str, **settings: Any) -> Callable[[], Any]:
        return lambda: getattr(t, model)(getattr(t, config)(**settings))

    return {
        "resnet": small("ResNetConfig", "ResNetForImageClassification", embedding_size=16, hidden_sizes=[16, 24, 32, 40], depths=[1, 2, 1, 1]),
        "convnext": small("ConvNextConfig", "ConvNextForImageClassification", hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1]),
        "convnextv2": small("ConvNextV2Config", "ConvNextV2ForImageClassification", hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1]),
        "mobilenet_v1": small("MobileNetV1Config", "MobileNetV1ForImageClassification", depth_multiplier=0.5),
        "mobilenet_v2": small("MobileNetV2Config", "MobileNetV2ForImageClassification"),
        "regnet": small("RegNetConfig", "RegNetForImageClassification", embedding_size=16, hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1], groups_width=8),
        "bit": small("BitConfig", "BitForImageClassification", embedding_size=16, hidden_sizes=[32, 64, 96, 128], depths=[1, 1, 1, 1], num_groups=4),
        "vit": small("ViTConfig", "ViTForImageClassification", hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, image_size=64, patch_size=16),
        "swin": small("SwinConfig", "SwinForImageClassification", image_size=64, embed_dim=24, depths=[1, 1], num_heads=[2, 4], window_size=4),
        "poolformer": small("PoolFormerConfig", "PoolFormerForImageClassification", depths=[1, 1, 1, 1], hidden_sizes=[16, 24, 32, 40]),
        "levit": small("LevitConfig", "LevitForImageClassification", image_size=64),
        "segformer": small("SegformerConfig", "SegformerForSemanticSegmentation", depths=[1, 1, 1, 1], hidden_sizes=[16, 24, 32, 40], num_attention_heads=[1, 2, 2, 4]),
    }  # fmt: skip


def _keras(name: str) -> Any:
    import keras

    return getattr(keras.applications, name)(weights=None)


def main(names: list[str]) -> None:
    """Check the networks named, or all, and print the table."""
    import convscope
    import convscope.errors
    from convscope.checks.checking import all_rules

    rules = [rule.name for rule in all_rules() if not rule.needs_run and rule.certainty != "advice"]
    others = _transformers()
    print(f"| network | layers | {' | '.join(rules)} |")
    print(f"|---|---:|{'---:|' * len(rules)}")
    for name in names or [*KERAS, *others]:
        if name in others:
            import torch

            network = convscope.open(others[name]().eval(), torch.rand(1, 3, 64, 64))
        else:
            network = convscope.open(_keras(name))
            with suppress(convscope.errors.SettingError):  # those that leave their size open
                network = network.sized(224)
        counts = Counter(rule.name for rule, _ in network.check().findings)
        cells = " | ".join(str(counts[rule] or "") for rule in rules)
        print(f"| {name} | {len(network.graph.nodes)} | {cells} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
