"""Architectures of transformers', small, with random weights: nothing is downloaded, and nobody here wrote them."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch_networks

VIT = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "image_size": 48,
    "patch_size": 12,
}
FOUR: dict[str, Any] = {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]}
HEADS = {"num_attention_heads": [1, 2, 2, 4]}
WINDOWS: dict[str, Any] = {
    "image_size": 64,
    "patch_size": 4,
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 3],
    "window_size": 4,
}

# name: class, task, rows and columns of the image, settings
ARCHITECTURES: dict[str, tuple[str, str, tuple[int, int], dict[str, Any]]] = {
    "resnet": ("ResNet", "ForImageClassification", (72, 80), {"embedding_size": 8, "hidden_sizes": [12, 16, 20, 24], "depths": [1, 2, 1, 1]}),
    "vit": ("ViT", "ForImageClassification", (48, 48), VIT),
    "deit": ("DeiT", "ForImageClassification", (48, 48), VIT),
    "beit": ("Beit", "ForImageClassification", (48, 48), {**VIT, "use_relative_position_bias": True}),
    "dinov2": ("Dinov2", "ForImageClassification", (42, 42), {**VIT, "image_size": 42, "patch_size": 14}),
    "data2vec": ("Data2VecVision", "ForImageClassification", (48, 48), VIT),
    "vitmsn": ("ViTMSN", "ForImageClassification", (48, 48), VIT),
    "yolos": ("Yolos", "ForObjectDetection", (48, 48), {**VIT, "image_size": [48, 48], "num_detection_tokens": 5}),
    "clip": ("CLIPVision", "Model", (48, 48), VIT),
    "siglip": ("SiglipVision", "Model", (48, 48), VIT),
    "convnext": ("ConvNext", "ForImageClassification", (64, 96), {**FOUR, "depths": [1, 1, 2, 1]}),
    "convnextv2": ("ConvNextV2", "ForImageClassification", (64, 96), {**FOUR, "depths": [1, 1, 2, 1]}),
    "swin": ("Swin", "ForImageClassification", (64, 64), WINDOWS),
    "swinv2": ("Swinv2", "ForImageClassification", (64, 64), WINDOWS),
    "mobilenetv1": ("MobileNetV1", "ForImageClassification", (64, 72), {"depth_multiplier": 0.25}),
    "mobilenetv2": ("MobileNetV2", "ForImageClassification", (64, 72), {"depth_multiplier": 0.35}),
    "regnet": ("RegNet", "ForImageClassification", (64, 72), {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1], "groups_width": 8}),
    "levit": ("Levit", "ForImageClassification", (64, 64), {"image_size": 64, "hidden_sizes": [16, 24, 32], "num_attention_heads": [2, 3, 4], "depths": [1, 1, 1], "key_dim": [8, 8, 8], "drop_path_rate": 0}),
    "poolformer": ("PoolFormer", "ForImageClassification", (64, 96), FOUR),
    "focalnet": ("FocalNet", "ForImageClassification", (64, 64), {"image_size": 64, "embed_dim": 12, "hidden_sizes": [12, 24], "depths": [1, 1], "focal_levels": [2, 2], "focal_windows": [3, 3]}),
    "segformer": ("Segformer", "ForSemanticSegmentation", (64, 96), {**FOUR, **HEADS, "decoder_hidden_size": 16}),
    "bit": ("Bit", "ForImageClassification", (64, 72), {"embedding_size": 8, "hidden_sizes": [32, 64, 96, 128], "depths": [1, 1, 1, 1], "num_groups": 4}),
    "mobilevit": ("MobileViT", "ForImageClassification", (64, 64), {"image_size": 64, "hidden_sizes": [16, 20, 24], "neck_hidden_sizes": [8, 8, 12, 16, 20, 24, 32]}),
    "pvt": ("Pvt", "ForImageClassification", (64, 64), {**FOUR, **HEADS, "image_size": 64}),
    "pvtv2": ("PvtV2", "ForImageClassification", (64, 64), {**FOUR, **HEADS, "image_size": 64}),
    "swiftformer": ("SwiftFormer", "ForImageClassification", (64, 64), {"depths": [1, 1, 1, 1], "embed_dims": [8, 12, 16, 20], "image_size": 64}),
    "textnet": ("TextNet", "ForImageClassification", (64, 72), {"stem_out_channels": 8, "hidden_sizes": [8, 8, 12, 16, 20]}),
    "glpn": ("GLPN", "ForDepthEstimation", (64, 96), {**FOUR, **HEADS, "decoder_hidden_size": 16}),
    "swin2sr": ("Swin2SR", "ForImageSuperResolution", (16, 16), {**WINDOWS, "image_size": 16, "patch_size": 1}),
}  # fmt: skip

USUAL = ("resnet", "vit", "swin", "mobilenetv2", "segformer")
"""Those that every run of the tests takes; the others run with --full."""


CONSTANT = {
    # the one query of the pooling head is a parameter, and goes through a dense layer of 24 units
    "siglip": 24 * 24,
    # the positions of every window go through two dense layers, from 2 to 512 to as many as there are heads:
    # 49 of them in each of two blocks with 2 and two with 3 heads, whatever the image is
    "swinv2": 2 * 49 * (2 * 512 + 512 * 2) + 2 * 49 * (2 * 512 + 512 * 3),
    "swin2sr": 2 * 49 * (2 * 512 + 512 * 2) + 2 * 49 * (2 * 512 + 512 * 3),
}
"""What PyTorch's counter counts beside: work on constants, which is none on the image."""


def made(name: str) -> tuple[torch.nn.Module, tuple[int, int, int]]:
    """Return an architecture, ready to run, and the shape of its image."""
    kind, task, (rows, columns), settings = ARCHITECTURES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        torch.manual_seed(3)
        config = getattr(transformers, f"{kind}Config")(**settings)
        module = getattr(transformers, kind + task)(config).eval()
    torch_networks.randomise(module)
    return module, (3, rows, columns)
