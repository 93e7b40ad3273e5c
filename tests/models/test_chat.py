import json

import pytest

from farspan.errors import RequestError
from farspan.models.chat import INSTRUCTION, DialogueFormat, render_chat
from farspan.models.tokenizer import Tokenizer

SMOLLM2 = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""  # noqa: E501

LLAMA3 = """{{- bos_token }}
{%- set date = strftime_now("%Y") %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""  # noqa: E501

MISTRAL_NO_SYSTEM = """{{ bos_token }}{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant') }}
{% endif %}
{% if message['role'] == 'user' %}
{{ '[INST] ' + message['content'] + ' [/INST]' }}
{% else %}
{{ ' ' + message['content'] + eos_token }}
{% endif %}
{% endfor %}"""

MISTRAL_SYSTEM_IN_LAST_TURN = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- endif %}
{%- endfor %}
"""

DROPS_SYSTEM = """{% for m in messages %}{% if m.role != 'system' %}<{{ m.role }}>{{ m.content }}</>
{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"""


def test_smollm2():
    assert DialogueFormat.from_template(SMOLLM2) == DialogueFormat(
        before_document=f"<|im_start|>system\n{INSTRUCTION}\n\n",
        before_question="<|im_end|>\n<|im_start|>user\n",
        before_answer="<|im_end|>\n<|im_start|>assistant\n",
        after_answer="<|im_end|>\n",
        before_next_question="<|im_start|>user\n",
    )


def test_llama3():
    head = "<|start_header_id|>{}<|end_header_id|>\n\n"
    assert DialogueFormat.from_template(LLAMA3, "<bos>", "<|eot_id|>") == DialogueFormat(
        before_document="<bos>" + head.format("system") + INSTRUCTION + "\n\n",
        before_question="<|eot_id|>" + head.format("user"),
        before_answer="<|eot_id|>" + head.format("assistant"),
        after_answer="<|eot_id|>",
        before_next_question=head.format("user"),
    )


def test_no_system_role_puts_the_document_before_the_question():
    for template in (MISTRAL_NO_SYSTEM, MISTRAL_SYSTEM_IN_LAST_TURN):
        found = DialogueFormat.from_template(template, "<s>", "</s>")
        assert found.before_document == f"<s>[INST] {INSTRUCTION}\n\n"
        assert found.before_question == "\n\n"
        assert found.before_answer.strip() == "[/INST]"
        assert found.after_answer.strip() == "</s>"
        assert found.before_next_question == "[INST] "


def test_system_message_that_is_dropped():
    found = DialogueFormat.from_template(DROPS_SYSTEM)
    assert found.before_document == f"<user>{INSTRUCTION}\n\n"
    assert (found.before_question, found.after_answer) == ("\n\n", "</>\n")


def test_plain_text_without_template():
    found = DialogueFormat.from_template(None)
    text = found.before_document + "D" + found.before_question + "Q" + found.before_answer
    assert text == "Document:\nD\n\nQuestion: Q\nAnswer:"
    again = " A" + found.after_answer + found.before_next_question + "Q"
    assert again == " A\n\nQuestion: Q"


@pytest.mark.parametrize("template", [SMOLLM2, LLAMA3, MISTRAL_NO_SYSTEM, DROPS_SYSTEM])
def test_parts_join_to_the_rendered_chat(template):
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    f = DialogueFormat.from_template(template, **tokens)
    head = f"{INSTRUCTION}\n\nTHE DOCUMENT"
    answer = [{"role": "assistant", "content": "a"}, {"role": "user", "content": "q2"}]
    if f.before_question == "\n\n":
        messages = [{"role": "user", "content": f"{head}\n\nq1"}, *answer]
    else:
        system = {"role": "system", "content": head}
        messages = [system, {"role": "user", "content": "q1"}, *answer]
    joined = (
        f"{f.before_document}THE DOCUMENT{f.before_question}q1{f.before_answer}a"
        f"{f.after_answer}{f.before_next_question}q2{f.before_answer}"
    )
    # Mistral's template writes a space before an answer only once the answer is there.
    assert joined.replace(" ", "") == render_chat(template, messages, **tokens).replace(" ", "")


def test_from_tokenizer():
    import tokenizers

    backend = tokenizers.Tokenizer(tokenizers.models.BPE({"<s>": 0, "</s>": 1}, []))
    options = {"bos_id": 0, "eos_ids": (1,)}
    found = DialogueFormat.from_tokenizer(
        Tokenizer(backend, chat_template=MISTRAL_NO_SYSTEM, **options)
    )
    assert found.before_document.startswith("<s>[INST]") and "</s>" in found.after_answer
    plain = DialogueFormat.from_tokenizer(Tokenizer(backend, adds_bos=True, **options))
    assert plain.before_document == "<s>Document:\n"


def test_render_chat_features():
    template = (
        "{% for m in messages %}\n{% if m.skip %}{% continue %}{% endif %}\n"
        "{% generation %}{{ m.content | tojson }}{% endgeneration %}\n{% endfor %}\n{{ extra }}"
    )
    messages = [{"role": "user", "content": "<é & 'q'>"}, {"role": "user", "skip": True}]
    out = render_chat(template, messages, extra="x")
    assert json.loads(out.removesuffix("x")) == "<é & 'q'>" and "<é &" in out


def test_bad_templates_are_refused():
    for template in (
        "{% for %}",
        "{{ raise_exception('no') }}",
        "{{ messages[99].content + 1 }}",
        "{{ ''.__class__.__mro__ }}{{ messages[0].content.format.__globals__ }}",
        "{{ messages[0].append(1) }}",
    ):
        with pytest.raises(RequestError, match="chat template"):
            render_chat(template, [{"role": "user", "content": "x"}])
    with pytest.raises(RequestError, match="drops, repeats or reorders"):
        DialogueFormat.from_template("{{ messages[0].content }}")
