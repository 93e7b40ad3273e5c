"""What requests may hold. Fields beyond OpenAI's are told so in their descriptions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from farspan.engine.sampling import MOST_LOGPROBS, MOST_STOPS

MOST_ANSWERS = 16
MOST_MESSAGES = 1000
ANSWER_TOKENS = 512

Stop = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Body(BaseModel):
    """A request's JSON object. Unknown fields are left alone, as clients send many."""

    model_config = ConfigDict(allow_inf_nan=False, extra="ignore")


class StreamOptions(Body):
    """How an answer is streamed."""

    include_usage: bool = False


class JsonSchema(Body):
    """A JSON schema that the answer keeps to."""

    name: str = Field("answer", max_length=200)
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Body):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None


class SamplingFields(Body):
    """How the answer's tokens are chosen, and when it ends."""

    model: str = Field(max_length=500)
    temperature: float | None = Field(None, ge=0, le=10)
    top_p: float | None = Field(None, gt=0, le=1)
    n: int | None = Field(None, ge=1, le=MOST_ANSWERS)
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None
    max_tokens: int | None = Field(None, ge=1, le=1 << 20)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, max_length=500)
    logit_bias: dict[str, float] | None = Field(None, max_length=0)
    response_format: ResponseFormat | None = None
    top_k: int | None = Field(None, ge=-1, le=1 << 20, description="Beyond OpenAI: 0 or -1, all.")
    min_p: float | None = Field(None, ge=0, le=1, description="Beyond OpenAI, as in vLLM.")
    repetition_penalty: float | None = Field(
        None, gt=0, le=10, description="Beyond OpenAI, as in vLLM."
    )
    ignore_eos: bool | None = Field(None, description="Beyond OpenAI: go on to max_tokens.")


class TextPart(Body):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(Body):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None
    name: str | None = Field(None, max_length=200)

    @property
    def text(self) -> str:
        """The words."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(SamplingFields):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES)
    max_completion_tokens: int | None = Field(None, ge=1, le=1 << 20)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS)
    tools: list[Any] | None = Field(None, max_length=0)
    document: str | None = Field(
        None,
        max_length=100,
        description="Beyond OpenAI: the id of a document that the questions are about. The answer"
        " has `citations`, objects {file, start, end, line, text, score, percent}.",
    )


class CompletionRequest(SamplingFields):
    """POST /v1/completions."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=64)]
        | Annotated[list[int], Field(min_length=1)]
        | Annotated[list[list[int]], Field(min_length=1, max_length=64)]
    )
    logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS)
    echo: bool | None = None
    suffix: str | None = Field(None, max_length=0)


class TokenizeRequest(Body):
    """POST /tokenize: a prompt, or messages."""

    model: str | None = Field(None, max_length=500)
    prompt: str | None = None
    messages: list[Message] | None = Field(None, min_length=1, max_length=MOST_MESSAGES)


class DetokenizeRequest(Body):
    """POST /detokenize."""

    model: str | None = Field(None, max_length=500)
    tokens: list[Annotated[int, Field(ge=0, lt=2**31)]]


class DocumentRequest(Body):
    """POST /v1/documents as JSON: a text, and its name in citations."""

    text: str = Field(min_length=1)
    name: str = Field("pasted text", min_length=1, max_length=200)
