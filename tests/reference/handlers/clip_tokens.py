"""CLIP's tokeniser against its case, where the vocabulary is at hand."""

import re

import pytest

from tests.reference.runner import Case, handles
from vprkit.backbones.clip_text import CONTEXT, VOCABULARY
from vprkit.backbones.clip_tokens import ClipTokens, find_vocabulary
from vprkit.errors import NotAvailable, VprError


@handles("progeo/tokenizer")
def tokenizer(case: Case) -> None:
    try:
        tokens = ClipTokens(find_vocabulary())
    except NotAvailable as error:
        pytest.skip(str(error))
    assert (case.config["context_length"], case.config["vocab_size"]) == (CONTEXT, VOCABULARY)
    for row in case.json["tokens"]:
        found = tokens([row["text"]])[0].tolist()
        assert found == row["ids"] + [0] * (CONTEXT - len(row["ids"])), row["text"]
    told = case.json["truncate"]
    word, times = re.fullmatch(r"(.+?) repeated (\d+) times\b.*", told["text"]).groups()  # type: ignore[union-attr]
    text = " ".join([word] * int(times))
    assert tokens([text], truncate=True)[0].tolist() == told["ids_with_truncate"]
    assert told["without_truncate"] == "error"
    with pytest.raises(VprError, match="tokens, CLIP reads"):
        tokens([text])
