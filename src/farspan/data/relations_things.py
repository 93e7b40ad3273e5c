"""Relations of invented facts: prices, discoveries, companies, ships, trains, towns."""

from __future__ import annotations

from farspan.data.relations import ask, relation

THINGS = (
    relation(
        "price",
        "s=thing v=amount",
        """The price of the {s} is {v} dollars.
        The {s} costs {v} dollars.
        In the shop window stood a {s} for {v} dollars.
        The dealer asked {v} dollars for the {s}.
        The {s} was sold for {v} dollars.""",
        ask(
            "v",
            "The price of the {s} is {v} dollars.",
            """What is the price of the {s}?
            How much does the {s} cost?
            How many dollars does the {s} cost?
            What did the dealer ask for the {s}?
            For how much money was the {s} to be had?""",
            "{v} dollars",
        ),
    ),
    relation(
        "discovered",
        "s=coined v=person x=year",
        """The {s} was discovered by {v} in {x}.
        In {x}, {v} discovered the {s}.
        {v} is remembered for the discovery of the {s} in {x}.
        It was {v} who first described the {s}, in {x}.
        The discovery of the {s} in {x} made {v} famous.""",
        ask(
            "v",
            "The {s} was discovered by {v}.",
            """Who discovered the {s}?
            By whom was the {s} discovered?
            Who first described the {s}?
            To whom do we owe the discovery of the {s}?
            Who became famous for discovering the {s}?""",
        ),
        ask(
            "x",
            "The {s} was discovered in {x}.",
            """When was the {s} discovered?
            In which year was the {s} discovered?
            In what year did {v} discover the {s}?
            What is the year of the discovery of the {s}?
            When did {v} discover the {s}?""",
        ),
        ask(
            "s",
            "{v} discovered the {s}.",
            """What did {v} discover?
            Which discovery was made by {v}?
            What is {v} remembered for?
            What did {v} discover in {x}?
            What was first described by {v}?""",
            "the {s}",
        ),
    ),
    relation(
        "founded",
        "s=company v=year x=person",
        """{s} was founded in {v} by {x}.
        {x} founded {s} in {v}.
        In {v}, {x} opened a firm under the name of {s}.
        The founder of {s}, {x}, started it in {v}.
        {s} goes back to {x}, who set it up in {v}.""",
        ask(
            "v",
            "{s} was founded in {v}.",
            """When was {s} founded?
            In which year was {s} founded?
            In what year did {x} start {s}?
            What is the founding year of {s}?
            Since when has {s} existed?""",
        ),
        ask(
            "x",
            "{s} was founded by {x}.",
            """Who founded {s}?
            Who is the founder of {s}?
            By whom was {s} founded?
            Who set up {s}?
            To whom does {s} go back?""",
        ),
        ask(
            "s",
            "{x} founded {s}.",
            """Which company did {x} found?
            What is the name of the firm that {x} founded?
            Which firm goes back to {x}?
            What company was started by {x}?
            Which company did {x} set up in {v}?""",
        ),
    ),
    relation(
        "headquarters",
        "s=company v=place",
        """{s} has its headquarters in {v}.
        The head office of {s} is in {v}.
        {s} moved its head office to {v}.
        From {v}, {s} directs all its business.
        The directors of {s} meet in {v}, at the head office.""",
        ask(
            "v",
            "{s} has its headquarters in {v}.",
            """Where does {s} have its headquarters?
            Where is the head office of {s}?
            In which town is {s} based?
            Where do the directors of {s} meet?
            From where is {s} directed?""",
        ),
        ask(
            "s",
            "{s} has its headquarters in {v}.",
            """Which company has its headquarters in {v}?
            Which firm has its head office in {v}?
            What company is based in {v}?
            Which firm is directed from {v}?
            Whose directors meet in {v}?""",
        ),
    ),
    relation(
        "employs",
        "s=company v=count",
        """{s} employs {v} people.
        There are {v} workers at {s}.
        {s} gives work to {v} men and women.
        At {s}, {v} people are on the payroll.
        The staff of {s} had grown to {v}.""",
        ask(
            "v",
            "{s} employs {v} people.",
            """How many people does {s} employ?
            How many workers are there at {s}?
            How large is the staff of {s}?
            How many people are on the payroll of {s}?
            What is the number of employees of {s}?""",
        ),
    ),
    relation(
        "code",
        "s=facility v=code",
        """The code for {s} is {v}.
        To open {s}, enter {v}.
        {s} opens with the code {v}.
        The code {v} belongs to {s}.
        Whoever wants to get into {s} must know the number {v}.""",
        ask(
            "v",
            "The code for {s} is {v}.",
            """What is the code for {s}?
            Which code opens {s}?
            What number must be entered to open {s}?
            With which code does {s} open?
            What must one know to get into {s}?""",
        ),
        ask(
            "s",
            "The code {v} is for {s}.",
            """What does the code {v} open?
            What is the code {v} for?
            To what does the code {v} belong?
            What opens when you enter {v}?
            Into what does the number {v} let you?""",
        ),
    ),
    relation(
        "bridge_length",
        "s=bridge v=count",
        """The {s} is {v} meters long.
        With its {v} meters, the {s} is the pride of the town.
        It is {v} meters from one end of the {s} to the other.
        The length of the {s} was measured as {v} meters.
        The engineers gave the {s} a length of {v} meters.""",
        ask(
            "v",
            "The {s} is {v} meters long.",
            """How long is the {s}?
            What is the length of the {s}?
            How many meters does the {s} measure?
            How many meters is it from one end of the {s} to the other?
            What length did the engineers give the {s}?""",
        ),
    ),
    relation(
        "ship",
        "s=ship v=person x=place",
        """The captain of the ship {s}, bound for {x}, is {v}.
        The {s} sailed for {x} under Captain {v}.
        {v} commands the {s}, which is on its way to {x}.
        With {v} in command, the ship {s} left for {x}.
        The ship {s} set sail for {x}. Her captain was {v}.""",
        ask(
            "v",
            "The captain of the {s} is {v}.",
            """Who is the captain of the {s}?
            Who commands the {s}?
            Under which captain did the {s} sail?
            What is the name of the captain of the ship {s}?
            Who is in command of the {s}?""",
        ),
        ask(
            "x",
            "The {s} sailed for {x}.",
            """For which place did the {s} set sail?
            Where is the {s} bound for?
            Where did the ship {s} sail?
            What is the destination of the {s}?
            To which port is the {s} on its way?""",
        ),
        ask(
            "s",
            "{v} commands the {s}.",
            """Which ship does {v} command?
            What is the name of the ship of {v}?
            Of which ship is {v} the captain?
            Which ship is bound for {x}?
            Which ship sailed under {v}?""",
            "the {s}",
        ),
    ),
    relation(
        "color_of",
        "s=person x=garment v=colour",
        """The {x} of {s} is {v}.
        {s} always wears a {v} {x}.
        {s} bought a new {x}. It was {v}.
        One could tell {s} from afar by the {v} {x}.
        {s} lost a {v} {x} on the ferry.""",
        ask(
            "v",
            "The {x} of {s} is {v}.",
            """What color is the {x} of {s}?
            Which color does {s}'s {x} have?
            What is the color of the {x} that belongs to {s}?
            Of what color was the {x} of {s}?
            In what color did {s} have a {x}?""",
        ),
    ),
    relation(
        "train",
        "s=place v=time x=place",
        """The train from {s} to {x} leaves at {v}.
        At {v} the train for {x} leaves {s}.
        Travelers from {s} to {x} must be on the platform at {v}.
        The only train from {s} to {x} departs at {v}.
        The night train to {x} leaves the station of {s} at {v}.""",
        ask(
            "v",
            "The train leaves at {v}.",
            """At what time does the train from {s} to {x} leave?
            When does the train from {s} to {x} depart?
            When must travelers from {s} to {x} be on the platform?
            What is the departure time of the train from {s} to {x}?
            When does the train for {x} leave {s}?""",
        ),
        ask(
            "x",
            "The train goes to {x}.",
            """Where does the {v} train from {s} go?
            What is the destination of the train that leaves {s} at {v}?
            For which place does a train leave {s} at {v}?
            Where does one get by taking the train from {s} at {v}?
            To which place does the train from {s} go?""",
        ),
    ),
    relation(
        "festival",
        "s=place v=festival x=daymonth",
        """Every year on {x} the people of {s} celebrate the {v}.
        The {v} is held in {s} on {x}.
        On {x} the {v} fills the streets of {s}.
        {s} is known for its {v}, which takes place on {x}.
        Visitors come to {s} on {x} for the {v}.""",
        ask(
            "v",
            "{s} celebrates the {v}.",
            """Which festival is held in {s}?
            What do the people of {s} celebrate?
            For which festival is {s} known?
            For what do visitors come to {s} on {x}?
            What takes place in {s} on {x}?""",
            "the {v}",
        ),
        ask(
            "x",
            "The {v} is held on {x}.",
            """When is the {v} held in {s}?
            On which day does {s} celebrate the {v}?
            What is the date of the {v}?
            On what day of the year does the {v} take place?
            When do visitors come to {s} for the {v}?""",
        ),
        ask(
            "s",
            "The {v} is held in {s}.",
            """Where is the {v} held?
            Which town celebrates the {v}?
            In which place does the {v} take place?
            Whose streets does the {v} fill?
            Which place is known for its {v}?""",
        ),
    ),
    relation(
        "mayor",
        "s=place v=person",
        """The mayor of {s} is {v}.
        {v} was elected mayor of {s}.
        For three terms {v} had been mayor of {s}.
        {s} had chosen {v} as its mayor.
        In {s}, the office of mayor is held by {v}.""",
        ask(
            "v",
            "The mayor of {s} is {v}.",
            """Who is the mayor of {s}?
            Who was elected mayor of {s}?
            What is the name of the mayor of {s}?
            Whom did {s} choose as its mayor?
            By whom is the office of mayor of {s} held?""",
        ),
        ask(
            "s",
            "{v} is mayor of {s}.",
            """Of which town is {v} the mayor?
            Which place chose {v} as its mayor?
            Where is {v} mayor?
            In which town does {v} hold the office of mayor?
            Which town elected {v} mayor?""",
        ),
    ),
)
