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
    forget:fail to remember
    say:state,tell
    tell:report,let know
    believe:think
    think:suppose,believe
    feel:sense
    make:create,form
    bring:fetch,carry along
    send:dispatch
    put:place,lay
    place:put,set
    set:put,place
    lay:put
    hold:grasp,keep
    open:unlock,unclose
    close:shut
    shut:close
    cut:slice
    break:smash,shatter
    lose:be deprived of
    win:gain
    gain:win,obtain
    raise:lift
    lift:raise
    drop:let fall
    fall:drop
    climb:mount,go up
    mount:climb
    run:rush,hurry
    walk:go on foot
    ride:travel
    travel:journey
    journey:travel
    cross:pass over
    follow:come after,go behind
    lead:guide,conduct
    divide:split,part
    cover:spread over
    fill:load up
    strike:hit
    hit:strike
    beat:strike
    fight:battle
    save:rescue
    protect:guard,shield
    defend:protect
    suffer:endure
    enjoy:take pleasure in
    desire:wish for
    intend:plan,mean
    decide:resolve
    resolve:decide
    determine:resolve
    attempt:try
    try:attempt
    refuse:decline
    accept:agree to take
    allow:permit
    permit:allow
    forbid:prohibit
    order:command
    command:order
    advise:counsel
    warn:caution
    praise:commend
    blame:find fault with
    describe:depict,portray
    mention:name,refer to
    perceive:notice,see
    notice:observe,perceive
    examine:inspect,look over
    look:gaze
    point:direct
    spend:pay out,pass
    pay:hand over
    earn:make
    sell:part with
    possess:own,have
    own:possess
    wear:have on
    eat:consume
    drink:swallow
    cook:prepare
    prepare:make ready
    increase:raise
    reduce:lower,cut
    change:alter
    cause:bring about
    create:make
    invent:think up
    form:make up
    support:back
    appoint:name
    elect:choose
    represent:stand for
    indicate:show
    reveal:disclose,show
    prove:demonstrate
    demonstrate:show
    explain:make clear
    teach:instruct in
    learn:find out
    occur:happen
    happen:take place
    appear:show up,come into sight
    disappear:vanish
    vanish:disappear
    rest:lie
    sit:be seated
    rise:get up
    wait:stay
    remain:stay
    end:finish,stop
    cease:stop
    continue:go on
    approach:draw near
    flee:run away
    escape:get away
    capture:seize,take
    surround:ring
    burn:set on fire
    pour:tip
    drag:pull
    push:shove
    press:squeeze
    tie:bind
    fasten:fix
    fix:fasten
    hang:suspend
    touch:feel
    kiss:press the lips to
    embrace:hug
    greet:welcome
    welcome:greet
    thank:give thanks to"""
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
