"""The models of the paper: SDXL with a LoRA for keyframes, Stable Video Diffusion for the frames between."""
