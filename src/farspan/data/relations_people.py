"""Relations of invented facts: where and how people live, whom they marry, what they own."""

from __future__ import annotations

from farspan.data.relations import ask, relation

PEOPLE = (
    relation(
        "lives_in",
        "s=person v=place",
        """{s} lives in {v}.
        {s} has lived in {v} for many years.
        The home of {s} is in {v}.
        It was well known that {s} lived in {v} and would live nowhere else.
        After a long journey, {s} settled in {v}.
        {s} moved to {v} as a child. To this day {s} lives there.""",
        ask(
            "v",
            "{s} lives in {v}.",
            """Where does {s} live?
            In which place does {s} live?
            What is the home town of {s} today?
            Where has {s} settled?
            {s} lives where?
            Tell me where {s} lives.""",
        ),
        ask(
            "s",
            "{s} lives in {v}.",
            """Who lives in {v}?
            Which person lives in {v}?
            Who has made a home in {v}?
            Whose home is in {v}?
            Name the person who settled in {v}.""",
        ),
    ),
    relation(
        "works_as",
        "s=person v=profession",
        """{s} works as {v}.
        By profession {s} is {v}.
        {s} earns a living as {v}.
        For a dozen years {s} had been {v}, and a good one.
        Everyone in the street knew that {s} was {v}.
        {s} trained for a long time and became {v}.""",
        ask(
            "v",
            "{s} works as {v}.",
            """What does {s} do for a living?
            What is the profession of {s}?
            What is {s}'s job?
            As what does {s} work?
            How does {s} earn a living?
            Which trade did {s} learn?""",
        ),
    ),
    relation(
        "works_where",
        "s=person v=profession x=place",
        """{s} works as {v} in {x}.
        In {x} there was {v} by the name of {s}.
        {s} found work as {v} in {x}.
        The people of {x} knew {s}, who was {v} there.
        {s}, {v}, kept a small office in {x}.""",
        ask(
            "s",
            "{s} works as {v} in {x}.",
            """Who works as {v} in {x}?
            Who is {v} in {x}?
            What is the name of the person who works as {v} in {x}?
            In {x} somebody worked as {v}. Who?
            Which person was {v} in {x}?""",
        ),
        ask(
            "x",
            "{s} works as {v} in {x}.",
            """Where does {s} work as {v}?
            In which town was {s} {v}?
            {s} is {v}. In which place?
            Where did {s}, {v}, work?
            In what place does {s} work?""",
        ),
    ),
    relation(
        "born_in",
        "s=person v=place x=year",
        """{s} was born in {v} in {x}.
        Born in {v} in the year {x}, {s} never forgot the place.
        In {x}, in the town of {v}, {s} was born.
        {s} came into the world in {v} in {x}.
        The birth of {s} took place in {v} in {x}.""",
        ask(
            "v",
            "{s} was born in {v}.",
            """Where was {s} born?
            What is the birthplace of {s}?
            In which town was {s} born?
            Where did {s} come into the world?
            Name the place where {s} was born.""",
        ),
        ask(
            "x",
            "{s} was born in {x}.",
            """When was {s} born?
            In which year was {s} born?
            What is the year of birth of {s}?
            What year did {s} come into the world?
            In what year did the birth of {s} take place?""",
        ),
        ask(
            "s",
            "{s} was born in {v}.",
            """Who was born in {v} in {x}?
            Which person was born in {v}?
            Who came into the world in {v}?
            Whose birthplace is {v}?
            Somebody was born in {v} in the year {x}. Who was it?""",
        ),
    ),
    relation(
        "married",
        "s=person v=person",
        """{s} married {v}.
        {s} and {v} were married in the spring.
        {s} is married to {v}.
        In a small chapel {s} and {v} became husband and wife.
        The wedding of {s} and {v} was remembered for years.
        Nobody had expected it, but {s} married {v}.""",
        ask(
            "v",
            "{s} married {v}.",
            """Whom did {s} marry?
            Who is married to {s}?
            Whom does {s} marry?
            Who became the spouse of {s}?
            To whom is {s} married?
            Who did {s} marry?""",
        ),
        ask(
            "s",
            "{v} married {s}.",
            """Whom did {v} marry?
            Who is married to {v}?
            Who is the spouse of {v}?
            To whom is {v} married?
            What is the name of the person married to {v}?""",
        ),
    ),
    relation(
        "pet",
        "s=person v=animal x=petname",
        """{s} keeps a pet {v} named {x}.
        {s} has a {v} called {x}.
        The {v} of {s} is called {x}.
        Wherever {s} goes, the {v} {x} goes too.
        {s} bought a {v} at the fair and named it {x}.""",
        ask(
            "v",
            "{s} keeps a {v}.",
            """What kind of animal does {s} keep?
            Which animal does {s} have as a pet?
            What kind of animal is {x}, the pet of {s}?
            What pet does {s} have?
            What sort of animal belongs to {s}?""",
            "a {v}",
        ),
        ask(
            "x",
            "The {v} of {s} is called {x}.",
            """What is the name of the {v} of {s}?
            What is {s}'s {v} called?
            How did {s} name the {v}?
            What is the pet of {s} called?
            By what name does {s} call the {v}?""",
        ),
        ask(
            "s",
            "{x} belongs to {s}.",
            """Who owns the {v} named {x}?
            Whose {v} is called {x}?
            To whom does the {v} {x} belong?
            Who keeps a {v} called {x}?
            Whose pet is {x}?""",
        ),
    ),
    relation(
        "owns",
        "s=person v=thing",
        """{s} owns a {v}.
        Among the belongings of {s} there is a {v}.
        {s} would never part with the {v}, which came from an uncle.
        The {v} on the shelf belonged to {s}.
        {s} bought a {v} at an auction and still has it.
        The {v} is the property of {s}.
        A {v}, an old one, is owned by {s}.
        That {v} is {s}'s own.""",
        ask(
            "s",
            "{s} owns the {v}.",
            """Who owns the {v}?
            To whom does the {v} belong?
            Whose is the {v}?
            Who is the owner of the {v}?
            Which person has a {v}?
            The {v} is the property of which person?
            Somebody owns a {v}. Who is it?
            Name the owner of the {v}.
            Whose property is the {v}?
            Which person calls the {v} their own?""",
        ),
        ask(
            "v",
            "{s} owns a {v}.",
            """What does {s} own?
            Which object belongs to {s}?
            What thing does {s} have among the belongings?
            What is it that {s} owns?
            Which item is in the possession of {s}?""",
            "a {v}",
        ),
    ),
    relation(
        "favourite_food",
        "s=person v=food",
        """The favorite food of {s} is {v}.
        {s} likes nothing better than {v}.
        Every Sunday {s} eats {v}, a favorite since childhood.
        If you want to please {s}, serve {v}.
        {s} has always loved {v} above all other food.""",
        ask(
            "v",
            "The favorite food of {s} is {v}.",
            """What is the favorite food of {s}?
            What does {s} like to eat most?
            Which dish does {s} love above all?
            What should one serve to please {s}?
            What food does {s} like best?""",
        ),
        ask(
            "s",
            "{s} likes {v} best.",
            """Whose favorite food is {v}?
            Who likes {v} best?
            Who loves {v} above all other food?
            Which person would be pleased to be served {v}?
            Who would rather eat {v} than anything else?""",
        ),
    ),
    relation(
        "phone",
        "s=person v=phone",
        """The telephone number of {s} is {v}.
        {s} can be reached by telephone at {v}.
        To call {s}, dial {v}.
        {s} wrote down a telephone number: {v}.
        In the directory, {s} is listed under {v}.""",
        ask(
            "v",
            "The telephone number of {s} is {v}.",
            """What is the telephone number of {s}?
            What is {s}'s phone number?
            Which number do I dial to reach {s}?
            Under which number is {s} listed?
            How can {s} be reached by telephone?""",
        ),
        ask(
            "s",
            "The number {v} belongs to {s}.",
            """Whose telephone number is {v}?
            Who can be reached at {v}?
            To whom does the number {v} belong?
            Whom do I reach when I dial {v}?
            Who is listed under {v}?""",
        ),
    ),
)
