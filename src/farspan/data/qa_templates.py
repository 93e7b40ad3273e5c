"""The wordings of extracted questions: each kind has many, filled with the item's slots."""

from __future__ import annotations

from farspan.data.relations import lines

TEMPLATES: dict[str, tuple[str, ...]] = {
    "says": lines(
        """Who says "{0}"?
        Who said "{0}"?
        Which character says "{0}"?
        Who speaks the words "{0}"?
        "{0}" Who says this?
        Who is the speaker of "{0}"?
        By whom are the words "{0}" spoken?
        Whose words are these: "{0}"
        Tell me who says: "{0}"
        In the text someone says "{0}". Who is it?
        Name the person who says "{0}".
        From whose mouth comes the sentence "{0}"?"""
    ),
    "completion": lines(
        """Complete the sentence: "{0}"
        How does this sentence go on: "{0}"
        How does the sentence that begins "{0}" end?
        Continue the quotation: "{0}"
        What comes directly after the words "{0}"?
        Which words follow "{0}" in the text?
        Finish this sentence exactly as in the document: "{0}"
        Give the rest of the sentence that starts with "{0}".
        The text says "{0}". How does it continue?
        What is the end of the sentence "{0} ..."?
        Quote what follows "{0}" up to the end of the sentence.
        I remember only the beginning: "{0}". What is the rest?"""
    ),
    "next_sentence": lines(
        """Which sentence comes right after "{0}"?
        What is the next sentence after "{0}"?
        Quote the sentence that follows "{0}"
        After "{0}", what does the text say next?
        What comes immediately after the sentence "{0}"?
        The text says: "{0}" What is the following sentence?
        Give me the sentence that stands directly after this one: "{0}"
        Which sentence follows this one: "{0}"
        What does the document say directly after "{0}"?
        Copy the sentence after "{0}"."""
    ),
    "number": lines(
        """Which number is missing: "{0}"
        Fill in the number: "{0}"
        What number belongs in the blank: "{0}"
        "{0}" Which number stands in the place of the blank?
        In the sentence "{0}", what is the number?
        Give the missing number in "{0}"
        What is the number left out here: "{0}"
        Look up the number that is missing in this sentence: "{0}"
        According to the document, which number completes "{0}"?
        The following sentence lacks a number. Which one? "{0}"
        Which figure does the text give here: "{0}" """
    ),
    "year": lines(
        """In which year was it? "{0}"
        Which year is missing: "{0}"
        What year belongs in the blank: "{0}"
        Fill in the year: "{0}"
        "{0}" Which year is meant?
        Give the missing year in "{0}"
        Which year does the document give here: "{0}"
        The year is left out in this sentence: "{0}" Which year is it?
        In the sentence "{0}", what is the year?
        What is the year in "{0}"?"""
    ),
    "how_many": lines(
        """How many {1} are there in this sentence: "{0}"
        How many {1} does the text speak of here: "{0}"
        How many {1}? "{0}"
        "{0}" How many {1} are meant?
        What number of {1} belongs in the blank: "{0}"
        Fill in how many {1}: "{0}"
        The number of {1} is left out here: "{0}" What is it?
        In "{0}", how many {1} are mentioned?
        Tell me how many {1} the document names in this place: "{0}"
        According to the text, how many {1} is it? "{0}" """
    ),
    "name": lines(
        """Which name is missing: "{0}"
        Fill in the name: "{0}"
        What name belongs in the blank: "{0}"
        "{0}" Which name stands in the place of the blank?
        Give the missing name in "{0}"
        The following sentence lacks a name. Which one? "{0}"
        What is the name left out here: "{0}"
        According to the document, which name completes "{0}"?
        Who or what is meant by the blank in "{0}"?
        In the sentence "{0}", which name has been left out?"""
    ),
    "person": lines(
        """Who is it? "{0}"
        Who is meant by the blank: "{0}"
        Fill in the person: "{0}"
        Which person is missing in "{0}"?
        "{0}" Whose name stands in the place of the blank?
        About whom does the text say "{0}"?
        The person is left out in this sentence: "{0}" Who is it?
        Of whom is it said: "{0}"
        Who belongs in the blank: "{0}"
        Name the person missing here: "{0}" """
    ),
    "heading_after": lines(
        """Which heading follows "{0}"?
        What is the next heading after "{0}"?
        Which chapter comes after "{0}"?
        What comes after the chapter "{0}"? Give the heading.
        After the part headed "{0}", what is the next part called?
        Name the heading that comes directly after "{0}".
        Which part of the document follows "{0}"?
        When "{0}" is over, which heading comes next?
        What is the title of the part after "{0}"?
        Tell me the heading after "{0}"."""
    ),
    "heading_before": lines(
        """Which heading comes before "{0}"?
        What is the heading before "{0}"?
        Which chapter comes directly before "{0}"?
        Name the heading that stands before "{0}".
        What is the part before "{0}" called?
        Before the part headed "{0}", which part is there?
        "{0}" follows which chapter?
        Which part of the document precedes "{0}"?
        What is the title of the part just before "{0}"?
        Tell me the heading that comes before "{0}"."""
    ),
    "chapter_title": lines(
        """What is {0} called?
        What is the title of {0}?
        Which title does {0} have?
        What is the name of {0}?
        How is {0} titled?
        Give the title of {0}.
        What heading does {0} carry?
        {0}: what is its title?
        Tell me the title of {0}.
        Under what title does {0} stand?"""
    ),
    "chapter_number": lines(
        """Which chapter is called "{0}"?
        What is the number of the chapter "{0}"?
        Which number does the chapter titled "{0}" have?
        "{0}" is the title of which chapter?
        Where is "{0}" in the order of chapters?
        Which chapter carries the title "{0}"?
        Give the number of the chapter called "{0}".
        The title "{0}" belongs to which chapter?
        What chapter is titled "{0}"?
        Which chapter has the heading "{0}"?"""
    ),
    "chapter_begins": lines(
        """How does the part headed "{0}" begin?
        What is the first sentence under the heading "{0}"?
        With which sentence does "{0}" begin?
        Quote the first sentence of "{0}".
        How does the chapter "{0}" begin?
        What are the opening words of "{0}"?
        Give the opening sentence of the part called "{0}".
        Which sentence opens "{0}"?
        What does the text say first under "{0}"?
        Copy the first sentence after the heading "{0}"."""
    ),
    "born": lines(
        """Where was {0} born?
        What is the birthplace of {0}?
        In which place was {0} born?
        Where did {0} come into the world?
        Name the place where {0} was born.
        What does the text give as the birthplace of {0}?
        {0} was born where?
        According to the document, where was {0} born?
        Tell me where {0} was born.
        From which place does {0} come by birth?"""
    ),
    "lived": lines(
        """Where did {0} live?
        In which place did {0} live?
        What was the home of {0}?
        {0} lived where?
        Tell me where {0} lived.
        According to the document, where did {0} live?
        Name the place where {0} lived.
        In what place does the text say that {0} lived?
        Where, according to the text, did {0} live?
        Do you know where {0} lived?"""
    ),
    "died": lines(
        """Where did {0} die?
        In which place did {0} die?
        {0} died where?
        Tell me where {0} died.
        According to the document, where did {0} die?
        What was the place of death of {0}?
        Name the place where {0} died.
        Where was {0} when death came?
        In what place does the text say that {0} died?
        Where did the life of {0} end?"""
    ),
    "married": lines(
        """Whom did {0} marry?
        Who was married to {0}?
        Who did {0} marry?
        {0} married whom?
        Tell me whom {0} married.
        According to the document, whom did {0} marry?
        Name the person whom {0} married.
        To whom was {0} married?
        Who became the husband or wife of {0}?
        With whom did {0} enter into marriage?"""
    ),
    "relative": lines(
        """Who is the {1} of {0}?
        Who was the {1} of {0}?
        What is the name of the {1} of {0}?
        Name the {1} of {0}.
        Tell me who is the {1} of {0}.
        {0} had a {1}. Who was it?
        Which person is called the {1} of {0}?
        According to the document, who is the {1} of {0}?
        Who is named as the {1} of {0}?
        What was the {1} of {0} called?"""
    ),
    "capital": lines(
        """What is the capital of {0}?
        Which city is the capital of {0}?
        What is named as the capital of {0}?
        Name the capital of {0}.
        Tell me the capital of {0}.
        What city is called the capital of {0}?
        According to the document, what is the capital of {0}?
        Which town is the capital of {0}?
        What is the name of the capital of {0}?
        {0} has which capital?"""
    ),
    "agent": lines(
        """By whom was {0} {1}?
        {0} was {1} by whom?
        Who is named as the one by whom {0} was {1}?
        According to the document, by whom was {0} {1}?
        Tell me by whom {0} was {1}.
        Name the person or body by whom {0} was {1}.
        The text says that {0} was {1}. By whom?
        By what person or people was {0} {1}?
        Who was it that {0} was {1} by?
        Do you know by whom {0} was {1}?"""
    ),
    "reference": lines(
        """What is {0}?
        Tell me {0}.
        What does the document say about {0}?
        Look up {0}.
        Do you know {0}?
        According to the document, what is {0}?
        I need {0}.
        Please state {0}.
        What is given as {0}?
        Find {0} in the document.
        Give me {0}."""
    ),
    "reference_many": lines(
        """What are {0}?
        Tell me {0}.
        What does the document say about {0}?
        Look up {0}.
        Do you know {0}?
        According to the document, what are {0}?
        I need {0}.
        Please state {0}.
        What does the document list as {0}?
        Find {0} in the document.
        Give me {0}."""
    ),
    "entry": lines(
        """What does the entry on {0} give under "{1}"?
        {0}: what stands under "{1}"?
        Under "{1}", what is written about {0}?
        What is the value of "{1}" for {0}?
        What does the document give as "{1}" for {0}?
        Look up "{1}" for {0}.
        For {0}, what is recorded as "{1}"?
        Give the entry "{1}" of {0}.
        Which entry does {0} have under "{1}"?
        What is noted about {0} at "{1}"?"""
    ),
    "section_title": lines(
        """What is the title of {0}?
        What is {0} about? Give its title.
        How is {0} titled?
        What heading does {0} have?
        Which subject does {0} deal with, according to its heading?
        Give the title of {0}.
        What does the heading of {0} say?
        {0}: what is its title?
        Tell me the heading of {0}.
        Under which title does {0} stand?"""
    ),
    "section_number": lines(
        """Which section is titled "{0}"?
        What is the number of the section "{0}"?
        Where do I find the section "{0}"?
        Which section deals with "{0}"?
        "{0}" is the title of which section?
        Which section has the heading "{0}"?
        Give the number of the section titled "{0}".
        Under which section number does "{0}" stand?
        The heading "{0}" belongs to which section?
        What section is called "{0}"?"""
    ),
    "term": lines(
        """What definition does the document give for "{0}"?
        How does the document define "{0}"?
        What does "{0}" mean, according to the document?
        Give the definition of "{0}" in the document.
        What does the text say that "{0}" means?
        How is "{0}" defined?
        What is meant by "{0}"?
        The document defines "{0}". How?
        Quote the definition of "{0}".
        Which definition of "{0}" is given?"""
    ),
}
"""At least ten wordings a kind."""
