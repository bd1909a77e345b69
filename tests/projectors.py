"""A very small projector: eyes and ears with random weights, which a real engine loads and runs.

It sees with a SigLIP tower and Phi 4's projector, which gives a picture a token for every 8 x 8 pixels
within bounds, so that the tokens of a picture depend on its size; it hears with a Whisper encoder and
Ultravox's projector. What it tells the model is noise, but always the same noise for the same picture.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy

PATCH = 8
#: A picture is scaled until it has at least and at most so many tokens.
LEAST, MOST = 4, 144
_GRID = 4
_WIDTH, _HEADS, _HIDDEN = 32, 2, 64
_MELS, _STACK, _AUDIO_POSITIONS = 80, 4, 1500


def write_projector(path: Path, width: int, *, sees: bool = True, hears: bool = False) -> Path:
    """Write a projector to embeddings of `width` numbers."""
    writer = gguf.GGUFWriter(path, "clip")
    random = numpy.random.default_rng(7)

    def weight(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.normal(0, 0.05, shape).astype(numpy.float32))

    def norm(name: str, length: int, bias: bool = True) -> None:
        writer.add_tensor(f"{name}.weight", numpy.ones(length, numpy.float32))
        if bias:
            writer.add_tensor(f"{name}.bias", numpy.zeros(length, numpy.float32))

    def tower(prefix: str) -> None:
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            weight(f"{prefix}.blk.0.{part}.weight", _WIDTH, _WIDTH)
            if prefix == "v" or part != "attn_k":  # Whisper's keys have no bias
                weight(f"{prefix}.blk.0.{part}.bias", _WIDTH)
        weight(f"{prefix}.blk.0.ffn_up.weight", _HIDDEN, _WIDTH)
        weight(f"{prefix}.blk.0.ffn_up.bias", _HIDDEN)
        weight(f"{prefix}.blk.0.ffn_down.weight", _WIDTH, _HIDDEN)
        weight(f"{prefix}.blk.0.ffn_down.bias", _WIDTH)
        for part in ("ln1", "ln2"):
            norm(f"{prefix}.blk.0.{part}", _WIDTH)
        norm(f"{prefix}.post_ln", _WIDTH)

    def measures(kind: str) -> None:
        writer.add_uint32(f"clip.{kind}.embedding_length", _WIDTH)
        writer.add_uint32(f"clip.{kind}.feed_forward_length", _HIDDEN)
        writer.add_uint32(f"clip.{kind}.block_count", 1)
        writer.add_uint32(f"clip.{kind}.attention.head_count", _HEADS)
        writer.add_float32(f"clip.{kind}.attention.layer_norm_epsilon", 1e-6)
        writer.add_uint32(f"clip.{kind}.projection_dim", width)

    writer.add_bool("clip.has_vision_encoder", sees)
    writer.add_bool("clip.has_audio_encoder", hears)
    writer.add_bool("clip.use_gelu", True)
    if sees:
        measures("vision")
        writer.add_string("clip.vision.projector_type", "phi4")
        writer.add_uint32("clip.vision.image_size", _GRID * PATCH)
        writer.add_uint32("clip.vision.patch_size", PATCH)
        writer.add_uint32("clip.vision.image_min_pixels", LEAST * PATCH * PATCH)
        writer.add_uint32("clip.vision.image_max_pixels", MOST * PATCH * PATCH)
        writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
        writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
        weight("v.patch_embd.weight", _WIDTH, 3, PATCH, PATCH)
        weight("v.patch_embd.bias", _WIDTH)
        weight("v.position_embd.weight", _GRID * _GRID, _WIDTH)
        tower("v")
        weight("mm.0.weight", _WIDTH, _WIDTH)
        weight("mm.0.bias", _WIDTH)
        weight("mm.2.weight", width, _WIDTH)
        weight("mm.2.bias", width)
    if hears:
        measures("audio")
        writer.add_string("clip.audio.projector_type", "ultravox")
        writer.add_uint32("clip.audio.num_mel_bins", _MELS)
        writer.add_uint32("clip.audio.projector.stack_factor", _STACK)
        weight("a.conv1d.1.weight", _WIDTH, _MELS, 3)
        weight("a.conv1d.1.bias", _WIDTH, 1)
        weight("a.conv1d.2.weight", _WIDTH, _WIDTH, 3)
        weight("a.conv1d.2.bias", _WIDTH, 1)
        weight("a.position_embd.weight", _AUDIO_POSITIONS, _WIDTH)
        tower("a")
        norm("mm.a.norm_pre", _WIDTH * _STACK, bias=False)
        weight("mm.a.mlp.1.weight", 2 * _HIDDEN, _WIDTH * _STACK)
        norm("mm.a.norm_mid", _HIDDEN, bias=False)
        weight("mm.a.mlp.2.weight", width, _HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
