"""Word lists from which needles and invented facts are made; all combinations are invented."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split()))


def _phrases(text: str) -> tuple[str, ...]:
    phrases = (" ".join(part.split()) for part in text.split(","))
    return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))


ADJECTIVES = _words(
    """able absurd acidic active agile airy alert amber amused ancient angry animated arctic ashen
    atomic austere avid awake bald balmy bashful basic beaming better bitter bland blazing bleak
    blissful blue bold bony brainy brave breezy brief bright brisk broad broken bronze bumpy busy
    calm candid careful casual cautious charming cheap cheerful chilly civic clean clever cloudy
    clumsy coastal cold comic cool copper cosmic cozy crafty cranky crimson crisp cubic curious
    curly cynical dainty damp dapper daring dark dazzling deadpan decent deep dense devout dim
    direct distant dizzy docile dreamy dry dusty eager early earnest earthy easy elated elastic
    elegant elfin empty energetic enormous equal even exact exotic fabled faint fair faithful
    famous fancy fast fearless feisty fertile festive fiery final fine firm fixed flaky flat
    fluent fluffy foamy foggy fond formal fragile frank fresh friendly frosty frozen fruity funny
    furry fussy fuzzy gaudy gentle giant giddy gifted glad gleaming glossy golden graceful grand
    grateful gray greasy green grumpy gusty handy happy hardy harsh hasty hazy heavy helpful
    hidden hollow honest humble humid hungry husky icy ideal idle immense inky inner iron itchy
    ivory jagged jaunty jolly jovial joyful jumpy keen kind knotty languid large late lavish lazy
    lean level light likely lively lofty lonely long loud lovely loyal lucid lucky lunar lush
    magic magnetic majestic marble married massive mellow merry messy mighty mild minty misty
    modern modest moody mossy muddy murky mute mystic narrow neat nervous nimble noble noisy
    normal northern nutty oblong obscure odd old olive open orange orderly ornate outer oval pale
    patient peaceful perky petite placid plain playful plucky plump polar polite posh prickly
    proud puny purple puzzled quaint quick quiet quirky radiant rainy rapid rare raspy ready regal
    remote rich rigid ripe robust rocky rosy rotten rough round royal rubber rugged rural rusty
    sad salty sandy scarlet secret sedate serene shaggy sharp shiny short shy silent silky silly
    silver simple sincere sleepy sleek slender slim slow smart smoky smooth snowy sober soft solar
    solemn solid sour southern sparse spicy spiky spotless stable stark steady steep sticky stormy
    stout strange strict striped strong sturdy subtle sudden sunny superb supple sweet swift tall
    tame tan tangy tart teal tender tense thick thin thirsty thorny tidy tight tiny tough tranquil
    tricky trim true trusty turquoise twin urban useful vague vain valid vast velvet vibrant vivid
    warm wary watery wavy weary western wide wild windy wintry wise witty wooden woolly worthy
    yellow young zany zealous zesty"""
)

NOUNS = _words(
    """abacus acorn acrobat adobe airship album alcove alley almond altar anchor ankle antler anvil
    apple apricot apron aquarium arcade arch archer armor arrow atlas attic avenue axle badge
    bagel ballad balloon bamboo banjo banner barn barrel basil basin basket bay bayou beach beacon
    bead beam bean bear beaver bell belt bench berry bicycle birch biscuit blade blanket blender
    blossom boat bobbin bolt bonfire book boot bottle boulder bowl box bracelet branch brass bread
    breeze brick bridge brook broom brush bubble bucket buckle buffalo bugle bulb bunker burrow
    bus butter button cabin cabinet cable cactus cage cake camel camera canal candle canoe canvas
    canyon cape caravan carbon card cargo carpet carrot cart castle cat cave cedar cello cellar
    chain chair chalk chapel cherry chess chestnut chimney chisel cider circle circus citadel
    clarinet clay cliff clock cloud clover coach coal coast cobra cocoa coconut coffee coin collar
    comet compass cookie copper coral cork corn cottage cotton cradle crane crater crayon cricket
    crown crystal cube cup curtain cushion cymbal daisy dam dawn deer delta den desert desk dial
    diamond dolphin dome donkey door dove dragon drawer dream drum dune dynamo eagle easel echo
    eel elbow elk elm ember emerald engine envelope estuary fabric falcon farm feather fence fern
    ferry fiddle field fig finch fjord flag flame flask fleet flint flood floor flour flower flute
    foam forest forge fork fort fossil fountain fox frame frog frost fruit galaxy galley garden
    garlic garnet gate gazelle gear geyser ghost giraffe glacier glass globe glove goat gondola
    goose gorge granite grape grass gravel grove guitar gull hall hammer hammock harbor harp hat
    hawk hazel heart hedge helmet herb heron hill hinge hive honey hood hook horizon horn hornet
    horse hotel hourglass house hut iceberg igloo ink inlet inn insect iris island ivy jacket jade
    jaguar jar jasmine jelly jetty jewel jigsaw journal jug jungle kayak kennel kernel kettle key
    kingdom kitchen kite kiwi knapsack knight knot koala lace ladder ladle lagoon lake lamp
    lantern lark laser lasso lathe lattice laurel lava lawn leaf leather ledger lemon lens leopard
    letter lever library lighthouse lily lime linen lion lizard llama lobster locket loft log loom
    lotus lute lynx magnet mallet mango manor mantle map maple marble market marsh mask mast
    meadow medal melody melon merchant meteor mill mine mirror mitten moat monarch monsoon moon
    moor moose mosaic moss moth motor mountain mug museum mushroom nebula necklace needle nest net
    newt nickel night notebook nutmeg oak oar oasis oat ocean octopus olive onion onyx opal orbit
    orchard orchid organ osprey otter oven owl oyster paddle pagoda palace palm panda panther
    paper parade parrot path pavilion peach peacock pearl pebble pelican pencil pendulum penguin
    pepper piano pier pigeon pillar pillow pilot pine pipe pirate pitcher planet plank plaza plum
    pocket poem pond poplar poppy porch portrait potato prairie prism puddle pulley pumpkin puppet
    pyramid quail quarry quartz quilt quiver rabbit raccoon radio raft rail rain ranch raven reef
    reindeer ribbon ridge ring river road robin rocket roof rope rose ruby rudder saddle saffron
    sail salmon sand sapphire saucer scarf school scooter scroll sculpture seal shadow shark shed
    shell shield ship shoe shore shovel shrine signal silo skate sketch skull sled sleeve slipper
    smoke snail snow sofa spade sparrow sphinx spice spider spindle spiral spoon spring spruce
    squirrel stable stairs star statue steam stone storm stove stream street sugar summit sundial
    swamp swan sword table tablet tapestry teapot temple tent terrace theater thicket thimble
    thistle throne thunder tide tiger timber tower track trail train treasure tree trellis trophy
    trout trumpet tulip tunnel turbine turtle umbrella unicorn urn valley vase vault vessel
    viaduct village vine violet violin volcano wagon wallet walnut walrus warehouse water wave
    weasel well whale wharf wheat wheel whistle willow window wing winter wolf workshop wreath
    yacht yard yarn zebra zeppelin"""
)

FIRST_NAMES = _words(
    """Abel Ada Adela Adrian Agnes Aileen Alaric Alba Albin Alma Alonso Alva Amara Ambrose Amos
    Anders Anika Anselm Anton Arlo Armand Astrid Aurelia Avery Azra Barnaby Basil Bea Benedict
    Benno Bertram Bianca Birgit Boris Bram Brenna Brigid Bruno Caleb Callum Camilla Carlo Carmen
    Casper Cassia Cecil Celeste Chandra Clara Claude Clement Clio Conrad Cora Corin Cosima Cyril
    Dahlia Damian Daphne Dara Darius Delia Desmond Dina Dmitri Dora Dorian Edgar Edith Edmund
    Effie Eilis Elias Elena Elin Eloise Elvira Emeric Emil Enid Enzo Erland Esme Estelle Ethel
    Eudora Evander Ezra Fabian Farid Faye Felix Fergus Fern Fiona Flavia Flora Florian Frida
    Gareth Gaston Gemma Gerda Gideon Gilda Giles Gisela Greta Griffin Gunnar Gwen Hamid Hanna
    Harriet Hattie Hector Hedda Helena Henrik Herbert Hilda Hiro Hollis Horace Hugo Ida Idris
    Ignatius Ilse Imogen Ines Ingrid Irena Iris Isidor Isolde Ivo Jasper Jelena Jerome Jocelyn
    Joel Jonas Josepha Judith Julius June Juno Kamal Karin Kaspar Katya Keiko Kenji Kiran Klara
    Konrad Lars Laszlo Leander Leila Lena Leonora Leopold Lev Liesel Linus Livia Lorenzo Lotte
    Lowell Lucian Ludmila Luisa Lyle Mabel Magda Magnus Maia Malik Manon Marcel Margit Marius
    Marta Matilda Maud Maxim Mehmet Meredith Milan Mina Mirabel Miriam Mona Mordecai Muriel Nadia
    Naomi Nell Nestor Neville Nico Nils Nina Nora Norbert Octavia Odette Olaf Oleg Olive Olga Omar
    Orla Orson Osbert Oscar Oswin Ottilie Otto Pablo Paloma Pascal Patience Pearl Percy Petra
    Philippa Phoebe Pilar Piers Piotr Priya Quentin Rafael Ramona Ravi Regina Reinhold Renata Rhea
    Rhys Roderick Rohan Roland Rosalind Rowena Rufus Rupert Ruth Sabine Salome Samir Sancho Selma
    Serena Sigrid Silas Silvio Simone Sofia Solveig Soren Stella Sven Sybil Tabitha Tamar Tamsin
    Tarik Tatiana Tessa Thaddeus Thea Theo Tilda Timon Tobias Tomas Tova Tristan Ulric Ursula
    Valentin Vera Verity Victor Vilhelm Viola Vivian Wanda Warren Wendell Wilfred Wilhelmina Willa
    Winifred Wolfgang Xanthe Xavier Yara Yasmin Yolanda Yusuf Yvette Zara Zelda Zeno Zofia Zoltan"""
)

SURNAMES = _words(
    """Abernathy Achterberg Aldane Alderwick Almqvist Anstruther Arkwright Ashgrove Atherley Balakov
    Bancroft Barrowdale Bellweather Bergstrom Birkhead Blackmoor Blythewood Bonetti Bramwell
    Brandvold Brightwater Brindley Burkhardt Calloway Cantrell Cardewell Castellan Chadwyck
    Charbonneau Clairmont Cloverdale Coldstream Copperfeld Corvane Crabtree Cranmore Croxley
    Cullinane Dalgaard Danforth Davenant Delacroix Delmonte Dimitrov Dovecote Drummond Dunmore
    Dunwiddy Eastlake Edelstein Ellingham Elsworth Emberley Engstrom Esterhazy Everdell
    Fairweather Falconer Farquhar Featherstone Fenwick Ferrante Figueroa Fitzalan Flintlock
    Fontaine Forsythe Foxglove Gallowglass Garrick Gatwood Gilchrist Glendower Godbold Goldfinch
    Gorecki Grantham Greenhalgh Grimsby Grunwald Gyllenborg Haldane Halloran Hambledon Harcastle
    Hargreave Hartigan Hathersage Havisham Hawkridge Hazelrigg Heathcote Helgason Hemlock Hesketh
    Hightower Hollister Holmgren Honeycutt Hornblow Huxtable Ibarra Ingleby Ironside Ivanov
    Jankowski Jellicoe Jorgensen Juniper Kaczmarek Kavanagh Kellerman Kestrel Kilbride Kimura
    Kingsley Kirkbride Kowalski Krasinski Lachlan Lambourne Langtry Lapointe Larkspur Lavender
    Leclerc Lindqvist Lockhart Lovelace Ludlow Lysander Macready Maddox Malinov Mandeville
    Marchbanks Marlowe Mastrangelo Mayhew Meadowcroft Mendoza Merriweather Middlewick Mikkelsen
    Mirza Molyneux Montague Moreau Mossgrove Mulligan Nakamura Nightingale Norquist Northcote
    Nordahl Oakeshott Obermann Odegaard Okafor Oldcastle Olmstead Orlov Ormsby Osterman Pachelbel
    Palfrey Partridge Pembroke Pennyfeather Petrakis Pickford Pilkington Plumtree Ponsonby Popova
    Porterfield Prendergast Pritchard Quackenbush Quesada Quillfeather Radcliffe Rainsford
    Ravenscroft Redfern Reinholt Rosenthal Rothwell Rutherglen Salinger Saltonstall Sandoval
    Savarin Scarborough Schreiber Selwyn Shackleby Sherwin Silverstone Skarsgard Slingsby Sorensen
    Spellman Stanhope Starling Steinmetz Stockdale Strickland Sundqvist Swinburn Tanaka Tattersall
    Tennant Thackeray Thistlewood Thornbury Tidewell Tillinghast Torrance Treadgold Trelawney
    Trevanion Underhill Upjohn Urquhart Valcourt Vanderzee Varga Vasquez Venner Verhoeven Villiers
    Volkov Wadsworth Wainwright Wakefield Warburton Weatherby Wellesley Westergaard Whitlock
    Wickersham Wildgoose Winterbourne Wolverton Woodhouse Wrexham Yardley Yamamoto Yellowlees
    Zabriskie Zamora Zielinski"""
)

CITIES = _phrases(
    """Lisbon, Porto, Trieste, Bergen, Aarhus, Ghent, Bruges, Leipzig, Dresden, Graz, Lucerne,
    Basel,
    Lyon, Nantes, Marseille, Bordeaux, Toulouse, Genoa, Verona, Palermo, Bologna, Krakow, Gdansk,
    Riga, Tallinn, Vilnius, Helsinki, Turku, Uppsala, Malmo, Reykjavik, Cork, Galway, Limerick,
    Aberdeen, Inverness, Swansea, Norwich, Exeter, Salzburg, Zagreb, Split, Ljubljana, Sarajevo,
    Sofia, Plovdiv, Thessaloniki, Patras, Izmir, Ankara, Tbilisi, Yerevan, Baku, Tashkent,
    Samarkand, Almaty, Lahore, Karachi, Pune, Chennai, Mysore, Kandy, Penang, Hanoi, Hue, Manila,
    Cebu, Osaka, Kyoto, Nagasaki, Sapporo, Busan, Taipei, Darwin, Perth, Adelaide, Hobart,
    Auckland, Dunedin, Suva, Honolulu, Tacoma, Portland, Boise, Denver, Santa Fe, Tucson, El Paso,
    Omaha, Duluth, Milwaukee, Toledo, Buffalo, Hartford, Savannah, Mobile, Baton Rouge, Halifax,
    Quebec, Winnipeg, Calgary, Victoria, Oaxaca, Merida, Havana, Kingston, San Juan, Panama City,
    Bogota, Cartagena, Quito, Lima, Cusco, La Paz, Sucre, Asuncion, Montevideo, Rosario, Mendoza,
    Valparaiso, Recife, Salvador, Manaus, Dakar, Accra, Lagos, Kano, Nairobi, Mombasa, Kampala,
    Lusaka, Harare, Maputo, Durban, Windhoek, Luanda, Tunis, Algiers, Fez, Tangier, Cairo,
    Alexandria, Amman, Beirut, Muscat"""
)

TOWN_STARTS = _words(
    """Alder Amber Apple Ash Barrow Beacon Birch Black Bram Bright Brook Cedar Clear Cold Copper
    Crow
    Dun Elder Elm Fair Falcon Fern Flint Fox Glen Gold Gray Green Hart Haw Hazel Heron High Holly
    Iron Ivy Kings Lake Lark Linden Long Maple Marsh Mill Moss North Oak Otter Pine Quarry Raven
    Red Rock Rose Rush Salt Sand Silver South Stag Stone Swan Thorn Wester White Willow Winter
    Wolf Wren Yew"""
)
TOWN_ENDS = _words(
    """borough bourne bridge brook burgh bury by cliffe combe cote dale dean field ford gate grove
    hall ham haven holm hurst ley low mere minster moor mouth pool port ridge shaw stead stoke
    stow thorpe ton vale wade well wick wood worth"""
)

PROFESSIONS = _phrases(
    """an accountant, an actuary, an archaeologist, an architect, an archivist, an astronomer, a
    baker, a beekeeper, a biologist, a blacksmith, a bookbinder, a botanist, a bricklayer, a bus
    driver, a butcher, a carpenter, a cartographer, a chemist, a clockmaker, a cobbler, a
    composer, a dentist, a detective, a diplomat, a diver, an electrician, an engineer, a
    falconer, a farmer, a ferryman, a firefighter, a fisherman, a florist, a gardener, a
    geologist, a glassblower, a goldsmith, a hairdresser, a harbor pilot, an illustrator, an
    interpreter, a jeweler, a journalist, a judge, a lawyer, a librarian, a lighthouse keeper, a
    locksmith, a magician, a mathematician, a mechanic, a meteorologist, a midwife, a miller, a
    miner, a musician, a notary, a nurse, a painter, a pharmacist, a photographer, a piano tuner,
    a pilot, a plumber, a poet, a potter, a printer, a puppeteer, a railway inspector, a
    ropemaker, a saddler, a sailor, a schoolteacher, a sculptor, a shepherd, a shipwright, a
    stonemason, a surgeon, a surveyor, a tailor, a tanner, a taxidermist, a toolmaker, a
    translator, a typesetter, a veterinarian, a violin maker, a watchmaker, a weaver, a winemaker,
    a woodcarver, a zoologist"""
)

COLOURS = _phrases(
    """red, blue, green, yellow, white, black, grey, brown, purple, orange, pink, crimson, scarlet,
    turquoise, silver, golden, ivory, violet, maroon, emerald, amber, indigo, bronze, copper"""
)

OBJECTS = _phrases(
    """accordion, almanac, anvil, astrolabe, banjo, barometer, bicycle, binoculars case, bread
    knife,
    bronze bell, camera, candlestick, cello, chess set, cigar box, compass, copper kettle, cuckoo
    clock, dictionary, drum, easel, fishing rod, flute, fountain pen, globe, gramophone, hammock,
    handbell, harp, hourglass, inkwell, jewelry box, lantern, ledger, locket, lute, magnifying
    glass, mandolin, map case, marble bust, microscope, music box, opal ring, paper knife,
    parasol, pearl necklace, pepper mill, pocket watch, porcelain doll, quilt, rocking chair,
    rowing boat, rug, saddle, sewing machine, sextant, silver spoon, snow globe, spinning wheel,
    stamp album, suitcase, sundial, tea chest, teapot, telescope, toolbox, trombone, trumpet,
    typewriter, umbrella, vase, violin, walking stick, wheelbarrow, writing desk"""
)

HIDING_PLACES = _phrases(
    """behind the old clock, under the third floorboard, inside the hollow oak, in the cellar, in
    the
    attic, beneath the kitchen stairs, behind the bookcase, in the bread oven, under the stone
    bench, inside the piano, in the hayloft, at the bottom of the well, behind the loose brick,
    inside a flour sack, under the greenhouse floor, in the boathouse, behind the altar, in the
    coal bin, inside the chimney, under the bridge, in the pigeon loft, behind the waterfall, in
    the laundry basket, inside the grandfather clock, under the mattress, in the potting shed,
    behind the mirror, in the umbrella stand, inside the church organ, beneath the apple tree, in
    the wine cellar, behind the portrait, inside the rain barrel, under the woodpile, in the
    stable, in the bell tower, behind the furnace, in the mailbox, in the beehive, under the dock"""
)

ANIMALS = _phrases(
    """alpaca, badger, beagle, bulldog, canary, carp, cockatoo, collie, cow, donkey, duck, ferret,
    foxhound, gecko, goat, goldfish, goose, greyhound, guinea pig, hamster, hedgehog, horse,
    iguana, kitten, lamb, llama, lizard, macaw, magpie, mule, otter, owl, parakeet, parrot,
    peacock, pig, pony, poodle, pug, puppy, rabbit, raven, rooster, salamander, sheep, spaniel,
    tabby cat, terrier, toad, tortoise, turkey, whippet"""
)
PET_NAMES = _words(
    """Archie Banjo Barnacle Biscuit Blotto Bramble Bumble Button Captain Cinnamon Clementine Comet
    Cricket Crumpet Domino Dumpling Fennel Figaro Fidget Flannel Ginger Gizmo Hopscotch Jellybean
    Jigsaw Kipper Licorice Marmalade Marzipan Mittens Mopsy Muffin Mustard Noodle Nutmeg Paprika
    Patches Pebble Pepper Pickle Pippin Pretzel Pudding Radish Ragtime Rascal Rhubarb Scamper
    Scout Snickers Snowball Socks Sprocket Tango Thimble Toffee Truffle Tumble Turnip Waffles
    Whiskers Widget Ziggy"""
)

FOODS = _phrases(
    """apple strudel, baked eel, barley soup, beetroot salad, black bread, blueberry pie, borscht,
    bread pudding, candied ginger, caramel custard, carrot cake, cheese dumplings, cherry tart,
    chestnut soup, chicken pie, clam chowder, cold herring, coconut rice, corn bread, cucumber
    sandwiches, duck curry, fig jam, fish stew, fried plantain, garlic noodles, ginger biscuits,
    goat cheese, grilled sardines, honey cake, lamb stew, leek pie, lemon sorbet, lentil soup,
    mango chutney, marzipan, mushroom risotto, mussels in cream, nut bread, oatmeal porridge,
    olive bread, onion soup, orange marmalade, pea soup, peach cobbler, pickled cabbage, plum
    dumplings, poached pears, poppy seed cake, potato pancakes, pumpkin pie, rabbit stew, raisin
    buns, rhubarb crumble, rice pudding, roast pheasant, saffron rice, salted almonds, seaweed
    broth, smoked trout, spinach pie, stuffed peppers, tomato soup, turnip mash, vegetable curry,
    vanilla pudding, walnut cake, white asparagus, yogurt with honey"""
)

STREETS = _phrases(
    """Acorn Street, Almond Row, Anchor Lane, Arbor Road, Baker's Row, Barley Lane, Basin Street,
    Beech Avenue, Bellows Court, Bishop's Walk, Canal Street, Candle Lane, Castle Terrace, Chapel
    Road, Cherry Walk, Church Lane, Cinder Path, Clover Street, Cooper's Yard, Dock Street, Dyer's
    Lane, Eagle Street, Elm Road, Fern Street, Ferry Road, Fountain Square, Garden Street, Gate
    Lane, Glover's Row, Harbor Road, Hazel Lane, Hill Street, Ivy Lane, Juniper Street, Kiln Road,
    Lantern Street, Larch Avenue, Lime Street, Linen Row, Maple Avenue, Market Street, Mill Lane,
    Mint Street, Moss Lane, Myrtle Street, Needle Street, Nettle Lane, Oak Terrace, Old Mill Road,
    Orchard Street, Peacock Lane, Pepper Street, Pine Road, Potter's Row, Quarry Road, Quay
    Street, Raven Street, River Road, Rope Walk, Rose Lane, Saddler's Row, Sailor Street, Salt
    Lane, School Road, Silver Street, Spring Lane, Station Road, Swan Street, Tanner's Row, Temple
    Street, Thistle Lane, Tower Road, Violet Street, Walnut Street, Weaver Lane, Well Street,
    Wharf Road, Willow Lane, Windmill Road"""
)

COMPANY_STARTS = _words(
    """Alpine Anchor Apex Arbor Arrow Aster Atlas Aurora Beacon Blue Bright Cardinal Cascade Cedar
    Cobalt Comet Coral Crescent Crown Delta Eagle Eastern Echo Ember Emerald Falcon Fjord Forge
    Garnet Glacier Golden Granite Harbor Helios Heron Horizon Iron Ivory Juniper Keystone Lark
    Lunar Maple Meridian Mirror Nimbus Noble Northern Nova Oak Onyx Opal Orbit Orchard Osprey
    Pacific Pearl Pinnacle Polar Prairie Prism Quartz Raven Redwood Rivet Sable Saffron Sequoia
    Silver Solar Sterling Summit Swift Tidal Titan Topaz Union Vector Velvet Vista Western Willow
    Zenith Zephyr"""
)
COMPANY_ENDS = _phrases(
    """Biscuits, Books, Bottling Company, Brewery, Bridgeworks, Canning Company, Carriage Works,
    Ceramics, Clocks, Dairy, Distillery, Dye Works, Electric, Engines, Fabrics, Fisheries,
    Foundry, Freight, Furniture, Glassworks, Instruments, Insurance, Laboratories, Lighting,
    Locks, Lumber, Machinery, Mills, Mining Company, Motors, Nurseries, Optics, Paper Mill,
    Pharmacy, Pianos, Plastics, Pottery, Press, Pumps, Quarries, Railways, Robotics, Shipping,
    Shipyard, Soap Works, Steel, Sugar Refinery, Systems, Telegraph Company, Textiles, Tools,
    Toys, Transport, Watches, Windmills"""
)

SUBSTANCES = _phrases(
    """the mineral, the moth, the comet, the orchid, the enzyme, the asteroid, the fungus, the
    beetle, the alloy, the fern, the crystal, the dye, the gas, the moss, the river spring, the
    theorem, the cave, the island, the pigment, the frog"""
)
COINED_STARTS = _words(
    """Ar Bel Bor Cal Cor Dal Del Dor El Fal Fen Gal Gor Hal Hel Ira Jor Kal Kel Lor Lum Mal Mer Mor
    Nal Nor Ol Or Pal Per Quil Ral Ren Sal Sel Sol Tal Tor Ul Val Ver Vol Wen Xan Yor Zal Zor"""
)
COINED_MIDDLES = _words(
    "a abe adi agi ami ana ari ave e eda ela emi ena ere i ila ime ina o ola omi una"
)
COINED_ENDS = _words(
    """ba bine bra dane dite dora dra gon lite lon lora lun lys mar mite mora nda ndra nia nite nor
    nth phor ra rex rine ris rite ron sia sk stra tara thene thos tine tor vara via vine vus xia
    zan zine"""
)

INSTRUMENTS = _phrases(
    """the accordion, the bagpipes, the banjo, the bassoon, the cello, the clarinet, the cornet, the
    double bass, the dulcimer, the flute, the guitar, the harmonica, the harp, the harpsichord,
    the horn, the hurdy-gurdy, the lute, the mandolin, the oboe, the organ, the piano, the
    piccolo, the saxophone, the sitar, the trombone, the trumpet, the tuba, the ukulele, the
    viola, the violin, the xylophone, the zither"""
)
LANGUAGES = _phrases(
    """Albanian, Amharic, Arabic, Armenian, Basque, Bengali, Breton, Bulgarian, Catalan, Cornish,
    Danish, Dutch, Esperanto, Estonian, Finnish, Flemish, Georgian, Greek, Gujarati, Hausa,
    Hebrew, Hindi, Hungarian, Icelandic, Irish, Japanese, Kurdish, Latin, Latvian, Lithuanian,
    Maltese, Manx, Mongolian, Nepali, Norwegian, Pashto, Persian, Polish, Portuguese, Quechua,
    Romanian, Sami, Sanskrit, Serbian, Slovak, Slovene, Swahili, Swedish, Tamil, Thai, Tibetan,
    Turkish, Ukrainian, Urdu, Uzbek, Vietnamese, Welsh, Yiddish, Yoruba, Zulu"""
)
HOBBIES = _phrases(
    """archery, astronomy, baking bread, ballroom dancing, beekeeping, birdwatching, bookbinding,
    calligraphy, carving spoons, chess, collecting stamps, crossword puzzles, cycling, embroidery,
    fencing, fly fishing, folding paper cranes, gardening, hiking, ice skating, juggling, keeping
    tropical fish, kite flying, knitting, lace making, making candles, model railways,
    mountaineering, origami, painting miniatures, photography, playing bridge, pottery, pressing
    flowers, quilting, restoring clocks, riding, rowing, sailing, sketching ships, skiing, sword
    dancing, weaving baskets, wood carving, writing limericks, yodelling"""
)
INHERITED = _phrases(
    """a vineyard, a windmill, a small island, a racehorse, a printing press, a lighthouse, a
    houseboat, a castle in ruins, a collection of butterflies, a silver mine, a bakery, a
    bookshop, an apple orchard, a fishing boat, a box of old coins, a stable of ponies, a toy
    factory, a tea plantation, a theater, a salt mine, a chest of maps, a painting of a storm, a
    grand piano, a herd of goats, a hotel by the sea, a library of rare books, a clock shop, a
    sawmill, a ferry, a pearl necklace"""
)
FEARS = _phrases(
    """spiders, thunder, heights, mirrors, geese, clowns, deep water, moths, escalators, owls, the
    dark, bridges, horses, needles, elevators, bats, fog, bees, crowds, balloons, frogs, dolls,
    fire, snakes, lightning, tunnels, rats, ladders, cows, ghosts"""
)
SCHOOL_SUBJECTS = _phrases(
    """algebra, anatomy, astronomy, botany, chemistry, drawing, economics, ethics, geography,
    geology, geometry, Greek grammar, handwriting, harmony, history, Latin, law, logic, mechanics,
    medicine, metallurgy, music theory, navigation, optics, philosophy, physics, poetry, rhetoric,
    statistics, zoology"""
)
PAINTED = _phrases(
    """a storm at sea, a bowl of lemons, two sleeping dogs, a ruined abbey, a girl with a kite, a
    snowy bridge, an empty chair, a field of poppies, a blind fiddler, three white horses, a
    burning ship, an old windmill, a basket of plums, a night market, a harbor at dawn, a fox in
    the snow, a broken violin, a village wedding, a red umbrella, a flock of geese, a mountain
    lake, a chess game, a sunken garden, a train in the rain"""
)
MONTHS = _words(
    "January February March April May June July August September October November December"
)
WEEKDAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MEETING_PLACES = _phrases(
    """the railway station, the fish market, the botanical garden, the town library, the old harbor,
    the opera house, the post office, the cathedral steps, the north gate, the city museum, the
    skating rink, the tram depot, the observatory, the bakery, the flower market, the courthouse,
    the boat landing, the university cafe, the chess club, the public baths, the clock tower, the
    zoo entrance, the town hall, the concert hall, the stone bridge, the fountain, the bookshop,
    the tea house, the barber shop, the customs house"""
)
