from __future__ import annotations

import shutil
import string
from pathlib import Path

from features.atomic import whole_folder

WIDTH = 16
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("the", "red", "blue", "chair", "lamp", "rock", "jazz", "piano")


def build_tiny_encoder(folder: Path) -> Path:
    """Write a sentence-transformers model: one layer of BERT with random weights over letters and a few words."""
    if folder.exists():
        return folder
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    with whole_folder(folder) as partial, torch.random.fork_rng():
        torch.manual_seed(0)
        bert = partial / "parts"
        bert.mkdir()
        letters = string.ascii_lowercase + string.digits
        tokens = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *WORDS]
        (bert / "vocab.txt").write_text("\n".join(tokens))
        BertTokenizerFast(str(bert / "vocab.txt")).save_pretrained(bert)
        config = BertConfig(
            vocab_size=len(tokens),
            hidden_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=WIDTH,
            max_position_embeddings=32,
        )
        BertModel(config).save_pretrained(bert)
        model = SentenceTransformer(modules=[Transformer(str(bert)), Pooling(WIDTH)], device="cpu")
        model.save(str(partial))
        shutil.rmtree(bert)
    return folder
