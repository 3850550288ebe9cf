"""The published method: a LoRA and keyframes on SDXL, clips on Stable Video Diffusion (paper sections 3.2 and 3.3)."""
