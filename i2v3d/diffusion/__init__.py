"""The paper's numerics on torch: inversion, injection, extended attention, both samplers, the LoRA loss.

Everything here works on tensors and on models handed in by `backends.paper`; nothing loads weights, reads files or
knows a stage. `windows` is plain Python; every other module needs the extra `i2v3d[diffusion]`. In reading order:

    windows            overlapping windows over a clip
    masks              boolean images on the grids of a model's features
    noise_levels       DDIM and Euler maps between noise levels, as pure functions
    latents            pictures to latents and back
    schedule           what is injected at a step, and where
    extended_attention attention across the frames of a window
    features           what a source evaluation left behind
    injection          source features into a model, in a `with` block
    keyframe_model     SDXL with its depth ControlNet, as one function
    inversion          DDIM for keyframes, Euler for clips, both ways in time
    keyframe_sampling  section 3.2: guided generation of keyframes
    svd_controlnet     the depth ControlNet of Stable Video Diffusion
    video_model        SVD with its depth ControlNet, as one function
    video_sampling     section 3.3: dual-trajectory sampling
    lora_loss          Eq. 1: the customization loss
"""
