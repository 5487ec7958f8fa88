"""What this machine's processor can do."""

from __future__ import annotations


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware; where it does not, that is slower than float32."""
    import torch

    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in ("amx_bf16", "avx512_bf16", "bf16"))
