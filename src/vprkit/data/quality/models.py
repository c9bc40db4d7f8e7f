"""Adapters that bring models: a zero-shot detector of transformers, and any server that talks like OpenAI's."""

import base64
import json
import mimetypes
import os
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vprkit.data.decoding import decode, read_file
from vprkit.errors import ConfigError, NotAvailable
from vprkit.extras import require

KEY = "VPRKIT_CHAT_KEY"
"""Environment variable with the server's key."""

_LARGEST_ANSWER = 2**20


class ZeroShotDetector:
    """A detector of transformers that takes words, such as OWLv2 or Grounding DINO; the best box of each decides.

    Args:
        model: folder with the model's files, or a name that transformers finds.
        device: for the pipeline, `cpu` or as torch writes it.
    """

    def __init__(self, model: str, device: str = "cpu") -> None:
        library: Any = require("text", "transformers")
        try:
            self._pipeline: Any = library.pipeline("zero-shot-object-detection", model=model, device=device)
        except (OSError, ValueError) as error:
            raise NotAvailable(f"the detector {model} cannot be loaded ({str(error)[:200]}); give the folder of a "
                               "zero-shot detector of transformers") from error  # fmt: skip

    def score(self, image: Path, objects: Sequence[str]) -> Sequence[float]:
        best = dict.fromkeys(objects, 0.0)
        if not best:
            return []
        for box in self._pipeline(decode(image), candidate_labels=list(objects), threshold=0.0):
            if box["label"] in best:
                best[box["label"]] = max(best[box["label"]], float(box["score"]))
        return [best[thing] for thing in objects]


class ChatVerifier:
    """A vision-language model behind an OpenAI-compatible address (vLLM, llama.cpp, Ollama, or a provider).

    Images are sent to that address and nowhere else; one question per object, answers other than yes or no are None.

    Args:
        address: up to `/v1`, http or https.
        model: what the server calls it.
        timeout: seconds per question.
        describe_first: let the model describe the image before it answers.

    Raises:
        ConfigError: it is no http address.
    """

    def __init__(self, address: str, model: str, timeout: float = 60.0, describe_first: bool = False) -> None:
        if not re.match(r"https?://[^/\s]+", address):
            raise ConfigError(f"'{address}' is no address of a server; write http://HOST:PORT/v1")
        self.address, self.model, self.timeout = address.rstrip("/"), model, timeout
        self.question = (
            "Describe in one sentence what you see; then answer on a line of its own, with yes or no only: "
            if describe_first
            else "Answer with yes or no only: "
        )

    def visible(self, image: Path, objects: Sequence[str]) -> Sequence[bool | None]:
        if not objects:
            return []
        kind = mimetypes.guess_type(image.name)[0] or "image/jpeg"
        shown = f"data:{kind};base64,{base64.b64encode(read_file(image)).decode()}"
        return [self._ask(shown, f"{self.question}is there a {thing} in this image?") for thing in objects]

    def _ask(self, shown: str, question: str) -> bool | None:
        content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": shown}}]
        body = {"model": self.model, "temperature": 0, "messages": [{"role": "user", "content": content}]}
        try:
            answer = self._post(body)["choices"][0]["message"]["content"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return parse_answer(str(answer))

    def _post(self, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {os.environ[KEY]}"
        request = urllib.request.Request(f"{self.address}/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=self.timeout) as answer:
            return json.loads(answer.read(_LARGEST_ANSWER))

    def check(self) -> None:
        """Refuse a server that does not answer, before any image is looked at.

        Raises:
            NotAvailable: there is none.
        """
        try:
            self._post({"model": self.model, "max_tokens": 1, "messages": [{"role": "user", "content": "yes"}]})
        except urllib.error.HTTPError as error:
            raise NotAvailable(f"{self.address} answers with status {error.code}; is model '{self.model}' there, and "
                               f"the key in {KEY}?") from error  # fmt: skip
        except (OSError, ValueError) as error:
            raise NotAvailable(f"no answer from {self.address} ({error}); is the server running?") from error


def parse_answer(answer: str) -> bool | None:
    """The last yes or no of an answer, None where there is none, or where a line has both."""
    for line in reversed(answer.lower().strip().splitlines()):
        words = set(re.findall(r"[a-z]+", line)) & {"yes", "no"}
        if words:
            return None if len(words) > 1 else words == {"yes"}
    return None
