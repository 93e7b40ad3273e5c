"""The model `farspan` for lm-evaluation-harness, with its own command line:

    python -m farspan.evaluation.harness run --model farspan --model_args name=smollm2 \\
        --device cuda --tasks hellaswag,piqa --limit 200
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model

from farspan.engine.generate import advance
from farspan.engine.reading import default_chunk
from farspan.mixers.base import Tokens
from farspan.models.chat import render_chat
from farspan.models.decoder import DecoderState
from farspan.models.load import LoadedModel, load_model

ANSWER_TOKENS = 256


@register_model("farspan")
class FarspanLM(TemplateLM):
    """A farspan checkpoint under the harness.

    `ask_last` tokens before each continuation are asked, the ones before them read as a document;
    by default all are asked, which is how a language model is used on short prompts.
    """

    def __init__(
        self,
        name: str = "smollm2",
        plan: str | None = None,
        device: str = "auto",
        dtype: str | None = None,
        adapter: bool | str = True,
        ask_last: int = 0,
        batch_size: int = 1,
        max_batch_size: int | None = None,
        model: LoadedModel | None = None,
    ) -> None:
        super().__init__()
        with_adapter = str(adapter).lower() not in ("false", "0", "no")
        self.loaded = model or load_model(
            name, plan=plan, device=device, dtype=dtype, adapter=with_adapter, say=print
        )
        self.ask_last = int(ask_last)
        self.decoder = self.loaded.decoder
        self._device = self.decoder.device

    @property
    def eot_token_id(self) -> int:
        """The token before texts without a context."""
        bos = self.loaded.tokenizer.bos_id
        return bos if bos is not None else self.loaded.tokenizer.eos_ids[0]

    @property
    def tokenizer_name(self) -> str:
        """Names the cache of requests."""
        return self.loaded.identity[:32]

    def chat_template(self, chat_template: bool | str = False) -> str:
        """The checkpoint's template."""
        return self.loaded.tokenizer.chat_template or ""

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Messages through the checkpoint's template."""
        tokenizer = self.loaded.tokenizer
        return render_chat(
            self.chat_template(),
            chat_history,
            add_generation_prompt=add_generation_prompt,
            bos_token=tokenizer.token_text(tokenizer.bos_id),
            eos_token=tokenizer.token_text(next(iter(tokenizer.eos_ids), None)),
        )

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Token ids; control tokens are recognised, as in a rendered chat."""
        return self.loaded.tokenizer.encode(string)

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """Sum of log-probabilities of each continuation, and whether it is the greedy one.

        Continuations of the same context fork one state, as in multiple choice.
        """
        found, context, state = [], None, self.decoder.init_state(1)
        for _, before, continuation in requests:
            if before != context:
                context, state = before, self._prefill(before[:-1])
            ids = [*before[-1:], *continuation]
            logits, _ = self._advance_all(ids[:-1], state.fork())
            scores = torch.log_softmax(logits, -1)
            wanted = torch.tensor(continuation, device=self._device)
            total = scores.gather(1, wanted[:, None]).sum()
            found.append((float(total), bool((scores.argmax(-1) == wanted).all())))
        return found

    def loglikelihood_rolling(self, requests: list[Any], **kwargs: Any) -> list[float]:
        """Log-probability of whole texts, all tokens in sight, in chunks."""
        found = []
        for request in requests:
            ids = [self.eot_token_id, *self.tok_encode(request.args[0])]
            state, total, step = self.decoder.init_state(1), 0.0, default_chunk(self._device)
            for start in range(0, len(ids) - 1, step):
                part = ids[start : start + step + 1]
                logits, state = self._advance_all(part[:-1], state)
                wanted = torch.tensor(part[1:], device=self._device)
                scores = torch.log_softmax(logits, -1)
                total += float(scores.gather(1, wanted[:, None]).sum())
            found.append(total)
        return found

    def generate_until(self, requests: list[Any], **kwargs: Any) -> list[str]:
        """Greedy continuations up to a stop text, the end of the turn or the most tokens."""
        found = []
        for request in requests:
            context, options = request.args
            stops = options.get("until") or []
            stops = [stops] if isinstance(stops, str) else stops
            most = int(options.get("max_gen_toks") or options.get("max_tokens") or ANSWER_TOKENS)
            ids = self.tok_encode(context) or [self.eot_token_id]
            found.append(self._continue(ids, stops, most))
        return found

    def _continue(self, ids: Sequence[int], stops: Iterable[str], most: int) -> str:
        tokenizer = self.loaded.tokenizer
        stops = [stop for stop in stops if stop]
        written: list[int] = []
        text = ""
        state = self._prefill(ids[:-1])
        token = ids[-1]
        for _ in range(most):
            logits, state = advance(self.decoder, [token], state)
            token = int(logits.argmax())
            if token in tokenizer.eos_ids:
                break
            written.append(token)
            text = tokenizer.decode(written)
            places = [text.find(stop) for stop in stops if stop in text]
            if places:
                return text[: min(places)]
        return text

    @torch.inference_mode()
    def _prefill(self, ids: Sequence[int]) -> DecoderState:
        """The state after ids, the last `ask_last` of which are asked (all by default)."""
        state = self.decoder.init_state(1)
        read = max(len(ids) - self.ask_last, 0) if self.ask_last else 0
        step = default_chunk(self._device)
        while state.length < len(ids):
            start = state.length
            stop = min(start + step, read if start < read else len(ids))
            part = torch.tensor([list(ids[start:stop])], device=self._device)
            first = part.shape[1] if start < read else 0
            tokens = Tokens.plain(
                1, part.shape[1], start=start, first_asked=first, device=self._device
            )
            _, state = self.decoder(part, tokens, state)
        return state

    @torch.inference_mode()
    def _advance_all(
        self, ids: Sequence[int], state: DecoderState
    ) -> tuple[torch.Tensor, DecoderState]:
        """Asks ids and returns the scores `[T, V]`, float32, after each of them."""
        part = torch.tensor([list(ids)], device=self._device)
        tokens = Tokens.plain(1, len(ids), start=state.length, first_asked=0, device=self._device)
        features, state = self.decoder(part, tokens, state)
        assert features is not None
        return self.decoder.logits(features[0]).float(), state


def main() -> None:
    """The harness's own command line, with `farspan` among its models."""
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


if __name__ == "__main__":
    main()
