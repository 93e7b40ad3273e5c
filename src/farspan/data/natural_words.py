"""Words that the questions in other words need: pronouns, synonyms, nouns of time and place."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def _pairs(text: str) -> dict[str, tuple[str, ...]]:
    rows = (line.split(":") for line in text.split("\n") if line.strip())
    return {key.strip(): tuple(v.strip() for v in values.split(",")) for key, values in rows}


FIRST_PERSON = {
    "i": "{narrator}",
    "me": "him",
    "my": "his",
    "mine": "his",
    "myself": "himself",
    "we": "they",
    "us": "them",
    "our": "their",
    "ours": "theirs",
    "ourselves": "themselves",
}
"""How first-person words are asked about in the third person."""

SECOND_PERSON = word_set("you your yours yourself thou thee thy thine ye yourselves")

THIRD_SINGULAR = {"am": "is", "have": "has", "do": "does", "'m": "is", "'ve": "has"}

POINTING = word_set("""
    this that these those it its itself such here there then same latter former other others
    another which who whom whose what so one ones former above following""")
"""Words that a question cannot use out of their sentence's company."""

PEOPLE = word_set("""
    man woman boy girl child lady gentleman king queen prince princess captain colonel general
    soldier sailor officer doctor father mother brother sister son daughter wife husband uncle aunt
    cousin friend servant master mistress priest bishop president governor judge lawyer clerk
    merchant farmer teacher student author poet writer painter minister lord knight emperor count
    duke baron monk nun widow nurse guard driver shepherd hunter fisherman carpenter smith
    physician professor secretary senator member citizen prisoner enemy stranger maid cook landlord
    people men women children commander ambassador chief engineer scientist philosopher historian
    surgeon sergeant lieutenant major squire abbot pope peasant thief murderer sheriff mayor
    visitor guest host nephew niece grandfather grandmother person fellow maiden youth baby crowd
    police crew seniors workers voters settlers passengers pilgrims rebels lords ladies
    monsieur madame mademoiselle signor padre vicar rector dame damsel duchess countess marquis
    marchioness baroness earl lass widower bachelor orphan beggar butler footman coachman groom
    clergyman gentlemen nobleman chaplain cardinal pilot sailorman mate crewman gunner""")

TIMES = word_set("""
    morning evening afternoon night noon midnight day week month year hour minute moment century
    decade spring summer autumn winter fall dawn dusk sunset sunrise o'clock january february march
    april may june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday christmas easter supper dinner breakfast childhood youth war
    battle death birth arrival departure age time season reign""")

PLACES = word_set("""
    house room town city village street road river forest wood hill mountain valley island shore
    coast sea ocean lake garden park field church chapel castle palace tower bridge gate door window
    hall kitchen chamber cellar attic library school college court prison hospital hotel inn tavern
    alehouse shop market square harbour harbor port ship boat cabin deck camp tent cave desert
    country county province parish farm barn stable mill station office theatre theater museum
    yard corner bed table chair fire hearth cottage hut lodge bank bay beach cliff wall roof floor
    stairs path lane avenue wharf dock district region territory land world north south east west
    kingdom empire city capital suburb neighbourhood neighborhood plain meadow orchard grave tomb
    churchyard cemetery abbey monastery temple parlour parlor drawing-room dining-room""")

MEASURES = {
    **dict.fromkeys(word_set("mile yard league kilometer kilometre furlong pace"), "how far"),
    **dict.fromkeys(word_set("year month week day hour minute second century decade"), "how long"),
}
"""What a bare noun phrase of measure answers, by its noun."""

VERBS = _pairs(
    """see:notice,catch sight of
    find:discover,come upon
    get:obtain,receive
    give:hand,present
    take:carry off,take hold of
    buy:purchase
    begin:start
    receive:get,be given
    reach:arrive at,get to
    leave:go away from,depart from
    build:construct
    kill:slay,put to death
    help:assist
    show:display
    hear:listen to
    keep:hold on to
    throw:hurl,cast
    meet:encounter
    marry:wed
    choose:select,pick
    ask:request
    need:require
    want:wish for
    carry:bear,bring along
    pull:drag
    visit:call on
    love:adore
    hate:detest
    fear:be afraid of
    use:employ,make use of
    discover:find
    construct:build
    purchase:buy
    obtain:get
    destroy:ruin
    attack:assault
    enter:go into,come into
    return:come back,go back
    die:pass away
    sleep:lie asleep
    live:dwell,reside
    stay:remain
    stop:halt,pause
    hide:conceal
    finish:complete
    write:compose
    speak:talk
    offer:propose
    seize:grab
    demand:insist on
    establish:found,set up
    contain:include,hold
    produce:bring forth
    require:call for
    provide:supply
    announce:make known
    defeat:beat
    gather:collect
    watch:observe
    bury:lay in the grave
    steal:rob
    shout:cry out
    arrive:come
    remember:recall
    forget:fail to remember"""
)
"""Base forms that may stand for another one after "did"."""

NOUNS = _pairs(
    """house:dwelling
    ship:vessel
    vessel:ship
    road:way
    forest:wood
    letter:message
    money:cash
    gold:yellow metal
    horse:steed
    child:little one
    wife:spouse
    husband:spouse
    priest:clergyman
    doctor:physician
    physician:doctor
    soldiers:troops
    troops:soldiers
    battle:fight
    fight:battle
    war:armed conflict
    stone:rock
    hill:height
    meal:repast
    book:volume
    picture:painting
    garments:clothes
    clothes:garments
    sea:ocean
    river:stream
    enemy:foe
    foe:enemy
    king:monarch
    boat:small ship
    crowd:throng
    storm:tempest
    servant:attendant
    town:place
    illness:sickness
    sickness:illness
    chamber:room
    knife:blade
    sword:blade
    automobile:car"""
)
"""Nouns of the same number that may stand for another one."""
