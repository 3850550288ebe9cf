"""Tiny random models that measure, CLIP and Depth Anything, in the layout of the hub."""

import torch


def clip_model(random_model, seed):
    """CLIP with both of its halves, as the hub has it."""
    from transformers import CLIPConfig, CLIPModel

    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**layers, "vocab_size": 64, "projection_dim": 24, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    vision = {**layers, "projection_dim": 24, "image_size": 64, "patch_size": 16}
    return random_model(
        CLIPModel, seed, CLIPConfig(text_config=text, vision_config=vision, projection_dim=24, initializer_factor=10.0)
    )


# Sizes as plain numbers, as CLIP's published file has them.
CLIP_PREPROCESSING = {
    "crop_size": 64,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 64,
}


def depth_anything_model(random_model, seed):
    """Depth Anything on a small DINOv2, whose depths are far from zero, where its last layer would cut them off."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        initializer_range=0.2,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 4, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        initializer_range=0.2,
    )
    model = random_model(DepthAnythingForDepthEstimation, seed, config)
    with torch.no_grad():
        model.head.conv3.bias.fill_(4.0)
    return model


DEPTH_PREPROCESSING = {
    "do_normalize": True,
    "do_pad": False,
    "do_rescale": True,
    "do_resize": True,
    "ensure_multiple_of": 14,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "DPTImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "keep_aspect_ratio": True,
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"height": 56, "width": 56},
    "size_divisor": None,
}
