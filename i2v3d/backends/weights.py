"""Which pretrained weights the model backends read: data only, and where they lie on this machine.

Nothing here downloads or imports a model library, so every build is an offline one. A model's place is a folder in the
hub's layout: the user's own, or a snapshot in the hub's cache (`HF_HUB_CACHE`, `HF_HOME`), found by repository and
revision.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from i2v3d.errors import MissingBackendError


@dataclass(frozen=True)
class Model:
    """Pretrained weights by the role they play.

    Attributes:
        role: Its name under `models:` in a spec.
        repo: Repository of the hub.
        revision: The pinned commit; empty where none is pinned (the newest on this machine is taken, and named).
        title: What it is.
        licence: Licence of the weights, as one line.
        is_commercial: Whether the licence allows commercial use to everybody, without asking.
        parts: Sub-folders that are read; empty for the folder itself.
        files: Patterns of the files that are read of a download.
        download_mb: What is fetched of it, in megabytes, half precision where the repository has it.
        parameters: Of all parts together, for estimates of memory.
    """

    role: str
    repo: str
    revision: str
    title: str
    licence: str
    is_commercial: bool
    parts: tuple[str, ...]
    files: tuple[str, ...]
    download_mb: int
    parameters: int


MODELS: tuple[Model, ...] = (
    Model(
        role="sdxl",
        repo="stabilityai/stable-diffusion-xl-base-1.0",
        revision="462165984030d82259a11f4367a4eed129e94a7b",
        title="SDXL base: UNet, text encoders, tokenizers, scheduler",
        licence="CreativeML Open RAIL++-M",
        is_commercial=True,
        parts=("unet", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"),
        files=("*/*.json", "*/*.txt", "unet/*.fp16.safetensors", "text_encoder*/*.fp16.safetensors"),
        download_mb=6_770,
        parameters=3_385_000_000,
    ),
    Model(
        role="sdxl_vae",
        repo="madebyollin/sdxl-vae-fp16-fix",
        revision="207b116dae70ace3637169f1ddd2434b91b3a8cd",
        title="SDXL's autoencoder, finite in half precision",
        licence="MIT",
        is_commercial=True,
        parts=(),
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        download_mb=335,
        parameters=83_653_863,
    ),
    Model(
        role="controlnet_depth",
        repo="diffusers/controlnet-depth-sdxl-1.0",
        revision="17bb97973f29801224cd66f192c5ffacf82648b4",
        title="depth ControlNet of SDXL",
        licence="CreativeML Open RAIL++-M",
        is_commercial=True,
        parts=(),
        files=("config.json", "diffusion_pytorch_model.fp16.safetensors"),
        download_mb=2_502,
        parameters=1_251_000_000,
    ),
    Model(
        role="svd",
        repo="stabilityai/stable-video-diffusion-img2vid",
        revision="9cf024d5bfa8f56622af86c884f26a52f6676f2e",
        title="Stable Video Diffusion: UNet, autoencoder, image encoder, scheduler",
        licence="Stability AI Community License: commercial use only below 1 M$ of yearly revenue",
        is_commercial=False,
        parts=("unet", "vae", "image_encoder", "feature_extractor", "scheduler"),
        files=("*/*.json", "*/*.fp16.safetensors"),
        download_mb=4_500,
        parameters=2_254_000_000,
    ),
    Model(
        role="svd_controlnet_depth",
        repo="CiaraRowles/temporal-controlnet-depth-svd-v1",
        revision="",
        title="depth ControlNet of Stable Video Diffusion",
        licence="none stated; made from Stable Video Diffusion, whose licence holds",
        is_commercial=False,
        parts=("controlnet",),
        files=("controlnet/*",),
        download_mb=2_700,
        parameters=680_000_000,
    ),
    Model(
        role="wan_vace",
        repo="Wan-AI/Wan2.1-VACE-1.3B-diffusers",
        revision="ec4d2cb062b548996b179d493fdd05340de702a1",
        title="Wan 2.1 VACE 1.3B: transformer, autoencoder, text encoder (UMT5-XXL), tokenizer, scheduler",
        licence="Apache-2.0",
        is_commercial=True,
        parts=("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
        files=("*/*",),
        download_mb=16_200,  # reckoned from the parameters: the autoencoder in single precision, the rest in half
        parameters=7_961_774_899,  # 2.15 of the transformer, 5.68 of the text encoder, 0.13 of the autoencoder
    ),
    # Of ViT-B/32, the other usual choice, the hub's main commit has a pickle only, which nothing here reads.
    Model(
        role="clip",
        repo="openai/clip-vit-large-patch14",
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
        title="CLIP ViT-L/14, of which the image encoder is read",
        licence="MIT",
        is_commercial=True,
        parts=(),
        files=("config.json", "preprocessor_config.json", "model.safetensors"),
        download_mb=1_711,
        parameters=427_616_513,
    ),
    # Small is the only size of version 2 whose weights may be used commercially (Base and Large: CC-BY-NC-4.0).
    Model(
        role="depth_anything",
        repo="depth-anything/Depth-Anything-V2-Small-hf",
        revision="5426e4f0f36572d16453bbda7a8389317b1bef99",
        title="Depth Anything V2 Small",
        licence="Apache-2.0",
        is_commercial=True,
        parts=(),
        files=("config.json", "preprocessor_config.json", "model.safetensors"),
        download_mb=99,
        parameters=24_785_089,
    ),
)


_COMMIT = re.compile(r"[0-9a-f]{40}")


def find_model(role: str) -> Model:
    """Returns the model of a role.

    Raises:
        KeyError: There is no such role.
    """
    for model in MODELS:
        if model.role == role:
            return model
    raise KeyError(role)


def hub_cache() -> Path:
    """Returns the folder in which the hub's clients keep what they fetched."""
    if given := os.environ.get("HF_HUB_CACHE"):
        return Path(given).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    return Path(home).expanduser() / "hub"


def repository_folder(repo: str) -> Path:
    """Returns where the hub's cache keeps a repository."""
    return hub_cache() / f"models--{repo.replace('/', '--')}"


def reference_file(repo: str, revision: str) -> Path | None:
    """Returns the file that says which commit a branch or tag (by default `main`) is on this machine.

    None where the revision is a commit itself, or was never fetched.
    """
    if _COMMIT.fullmatch(revision) or ".." in revision.split("/"):
        return None
    file = repository_folder(repo) / "refs" / (revision or "main")
    return file if file.is_file() else None


def commit_of(repo: str, revision: str) -> str:
    """Returns the commit that a revision is on this machine; the revision as given where that is not known.

    Args:
        repo: `owner/name`.
        revision: A commit, branch or tag; empty for the newest that was fetched.
    """
    file = reference_file(repo, revision)
    try:
        found = file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError):
        return revision
    return found if _COMMIT.fullmatch(found) else revision


def snapshot_folder(role: str, repo: str, revision: str) -> Path:
    """Returns the folder of a repository at a revision, as the hub's clients keep it.

    Raises:
        MissingBackendError: It is not on this machine; the hint says how to get it.
    """
    found = repository_folder(repo) / "snapshots" / revision
    # Snapshots are named by commits; any other name could lead out of the cache.
    if not _COMMIT.fullmatch(revision) or not found.is_dir():
        raise MissingBackendError(missing_text(role, repo, revision), hint=how_to_get(role, repo, revision))
    return found


def missing_text(role: str, repo: str, revision: str) -> str:
    """Returns which weights are missing, how large they are, and their licence."""
    model = find_model(role)
    named = f"{repo}@{revision[:12]}" if revision else repo
    if repo != model.repo:
        return f"the weights of `{role}`, {named}, are not on this machine"
    return (
        f"the weights of `{role}` ({model.title}), {named}, are not on this machine: "
        f"{model.download_mb / 1000:.1f} GB, licence: {model.licence}"
    )


def how_to_get(role: str, repo: str, revision: str) -> str:
    """Returns the command that fetches the weights, and the other way to name them."""
    model = find_model(role)
    at = f" --revision {revision}" if revision else ""
    chosen = "".join(f" --include '{pattern}'" for pattern in model.files) if repo == model.repo else ""
    return f"hf download {repo}{at}{chosen}  # or name a folder under `models:`, {role}: ./folder"
