"""A small HTTP service over a folder that `prunec MODEL -o slim/` wrote: ONNX Runtime, tokenizers and Python alone.

    python examples/onnx_service.py slim/ --port 8000
    curl localhost:8000 -d '{"text": "a sentence"}'

A classifier answers with each label's probability, a model of one output with that number, and any other encoder with
the mean of its features. A text that the graph cannot take, such as one that is too long, is refused with status 400
and what the runtime says.
"""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException
from tokenizers import Tokenizer


class Model:
    """The folder's graph with its tokenizer and labels. One session serves all threads."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # Some files ask to fill every text up to one length: what is said of the filling would count in the mean.
        self.tokenizer.no_padding()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.labels = config.get("id2label", {})
        self.several = config.get("problem_type") == "multi_label_classification"
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        self.inputs = [item.name for item in self.session.get_inputs()]

    def __call__(self, text: str) -> dict[str, object]:
        """What the model says to one text."""
        encoded = self.tokenizer.encode(text)
        values = {
            "input_ids": encoded.ids,
            "attention_mask": encoded.attention_mask,
            "token_type_ids": encoded.type_ids,
        }
        (found, *_) = self.session.run(None, {name: np.array([values[name]]) for name in self.inputs})
        if found.ndim == 3:
            return {"embedding": found[0].mean(0).tolist()}
        if len(found[0]) == 1:
            return {"score": float(found[0][0])}
        shares = self._probabilities(found[0])
        names = [self.labels.get(str(number), str(number)) for number in range(len(shares))]
        return {"labels": dict(zip(names, shares.tolist(), strict=True))}

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Of each label by itself where a text may have several, else they sum to 1."""
        if self.several:
            return np.asarray(1 / (1 + np.exp(-logits)))
        shares = np.exp(logits - logits.max())
        return np.asarray(shares / shares.sum())


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server that answers a POST of `{"text": ...}`, not yet running."""
    model = Model(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer, or say what is wrong with the request."""
            try:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                status, answer = 200, model(str(body["text"]))
            except (ValueError, KeyError, TypeError):
                status, answer = 400, {"error": 'send {"text": "..."}'}
            except (Fail, InvalidArgument, RuntimeException) as error:
                status, answer = 400, {"error": str(error)}
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    with server(given.folder, given.port) as running:
        print(f"http://127.0.0.1:{running.server_port}", flush=True)
        running.serve_forever()
