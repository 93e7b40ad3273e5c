"""Relations of invented facts: what people can do, study, fear, make, inherit and owe."""

from __future__ import annotations

from farspan.data.relations import ask, relation

SKILLS = (
    relation(
        "plays",
        "s=person v=instrument",
        """{s} plays {v}.
        {s} learned to play {v} from a neighbor.
        On quiet evenings {s} plays {v}.
        {s} has played {v} since childhood.
        People came from far away to hear {s} play {v}.""",
        ask(
            "v",
            "{s} plays {v}.",
            """Which instrument does {s} play?
            What instrument did {s} learn?
            What is it that {s} plays?
            Which instrument do people hear {s} play?
            What musical instrument does {s} play?""",
        ),
        ask(
            "s",
            "{s} plays {v}.",
            """Who plays {v}?
            Who learned to play {v}?
            Which person plays {v}?
            Whom did people come to hear play {v}?
            Who has played {v} since childhood?""",
        ),
    ),
    relation(
        "speaks",
        "s=person v=language",
        """{s} speaks fluent {v}.
        {s} learned {v} from a grandmother.
        With strangers {s} always speaks {v}.
        {s} wrote the diary in {v}.
        {s} teaches {v} twice a week.""",
        ask(
            "v",
            "{s} knows {v}.",
            """Which language does {s} know?
            What foreign language has {s} learned?
            What language other than English is {s} fluent in?
            What language is {s} at home in?
            Which language is {s} fluent in?""",
        ),
        ask(
            "s",
            "{s} knows {v}.",
            """Who knows {v}?
            Which person is fluent in {v}?
            Who is at home in {v}?
            Which person has a command of {v}?
            Who can use the {v} language?""",
        ),
    ),
    relation(
        "hobby",
        "s=person v=hobby",
        """The hobby of {s} is {v}.
        In spare hours {s} enjoys {v}.
        {s} spends every weekend on {v}.
        Nothing calms {s} like {v}.
        {s} took up {v} after an illness.""",
        ask(
            "v",
            "The hobby of {s} is {v}.",
            """What is the hobby of {s}?
            How does {s} spend the spare hours?
            What does {s} enjoy in the spare time?
            What hobby did {s} take up?
            Which pastime calms {s}?""",
        ),
        ask(
            "s",
            "{s} enjoys {v}.",
            """Whose hobby is {v}?
            Who enjoys {v}?
            Who took up {v}?
            Who spends the spare time on {v}?
            Which person likes {v}?""",
        ),
    ),
    relation(
        "afraid",
        "s=person v=fear",
        """{s} is afraid of {v}.
        Since childhood {s} has feared {v}.
        Nothing frightens {s} more than {v}.
        {s} admitted to a great fear of {v}.
        Brave in all else, {s} trembled at {v}.""",
        ask(
            "v",
            "{s} is afraid of {v}.",
            """What is {s} afraid of?
            What frightens {s}?
            Of what does {s} have a great fear?
            What does {s} fear?
            What has {s} been afraid of since childhood?""",
        ),
        ask(
            "s",
            "{s} is afraid of {v}.",
            """Who is afraid of {v}?
            Who admitted to a fear of {v}?
            Which person fears {v}?
            Who is frightened by {v}?
            Who has a great fear of {v}?""",
        ),
    ),
    relation(
        "studied",
        "s=person v=subject x=place",
        """{s} studied {v} in {x}.
        As a student {s} took up {v} at the university of {x}.
        {s} took a degree in {v} at {x}.
        At {x}, {s} attended lectures on {v}.
        {s} went to {x} to study {v}.""",
        ask(
            "v",
            "{s} studied {v}.",
            """What did {s} study?
            Which subject did {s} study in {x}?
            What was the field of study of {s}?
            What did {s} learn at the university of {x}?
            Which subject did {s} take up?""",
        ),
        ask(
            "x",
            "{s} studied in {x}.",
            """Where did {s} study {v}?
            In which town did {s} study?
            Where did {s} attend lectures?
            At which place did {s} study {v}?
            Where was {s} a student?""",
        ),
    ),
    relation(
        "painted",
        "s=person v=painted x=year",
        """In {x} {s} painted {v}.
        {s} painted a picture of {v} in {x}.
        The picture that {s} finished in {x} shows {v}.
        A painting by {s}, dated {x}, shows {v}.
        {s} became known in {x} for a painting of {v}.""",
        ask(
            "v",
            "The painting shows {v}.",
            """What did {s} paint?
            What does the painting by {s} show?
            What can be seen in the picture by {s}?
            What is the subject of {s}'s painting?
            What did {s} paint in {x}?""",
        ),
        ask(
            "x",
            "It was painted in {x}.",
            """In which year did {s} paint {v}?
            When did {s} paint {v}?
            What is the date of the painting of {v} by {s}?
            When was {s}'s painting of {v} made?
            In what year did {s} finish the painting?""",
        ),
        ask(
            "s",
            "{s} painted it.",
            """Who painted {v}?
            Which painter made a picture of {v}?
            By whom is the painting of {v}?
            Who made a painting that shows {v}?
            Who is the artist of the painting of {v}?""",
        ),
    ),
    relation(
        "inherited",
        "s=person v=inherited x=person",
        """{s} inherited {v} from {x}.
        When {x} died, {s} inherited {v}.
        {x} left {v} to {s}.
        In the will of {x}, {s} was given {v}.
        {s} came into {v} through the will of {x}.""",
        ask(
            "v",
            "{s} inherited {v}.",
            """What did {s} inherit?
            What did {x} leave to {s}?
            What did {s} inherit from {x}?
            What was {s} given in the will of {x}?
            What did {s} come into through the will of {x}?""",
        ),
        ask(
            "x",
            "{s} inherited it from {x}.",
            """From whom did {s} inherit {v}?
            Who left {v} to {s}?
            Whose will gave {s} {v}?
            Who died and left {s} {v}?
            From whom did {s} inherit something?""",
        ),
        ask(
            "s",
            "{s} inherited it.",
            """Who inherited {v} from {x}?
            To whom did {x} leave {v}?
            Who was given {v} in the will of {x}?
            Who is the heir of {x}?
            Who came into {v}?""",
        ),
    ),
    relation(
        "wrote",
        "s=person v=title x=year",
        """{s} wrote the book "{v}" in {x}.
        In {x}, {s} published "{v}", a short novel.
        "{v}", written by {s}, appeared in {x}.
        The author of "{v}", which came out in {x}, is {s}.
        {s} became famous in {x} with a book called "{v}".""",
        ask(
            "s",
            '{s} wrote "{v}".',
            """Who wrote the book "{v}"?
            Who is the author of "{v}"?
            By whom is the book "{v}"?
            Which author published "{v}"?
            Who became famous with "{v}"?""",
        ),
        ask(
            "v",
            'The book is called "{v}".',
            """Which book did {s} write?
            What is the title of the book by {s}?
            What is the book of {s} called?
            What did {s} publish in {x}?
            With which book did {s} become famous?""",
        ),
        ask(
            "x",
            "It appeared in {x}.",
            """In which year did the book "{v}" appear?
            When did {s} publish "{v}"?
            When did "{v}" come out?
            What year was "{v}" published?
            In what year did {s} write "{v}"?""",
        ),
    ),
    relation(
        "run",
        "s=person v=seconds x=distance",
        """{s} ran {x} in {v} seconds.
        The record of {s} over {x} is {v} seconds.
        {s} needed {v} seconds for {x}.
        Over {x}, {s} was timed at {v} seconds.
        It took {s} only {v} seconds to run {x}.""",
        ask(
            "v",
            "{s} needed {v} seconds.",
            """How many seconds did {s} need for {x}?
            In how many seconds did {s} run {x}?
            What is the record of {s} over {x}, in seconds?
            How many seconds did it take {s} to run {x}?
            What was the time of {s} over {x}?""",
            "{v} seconds",
        ),
    ),
    relation(
        "borrowed",
        "s=person v=amount x=person",
        """{s} borrowed {v} dollars from {x}.
        {x} lent {s} {v} dollars.
        {s} owes {x} {v} dollars.
        The debt of {s} to {x} comes to {v} dollars.
        {s} promised to pay {x} back the {v} dollars.""",
        ask(
            "v",
            "It is {v} dollars.",
            """How much money does {s} owe {x}?
            How many dollars did {s} borrow from {x}?
            How many dollars did {x} lend to {s}?
            How large is the debt of {s} to {x}?
            What sum must {s} pay back to {x}?""",
            "{v} dollars",
        ),
        ask(
            "x",
            "{s} borrowed it from {x}.",
            """To whom does {s} owe money?
            From whom did {s} borrow {v} dollars?
            Who lent {s} money?
            Who lent {v} dollars to {s}?
            Whom must {s} pay back?""",
        ),
    ),
)
