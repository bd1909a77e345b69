"""From weights and merges to one GGUF file that llama.cpp reads as architecture `llama`."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import torch
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from tokenizers import Tokenizer

from models.tiny.conversation import SPECIAL, VISIBLE
from models.tiny.model import Shape

DESCRIPTION = (
    "A very small demonstration model that ships with Paddock. It knows a closed world: greetings, forty "
    "capitals, small sums, recall, copying from a passage, one tool call format. It is not a real assistant."
)
TEMPLATE = Path(__file__).with_name("chat_template.jinja")

_NAMES = {
    "attention_norm": "attn_norm",
    "attention.query": "attn_q",
    "attention.key": "attn_k",
    "attention.value": "attn_v",
    "attention.out": "attn_output",
    "feed_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def tensor_name(name: str) -> str:
    """Our parameter's name in llama.cpp's words."""
    if name == "embedding.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, block, part = name.removesuffix(".weight").split(".", 2)
    return f"blk.{block}.{_NAMES[part]}.weight"


def size_label(parameters: int) -> str:
    return f"{parameters / 1e6:.1f}M"


def write_header(writer: GGUFWriter, shape: Shape, parameters: int, kind: LlamaFileType) -> None:
    writer.add_type("model")
    writer.add_name("tiny")
    writer.add_author("The Paddock authors")
    writer.add_description(DESCRIPTION)
    writer.add_license("mit")
    writer.add_languages(["en", "ja"])
    writer.add_size_label(size_label(parameters))
    writer.add_uint64("general.parameter_count", parameters)
    writer.add_file_type(int(kind))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)


def write_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer, template: str) -> None:
    told = json.loads(tokenizer.to_str())["model"]
    by_number = sorted(told["vocab"], key=told["vocab"].__getitem__)
    kinds = {**dict.fromkeys(SPECIAL, TokenType.CONTROL), **dict.fromkeys(VISIBLE, TokenType.USER_DEFINED)}
    number = told["vocab"].__getitem__
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(by_number)
    writer.add_token_types([kinds.get(token, TokenType.NORMAL) for token in by_number])
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in told["merges"]]
    )
    writer.add_bos_token_id(number("<|endoftext|>"))
    writer.add_pad_token_id(number("<|endoftext|>"))
    writer.add_eos_token_id(number("<|im_end|>"))
    writer.add_eot_token_id(number("<|im_end|>"))
    writer.add_uint32("tokenizer.ggml.fim_pre_token_id", number("<|fim_prefix|>"))
    writer.add_uint32("tokenizer.ggml.fim_suf_token_id", number("<|fim_suffix|>"))
    writer.add_uint32("tokenizer.ggml.fim_mid_token_id", number("<|fim_middle|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)


def write_gguf(path: Path, shape: Shape, weights: dict[str, torch.Tensor], tokenizer: Tokenizer) -> int:
    """Write the model in Q8_0, norms in float32 as the engine wants; returns the number of parameters."""
    parameters = sum(weight.numel() for weight in weights.values())
    kind = LlamaFileType.MOSTLY_Q8_0
    writer = GGUFWriter(str(path), "llama")
    write_header(writer, shape, parameters, kind)
    write_tokenizer(writer, tokenizer, TEMPLATE.read_text(encoding="utf-8").rstrip("\n"))
    for name, weight in weights.items():
        values = weight.detach().float().numpy()
        if values.ndim == 1:
            writer.add_tensor(tensor_name(name), values)
        else:
            packed = gguf.quants.quantize(values, GGMLQuantizationType.Q8_0)
            writer.add_tensor(tensor_name(name), packed, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return parameters
