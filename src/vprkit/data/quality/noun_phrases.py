"""Objects of a sentence without any model: noun phrases by word lists, for descriptions of streets in English."""

import re
from collections.abc import Sequence

_CUTS = re.compile(
    r"[.,;:!?()\"]|\b(?:and|or|with|without|in|on|at|of|to|from|by|near|beside|behind|before|under|over|above|below|"
    r"between|along|across|around|against|next|into|onto|through|towards?|for|while|where|which|that|there|here|is|are|"
    r"was|were|be|been|has|have|had|stands?|lies?|runs?|shows?|showing|featuring|features?|lined|lining|leads?|leading|"
    r"rises?|visible|seen|called|named|reading|says?|labell?ed|ahead|away|up|down|as|its|it|this|these|those|but)\b"
)
_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)|“[^”]*”|\"[^\"]*\"")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DROPPED = _words(
    """
    a an the some any several many few most each every all both other another one two three four five six seven
    eight nine ten eleven twelve no hardly more less very quite rather slightly partly mostly red orange yellow
    green blue purple violet pink brown black white grey gray beige cream lilac turquoise golden silver dark light
    pale bright deep colourful colorful large big small little tall low high long short wide narrow broad thin thick
    huge tiny old new modern historic ancient traditional elegant plain ornate typical urban rural residential
    commercial local public private main round square rectangular arched pointed flat steep curved straight vertical
    horizontal left right central front rear upper lower middle distant nearby adjacent opposite surrounding visible
    similar different various clear sunny cloudy overcast rainy snowy foggy wet dry daylight daytime busy quiet
    empty open closed leafy bare grassy dense scene view picture photo image background foreground side corner part
    row line lines rows group number variety mix left-hand right-hand storey storeys story stories floor level
    """
)
_UNWANTED = _words(
    """
    sky cloud sun sunlight moon weather shadow light day night dusk dawn evening morning rain snow fog time air
    person people man woman child pedestrian crowd cyclist driver group vehicle car truck bus van tram train bicycle
    bike motorcycle motorbike scooter taxi lorry traffic sign signage text letter word writing lettering number name
    logo advertisement poster hardly
    """
)
_IRREGULAR = {"people": "person", "men": "man", "women": "woman", "children": "child", "leaves": "leaf",
              "shelves": "shelf", "buses": "bus", "benches": "bench", "glass": "glass", "grass": "grass"}  # fmt: skip
_THINGS = _words("building awning ceiling railing crossing painting landing clearing parking shed bed")
"""Nouns that end like participles."""

_LONGEST = 2


def singular(word: str) -> str:
    """The singular of a plural noun, by spelling; what looks singular stays."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if re.search(r"(?:ch|sh|x|ss|z)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not re.search(r"(?:ss|us|is)$", word) else word


class NounPhraseLister:
    """Lists the last one or two nouns of every phrase; a list of words stands for grammar, so it errs at times."""

    def list(self, text: str) -> Sequence[str]:
        found: dict[str, None] = {}
        for phrase in _CUTS.split(_QUOTED.sub(" , ", text.lower())):
            words = [word for word in re.findall(r"[a-z]+(?:-[a-z]+)*", phrase) if _says_what(word)]
            if not words:
                continue
            noun = [*words[-_LONGEST:-1], singular(words[-1])]
            if not _UNWANTED & {noun[-1], *noun}:
                found[" ".join(noun)] = None
        return list(found)


def _says_what(word: str) -> bool:
    """Whether a word may be (part of) a noun: no number, colour, adjective or participle."""
    if word in _THINGS:
        return True
    return not _DROPPED & {word, *word.split("-")} and not re.search(r"(?:ed|ing|ly)$", word)
