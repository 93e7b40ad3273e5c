"""Prompts of ordinary assistant chats, without answers: the base model answers them itself.

Training on its own answers keeps a model the assistant it was while it learns to read documents.
"""

from __future__ import annotations

from farspan.data.relations import lines

_TOPICS = lines(
    """the sea
    autumn
    an old lighthouse
    friendship
    a lost key
    the moon
    a quiet village
    learning to swim
    a stray cat
    the first day of school
    mountains
    a long train journey
    rain
    a clockmaker
    bread
    the night sky
    a garden in winter
    courage"""
)
_SUBJECTS = lines(
    """photosynthesis
    how a bicycle stays upright
    gravity
    the water cycle
    why the sky is blue
    how vaccines work
    what inflation is
    how a computer stores numbers
    the causes of the First World War
    how bees make honey
    what a black hole is
    the rules of chess
    how to read a map
    plate tectonics
    what democracy means
    how the heart works
    the difference between weather and climate
    what DNA is"""
)
_THINGS = lines(
    """fruits that are rich in vitamin C
    ways to save electricity at home
    countries in South America
    good habits for students
    ideas for a birthday party
    famous inventors
    vegetables that grow in spring
    tips for a job interview
    musical instruments with strings
    things to pack for a camping trip
    questions to ask a doctor
    cheap dinners for a family"""
)
_SENTENCES = lines(
    """Good morning, how are you?
    Where is the railway station?
    I would like a cup of tea, please.
    The weather is beautiful today.
    My brother lives in the city.
    Thank you for your help.
    We arrive tomorrow at noon.
    The book is on the table."""
)
_LANGUAGES = ("French", "Spanish", "German", "Italian", "Portuguese")
_CODE = lines(
    """reverses a string
    checks whether a number is prime
    counts the words in a text
    finds the largest number in a list
    removes duplicates from a list
    computes the factorial of a number
    sorts a list of names by length
    reads a file line by line
    merges two dictionaries
    converts Celsius to Fahrenheit
    tells whether a word is a palindrome
    prints the Fibonacci numbers up to 100"""
)
_OPEN = lines(
    """Hello!
    Hi, how are you today?
    Good morning.
    Hey, what can you do?
    Who are you?
    Thank you very much for your help.
    What is your name?
    Can you help me with my homework?
    I feel a little sad today. Can you cheer me up?
    Tell me a joke.
    Tell me an interesting fact.
    What should I cook tonight?
    I cannot sleep. What can I do?
    How do I make a good cup of coffee?
    Give me a riddle.
    What is the meaning of life?
    How can I learn a new language?
    Write a short email asking my boss for a day off.
    Write a polite reply to an invitation that I must decline.
    Suggest a name for a small bakery.
    What is the capital of Australia?
    Who wrote Romeo and Juliet?
    How many continents are there?
    What is the largest planet in the solar system?
    Which is heavier, a kilogram of iron or a kilogram of feathers?
    Summarize the story of Cinderella in three sentences.
    Write a slogan for a bicycle shop.
    Explain the proverb "A stitch in time saves nine."
    What is the opposite of generous?
    Use the word "serendipity" in a sentence."""
)
_TEMPLATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Write a short poem about {}.", _TOPICS),
    ("Tell me a short story about {}.", _TOPICS),
    ("Explain {} in simple words.", _SUBJECTS),
    ("Describe {} in two sentences.", _SUBJECTS),
    ("List five {}.", _THINGS),
    ("Give me three {} and say why.", _THINGS),
    ("Write a Python function that {}.", _CODE),
)


def chat_prompts() -> tuple[str, ...]:
    """All fixed prompts, always the same and in the same order, none twice."""
    made = [template.format(word) for template, options in _TEMPLATES for word in options]
    made += [
        f'Translate into {_LANGUAGES[i % len(_LANGUAGES)]}: "{sentence}"'
        for i, sentence in enumerate(_SENTENCES)
    ]
    return tuple(dict.fromkeys([*_OPEN, *made]))
