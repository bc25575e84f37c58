"""Writes the label schema of the shipped model: `make_schema.py train.json > redocred_schema.yaml`.

It has the relations of Re-DocRED, and those that other training data adds. Names come from the
`rel_info.json` beside Re-DocRED's file, argument types and their counts from the file. The rest
stands here: descriptions, which relations are symmetric, inverse, functional or acyclic, and the
relations that Re-DocRED lacks. Only what always holds is set: `child` is not the inverse of
`father`, and a country may have two capitals.
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path

from pfn_kg.pfn.readers import read
from pfn_kg.pfn.readers.docred import relation_names, slug
from pfn_kg.schemas.label_schema import LabelSchema

ENTITY_TYPES = [
    {"name": "PER", "neo4j_label": "Person", "description": "People, also those of fiction"},
    {
        "name": "ORG",
        "neo4j_label": "Organization",
        "description": "Companies, institutions, parties, bands, teams and other groups",
    },
    {
        "name": "LOC",
        "neo4j_label": "Location",
        "description": "Places: countries, towns, rivers, mountains, buildings",
    },
    {
        "name": "MISC",
        "neo4j_label": "Miscellaneous",
        "description": "Other named things: works, events, products, languages, awards",
    },
    {
        "name": "TIME",
        "kind": "value",
        "datatype": "xsd:date",
        "neo4j_label": "Time",
        "description": "Dates, years and periods",
    },
    {
        "name": "NUM",
        "kind": "value",
        "datatype": "xsd:decimal",
        "neo4j_label": "Number",
        "description": "Numbers, amounts and percentages",
    },
]

DESCRIPTIONS = {
    "P6": "The person who leads the government of the place",
    "P17": "The state in which the thing lies or to which it belongs",
    "P19": "Where the person was born",
    "P20": "Where the person died",
    "P22": "The person's father",
    "P25": "The person's mother",
    "P26": "The person's husband, wife or partner",
    "P27": "A state whose citizen the person is or was",
    "P30": "The continent on which the place lies",
    "P31": "The class of which this is one example",
    "P35": "The monarch, president or other head of the state",
    "P36": "The seat of government of the state or region",
    "P37": "A language with official standing in the place",
    "P39": "An office that the person holds or held",
    "P40": "A son or daughter of the person",
    "P50": "Who wrote the work",
    "P54": "A team for which the person plays or played",
    "P57": "Who directed the film, series or play",
    "P58": "Who wrote the script of the film or series",
    "P69": "A school or university that the person attended",
    "P86": "Who wrote the music",
    "P102": "A political party to which the person belongs or belonged",
    "P108": "For whom the person works or worked",
    "P112": "Who founded the organization or place",
    "P118": "The league in which the team or player competes",
    "P123": "Who published the work",
    "P127": "Who owns the thing",
    "P131": "A county, province or other unit of administration that contains the place",
    "P136": "The kind of work that it is or that the artist makes",
    "P137": "Who operates the vehicle, building or service",
    "P140": "The religion of the person, group or place",
    "P150": "A unit of administration that lies within the place",
    "P155": "What comes right before it in a series",
    "P156": "What comes right after it in a series",
    "P159": "Where the organization has its main office",
    "P161": "An actor who appears in the work",
    "P162": "Who produced the film or recording",
    "P166": "A prize or honour that was given to the person, group or work",
    "P170": "Who made the work, character or object",
    "P169": "Who leads the business of the company",
    "P171": "The taxon next above it",
    "P172": "The people to which the person or population belongs",
    "P175": "Who performs the music or part",
    "P176": "Who makes the product",
    "P178": "Who developed the product or software",
    "P179": "The series of works of which this is a part",
    "P190": "A town with which the town is twinned",
    "P194": "The parliament or council of the place or body",
    "P205": "A state that the lake or river drains",
    "P206": "A sea, lake or river on which the place lies",
    "P241": "The branch of the armed forces to which the person or unit belongs",
    "P264": "The label that publishes the recording or has signed the artist",
    "P272": "The company that produced the work",
    "P276": "Where the event takes place or the thing is",
    "P279": "The wider class of which this class is a part",
    "P355": "An organization that belongs to this one",
    "P361": "The whole of which it is a part",
    "P364": "The language in which the work was made",
    "P400": "The platform on which the game or software runs",
    "P403": "The water into which the river flows",
    "P449": "The network that first broadcast the programme",
    "P463": "A club, band or alliance to which it belongs",
    "P488": "Who presides over the organization",
    "P495": "The state in which the work or product was made",
    "P527": "A part of this whole",
    "P551": "Where the person lives or lived",
    "P569": "When the person was born",
    "P570": "When the person died",
    "P571": "When it was founded or made",
    "P576": "When it ceased to exist",
    "P577": "When the work came out",
    "P580": "When it began",
    "P582": "When it ended",
    "P585": "When it happened",
    "P607": "A war or battle in which the person or unit took part",
    "P674": "A character who appears in the work",
    "P676": "Who wrote the words of the song",
    "P706": "The island, valley, range or other feature on which the place lies",
    "P710": "Who or what took part in the event",
    "P737": "By whom or what it was influenced",
    "P740": "Where the group or organization was formed",
    "P749": "The organization to which this one belongs",
    "P800": "A work for which the person or group is known",
    "P807": "That from which it split off",
    "P840": "Where the story is set",
    "P937": "Where the person works or worked",
    "P1001": "The place over which the office, law or body has power",
    "P1056": "What the company or plant makes",
    "P1198": "The share of people without work",
    "P1336": "A state that claims the territory",
    "P1344": "An event in which it took part",
    "P1365": "What held this place before it",
    "P1366": "What holds this place after it",
    "P1376": "The state or region whose seat of government this is",
    "P1412": "A language that the person speaks or writes",
    "P1441": "A work in which the character appears",
    "P3373": "A brother or sister of the person",
}

#: Relations that Re-DocRED lacks: the name, and the argument types with their counts in
#: KnowledgeNet.
MORE = {"P169": ("chief executive officer", {("ORG", "PER"): 196})}

SYMMETRIC = {"P26", "P190", "P3373"}
INVERSES = [
    ("P36", "P1376"),
    ("P131", "P150"),
    ("P155", "P156"),
    ("P355", "P749"),
    ("P361", "P527"),
    ("P674", "P1441"),
    ("P710", "P1344"),
    ("P1365", "P1366"),
]
MAX_ONE_OBJECT = {"P19", "P20", "P22", "P25", "P403", "P569", "P570"}
ACYCLIC = {
    *("P22", "P25", "P40", "P131", "P150", "P155", "P156", "P171", "P279"),
    *("P355", "P361", "P403", "P527", "P749"),
}


def make_schema(path: Path) -> LabelSchema:
    """Makes the label schema from Re-DocRED's training file."""
    counts: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for sentence in read(path, "docred"):
        for subject, relation, object_ in sentence.triples:
            types = sentence.entities[subject][2], sentence.entities[object_][2]
            counts[relation][types] += 1
    names = relation_names(path)
    for identifier, (title, arguments) in MORE.items():
        names[identifier] = slug(title)
        counts[names[identifier]].update(arguments)
    inverses = dict(INVERSES) | {b: a for a, b in INVERSES}
    relations = []
    for identifier, name in names.items():
        pairs = sorted(counts[name].items(), key=lambda item: (-item[1], item[0]))
        relation: dict[str, object] = {
            "name": name,
            "description": DESCRIPTIONS[identifier],
            "arguments": [{"subject": s, "object": o, "count": n} for (s, o), n in pairs],
            "exact_match": [
                f"http://www.wikidata.org/entity/{identifier}",
                f"http://www.wikidata.org/prop/direct/{identifier}",
            ],
            "symmetric": identifier in SYMMETRIC,
            "acyclic": identifier in ACYCLIC,
        }
        if identifier in inverses:
            relation["inverse"] = names[inverses[identifier]]
        if identifier in MAX_ONE_OBJECT:
            relation["max_objects"] = 1
        relations.append(relation)
    return LabelSchema.from_dict({"entity_types": ENTITY_TYPES, "relations": relations})


if __name__ == "__main__":
    sys.stdout.write(make_schema(Path(sys.argv[1])).to_yaml())
