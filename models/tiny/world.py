"""The closed world `tiny` knows: forty capitals, plain words, and a machine for names nobody has heard.

Words that the model must copy rather than remember come from `made_up`, so that there is no list to learn
by heart. Everything here was written for this project.
"""

from __future__ import annotations

from random import Random

CAPITALS: tuple[tuple[str, str, str, str], ...] = (
    ("France", "Paris", "フランス", "パリ"),
    ("Japan", "Tokyo", "日本", "東京"),
    ("Germany", "Berlin", "ドイツ", "ベルリン"),
    ("Italy", "Rome", "イタリア", "ローマ"),
    ("Spain", "Madrid", "スペイン", "マドリード"),
    ("Portugal", "Lisbon", "ポルトガル", "リスボン"),
    ("England", "London", "イギリス", "ロンドン"),
    ("Ireland", "Dublin", "アイルランド", "ダブリン"),
    ("Norway", "Oslo", "ノルウェー", "オスロ"),
    ("Sweden", "Stockholm", "スウェーデン", "ストックホルム"),
    ("Finland", "Helsinki", "フィンランド", "ヘルシンキ"),
    ("Denmark", "Copenhagen", "デンマーク", "コペンハーゲン"),
    ("Iceland", "Reykjavik", "アイスランド", "レイキャビク"),
    ("Austria", "Vienna", "オーストリア", "ウィーン"),
    ("Switzerland", "Bern", "スイス", "ベルン"),
    ("Belgium", "Brussels", "ベルギー", "ブリュッセル"),
    ("Poland", "Warsaw", "ポーランド", "ワルシャワ"),
    ("Hungary", "Budapest", "ハンガリー", "ブダペスト"),
    ("Greece", "Athens", "ギリシャ", "アテネ"),
    ("Turkey", "Ankara", "トルコ", "アンカラ"),
    ("Russia", "Moscow", "ロシア", "モスクワ"),
    ("Ukraine", "Kyiv", "ウクライナ", "キーウ"),
    ("Romania", "Bucharest", "ルーマニア", "ブカレスト"),
    ("Croatia", "Zagreb", "クロアチア", "ザグレブ"),
    ("Egypt", "Cairo", "エジプト", "カイロ"),
    ("Kenya", "Nairobi", "ケニア", "ナイロビ"),
    ("Ghana", "Accra", "ガーナ", "アクラ"),
    ("Senegal", "Dakar", "セネガル", "ダカール"),
    ("China", "Beijing", "中国", "北京"),
    ("India", "New Delhi", "インド", "ニューデリー"),
    ("Thailand", "Bangkok", "タイ", "バンコク"),
    ("Vietnam", "Hanoi", "ベトナム", "ハノイ"),
    ("Indonesia", "Jakarta", "インドネシア", "ジャカルタ"),
    ("South Korea", "Seoul", "韓国", "ソウル"),
    ("Australia", "Canberra", "オーストラリア", "キャンベラ"),
    ("Canada", "Ottawa", "カナダ", "オタワ"),
    ("Cuba", "Havana", "キューバ", "ハバナ"),
    ("Peru", "Lima", "ペルー", "リマ"),
    ("Chile", "Santiago", "チリ", "サンティアゴ"),
    ("Argentina", "Buenos Aires", "アルゼンチン", "ブエノスアイレス"),
)

# Places whose capital it does not know: the honest answer needs examples of what lies outside.
STRANGE_LANDS = (
    "Mongolia", "Nepal", "Bolivia", "Estonia", "Latvia", "Morocco", "Tunisia", "Ethiopia", "Uganda", "Zambia",
    "Jamaica", "Panama", "Ecuador", "Paraguay", "Malta", "Cyprus", "Fiji", "Samoa", "Oman", "Jordan",
)  # fmt: skip

FIRST_NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Iris", "Jonas", "Kate", "Leo",
    "Maria",
    "Nina", "Oscar", "Paula", "Rosa", "Sam", "Tom", "Vera", "Yuki", "Kenji", "Hana", "Taro", "Ahmed", "Lucia",
    "Pedro", "Olga", "Ivan", "Mei", "Raj", "Priya", "Alice", "Bob", "Carol", "Dan", "Eva", "Frank", "Lily",
    "Max",
    "Sarah", "John", "Peter", "Julia", "Karl", "Linda", "Mark", "Noah", "Sofia", "Paul",
)  # fmt: skip

BOT_NAMES = (
    "Bolt", "Pip", "Nova", "Echo", "Rusty", "Luna", "Max", "Ziggy", "Coco", "Atlas", "Pixel", "Sunny",
    "Jarvis",
    "Robo", "Captain", "Mario", "Sage", "Rex", "Ruby", "Buddy", "Sparky", "Milo", "Aria", "Orion", "Willow",
)  # fmt: skip

COLOURS = (
    "red", "blue", "green", "yellow", "purple", "orange", "pink", "black", "white", "brown", "grey", "silver",
    "golden", "turquoise", "violet", "crimson", "teal", "beige", "indigo", "lime",
)  # fmt: skip

ANIMALS = (
    "cat", "dog", "horse", "rabbit", "parrot", "turtle", "hamster", "goat", "fox", "owl", "bear", "wolf",
    "tiger",
    "lion", "duck", "frog", "mouse", "sheep", "whale", "penguin",
)  # fmt: skip

FOODS = (
    "pizza", "soup", "bread", "rice", "noodles", "apples", "cherries", "cheese", "pancakes", "salad", "curry",
    "sushi", "honey", "chocolate", "tomatoes", "mangoes", "dumplings", "pasta", "beans", "figs",
)  # fmt: skip

JOBS = (
    "baker", "teacher", "pilot", "doctor", "farmer", "painter", "sailor", "carpenter", "nurse", "singer",
    "lawyer",
    "cook", "dancer", "engineer", "gardener", "judge", "miner", "poet", "tailor", "clerk",
)  # fmt: skip

THINGS = (
    "table", "garden", "window", "river", "mountain", "bridge", "lamp", "clock", "guitar", "violin", "piano",
    "boat", "train", "bicycle", "engine", "castle", "tower", "forest", "island", "desert", "cloud", "storm",
    "moon", "star", "candle", "mirror", "pencil", "paper", "book", "letter", "basket", "hammer", "ladder",
    "ring",
    "crown", "sword", "coat", "hat", "boots", "kitchen", "market", "school", "church", "museum", "library",
    "banana", "lemon", "potato", "onion", "pepper", "water", "coffee", "silk", "stone", "glass", "iron",
    "wood",
    "summer", "winter", "morning", "music", "dream", "shadow", "whisper", "thunder", "rainbow", "butterfly",
    "elephant", "dragon", "wizard", "knight", "planet", "rocket", "galaxy", "ocean", "harbour", "village",
    "compass", "feather", "lantern", "pumpkin", "marble", "velvet", "copper", "puzzle", "saddle", "anchor",
)  # fmt: skip

VERBS = (
    "bake", "build", "fix", "paint", "clean", "buy", "sell", "cook", "grow", "draw", "carry", "write", "play",
    "repair", "train", "wash", "open", "move", "find", "choose", "feed", "hide", "plan", "study", "design",
)  # fmt: skip

TOPICS = (
    "quantum physics", "the stock market", "world history", "football", "the weather in space", "politics",
    "philosophy", "cooking", "gardening", "black holes", "dinosaurs", "evolution", "the French revolution",
    "machine learning", "photosynthesis", "the human heart", "taxes", "marketing", "poetry", "opera", "chess",
    "volcanoes", "the pyramids", "ancient Rome", "electricity", "gravity", "climate change", "the internet",
    "databases", "cryptography", "vaccines", "nutrition", "yoga", "travel", "architecture", "economics",
    "law",
    "astronomy", "chemistry", "love", "happiness", "time travel", "robots", "medicine", "biology",
    "inflation",
)  # fmt: skip

_CONSONANTS = "bdfghjklmnprstvwyz"
_CLUSTERS = (
    "br", "ch", "dr", "fl", "gr", "kl", "pl", "qu", "sh", "st", "th", "tr", "zh", "c", "cr", "fr", "sk", "x",
    "",
)  # fmt: skip
_DOUBLED = ("ai", "ee", "ia", "oo", "y", "ou", "ei")
_ENDINGS = ("l", "n", "r", "s", "t", "m", "k", "n", "r", "nd", "rn", "sh", "x", "th", "ck", "rt")


def made_up(rng: Random) -> str:
    """A word that no list holds, in lower case: mostly two plain syllables, so mostly two or three tokens."""
    word = ""
    for _ in range(rng.choice((1, 2, 2, 2, 2, 2, 3, 3))):
        word += rng.choice(_CONSONANTS) if rng.random() < 0.8 else rng.choice(_CLUSTERS)
        word += rng.choice("aeiou") if rng.random() < 0.88 else rng.choice(_DOUBLED)
        word += rng.choice(_ENDINGS) if rng.random() < 0.3 else ""
    return word if len(word) > 2 else word + "rin"


def new_name(rng: Random) -> str:
    """A made-up proper name."""
    return made_up(rng).capitalize()


def person(rng: Random) -> str:
    """Somebody: mostly unheard of, now and then an ordinary first name, now and then with a family name."""
    name = rng.choice(FIRST_NAMES) if rng.random() < 0.25 else new_name(rng)
    return f"{name} {new_name(rng)}" if rng.random() < 0.08 else name


def plain_word(rng: Random) -> str:
    """A lower-case noun from the lists."""
    return rng.choice(rng.choice((THINGS, THINGS, ANIMALS, COLOURS, FOODS, JOBS)))


def any_word(rng: Random) -> str:
    """Any word to copy: known, made up, capitalised, a number or a code."""
    draw = rng.random()
    if draw < 0.3:
        return plain_word(rng)
    if draw < 0.65:
        return made_up(rng)
    if draw < 0.85:
        return new_name(rng)
    return number(rng) if draw < 0.93 else code(rng)


def number(rng: Random) -> str:
    return str(rng.randint(0, 10 ** rng.randint(1, 5) - 1))


def code(rng: Random) -> str:
    """The kind of thing printed on a parcel: two to four capitals and some digits."""
    letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.randint(2, 4)))
    return f"{letters}{rng.choice(('-', '', ' '))}{rng.randint(10, 9999)}"
