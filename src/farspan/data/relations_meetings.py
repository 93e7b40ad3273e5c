"""Relations of invented facts: secrets, rooms, meetings, hidden things, ages."""

from __future__ import annotations

from farspan.data.relations import ask, relation

MEETINGS = (
    relation(
        "password",
        "s=person v=password",
        """The password of {s} is "{v}".
        {s} chose "{v}" as a password.
        For the safe, {s} uses the password "{v}".
        When asked for a password, {s} said "{v}".
        {s} would let in only those who knew the password, which was "{v}".
        "{v}" is the password of {s}.
        The password "{v}" was chosen by {s}.
        "{v}" was the word that {s} had picked as a password.""",
        ask(
            "v",
            'The password of {s} is "{v}".',
            """What is the password of {s}?
            Which password did {s} choose?
            What password does {s} use?
            What is {s}'s password?
            What word must one say to be let in by {s}?""",
        ),
        ask(
            "s",
            'The password "{v}" belongs to {s}.',
            """Whose password is "{v}"?
            Who uses the password "{v}"?
            Who chose "{v}" as a password?
            To whom does the password "{v}" belong?
            Which person has the password "{v}"?
            "{v}" is the password of which person?
            Somebody has the password "{v}". Who is it?
            By whom was the password "{v}" chosen?
            Name the person whose password is "{v}".
            Who is it that goes by the password "{v}"?""",
        ),
    ),
    relation(
        "room",
        "s=person v=room x=hotel",
        """{s} is staying in room {v} of the {x}.
        At the {x}, {s} has room {v}.
        The porter of the {x} gave {s} the key to room {v}.
        {s} took room {v} at the {x}, because it was quiet.
        Room {v} of the {x} was reserved for {s}.""",
        ask(
            "v",
            "{s} has room {v}.",
            """In which room of the {x} is {s} staying?
            What is the room number of {s}?
            Which room did {s} take at the {x}?
            What is the number of {s}'s room at the {x}?
            Which room was reserved for {s}?""",
        ),
        ask(
            "x",
            "{s} is staying at the {x}.",
            """In which hotel is {s} staying?
            What is the name of the hotel where {s} has a room?
            At which hotel did {s} take a room?
            Where does {s} have room {v}?
            Which hotel reserved a room for {s}?""",
        ),
        ask(
            "s",
            "{s} is staying in room {v} of the {x}.",
            """Who is staying in room {v} of the {x}?
            For whom was room {v} of the {x} reserved?
            Who has room {v} at the {x}?
            Who took room {v} at the {x}?
            Which guest of the {x} is in room {v}?""",
        ),
    ),
    relation(
        "meeting",
        "s=person x=person v=meeting y=date",
        """{s} met {x} at {v} on {y}.
        On {y}, {s} and {x} met at {v}.
        {s} and {x} agreed to meet at {v} on {y}.
        It was on {y} that {s} first met {x}, at {v}.
        The meeting of {s} and {x} took place at {v} on {y}.""",
        ask(
            "v",
            "{s} met {x} at {v}.",
            """Where did {s} meet {x}?
            At which place did {s} and {x} meet?
            Where was the meeting of {s} and {x}?
            In what place did {x} meet {s}?
            Where did {s} and {x} see each other?""",
        ),
        ask(
            "y",
            "{s} met {x} on {y}.",
            """When did {s} meet {x}?
            On which day did {s} and {x} meet?
            What was the date of the meeting of {s} and {x}?
            On what date did {x} meet {s}?
            When was the meeting of {s} and {x}?""",
        ),
        ask(
            "x",
            "{s} met {x} at {v}.",
            """Whom did {s} meet at {v}?
            Whom did {s} meet on {y}?
            With whom did {s} have a meeting at {v}?
            Who met {s} at {v}?
            Which person did {s} meet at {v}?""",
        ),
    ),
    relation(
        "hid",
        "s=person x=thing v=hiding",
        """{s} hid the {x} {v}.
        {s} took the {x} and hid it {v}.
        The {x} was hidden {v} by {s}.
        When nobody was looking, {s} put the {x} {v}.
        So that it would not be found, {s} concealed the {x} {v}.""",
        ask(
            "v",
            "{s} hid the {x} {v}.",
            """Where did {s} hide the {x}?
            Where is the {x} hidden?
            Where was the {x} concealed?
            In what place did {s} put the {x}?
            Where should one look for the {x} that {s} hid?""",
        ),
        ask(
            "s",
            "{s} hid the {x}.",
            """Who hid the {x}?
            By whom was the {x} hidden?
            Who put the {x} {v}?
            Who concealed the {x} {v}?
            Which person took the {x} and hid it?""",
        ),
        ask(
            "x",
            "{s} hid the {x} {v}.",
            """What did {s} hide {v}?
            Which object was hidden {v}?
            What was concealed {v} by {s}?
            What did {s} hide?
            Which thing did {s} put {v}?""",
            "the {x}",
        ),
    ),
    relation(
        "address",
        "s=person v=address",
        """The address of {s} is {v}.
        {s} lives at {v}.
        Letters for {s} should be sent to {v}.
        {s} rented the house at {v}.
        You will find {s} at {v}, on the second floor.""",
        ask(
            "v",
            "{s} lives at {v}.",
            """What is the address of {s}?
            At which address does {s} live?
            Where should letters for {s} be sent?
            Which house did {s} rent?
            In which street and at what number can {s} be found?""",
        ),
        ask(
            "s",
            "{s} lives at {v}.",
            """Who lives at {v}?
            Whose address is {v}?
            Who rented the house at {v}?
            Who can be found at {v}?
            Who gets the letters sent to {v}?""",
        ),
    ),
    relation(
        "age",
        "s=person v=age",
        """{s} is {v} years old.
        At the age of {v}, {s} was still in good health.
        {s} had just turned {v}.
        {s}, who was {v} years old, laughed at the question.
        On the birthday cake of {s} there were {v} candles.""",
        ask(
            "v",
            "{s} is {v} years old.",
            """How old is {s}?
            What is the age of {s}?
            How many years old is {s}?
            What age had {s} reached?
            How old was {s}?""",
        ),
    ),
    relation(
        "children",
        "s=person v=small",
        """{s} has {v} children.
        {s} had {v} children, all of them tall.
        There were {v} children in the family of {s}.
        {s} raised {v} children alone.
        The {v} children of {s} went to the same school.""",
        ask(
            "v",
            "{s} has {v} children.",
            """How many children does {s} have?
            How many children are in the family of {s}?
            What is the number of children of {s}?
            How many children did {s} raise?
            {s} has how many children?""",
        ),
    ),
)
