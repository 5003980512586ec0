"""The voice variants of espeak-ng 1.52, in an order of use."""

# Each is the one farthest from those before it, by long-term spectrum, fundamental and speaking rate over six words in
# an American accent, so that the first N voices differ about as much as N voices can. Three that hardly differ from
# others (klatt6, steph3, RicishayMax2) are left out.
# fmt: off
DISTINCT_VARIANTS = (
    "m3", "f2", "Marco", "Lee", "iven2", "Jacky", "travis", "AnxiousAndy", "antonio", "steph", "norbert",
    "Andy", "shelby", "ian", "kaukovalta", "Andrea", "grandma", "Nguyen", "klatt2", "Alicia", "belinda",
    "ed", "Hugo", "aunty", "david", "michel", "Storm", "boris", "iven3", "linda", "Annie", "m7", "pablo",
    "gustave", "victor", "pedro", "Tweaky", "Gene", "iven4", "Michael", "robert", "quincy", "m8", "paul",
    "edward", "Reed", "RicishayMax3", "m4", "f1", "Henrique", "klatt3", "sandro", "Alex", "mike2",
    "adam", "Mario", "rob", "Denis", "f3", "marcelo", "RicishayMax", "m2", "m6", "klatt4", "f4", "iven",
    "Mike", "Diogo", "f5", "m1", "steph2", "anika", "john", "grandpa", "miguel", "Gene2", "m5", "klatt5",
    "klatt", "edward2", "benjamin", "max", "fast", "croak",
)
# fmt: on

# Machines, whispers and toys, in alphabetical order.
# fmt: off
ODD_VARIANTS = (
    "Demonic", "UniRobot", "anikaRobot", "announcer", "caleb", "robosoft", "robosoft2", "robosoft3",
    "robosoft4", "robosoft5", "robosoft6", "robosoft7", "robosoft8", "whisper", "whisperf", "zac",
)
# fmt: on
