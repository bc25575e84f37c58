"""Makes tests/data/tiny_model: `python tests/data/make_tiny_model.py`, a minute.

A model that goes by the shape of words, trained on made-up sentences: small enough to
lie here, good enough to find mentions and triples in ordinary text, and often in doubt,
so that many scores lie between the floor and the thresholds.
"""

import random
from itertools import pairwise
from pathlib import Path

import torch
from transformers import AutoConfig, AutoTokenizer

from pfn_kg.pfn.evaluation.gold_spans import GoldSentence
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.training.gold_batches import collate_gold, training_cells
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
from pfn_kg.schemas.label_schema import LabelSchema

HERE = Path(__file__).parent
STEPS, BATCH = 600, 16

LABEL_SCHEMA = {
    "entity_types": [
        {"name": "PER", "neo4j_label": "Person"},
        {"name": "ORG", "neo4j_label": "Organization"},
        {"name": "LOC", "neo4j_label": "Location"},
        {"name": "TIME", "kind": "value", "datatype": "xsd:date"},
    ],
    "relations": [
        {
            "name": "born_in",
            "arguments": [
                {"subject": "PER", "object": "LOC", "count": 9},
                {"subject": "PER", "object": "TIME", "count": 2},
            ],
            "max_objects": 1,
        },
        {"name": "works_for", "arguments": [{"subject": "PER", "object": "ORG", "count": 7}]},
        {
            "name": "located_in",
            "arguments": [
                {"subject": "ORG", "object": "LOC", "count": 8},
                {"subject": "LOC", "object": "LOC", "count": 6},
            ],
            "acyclic": True,
        },
        {"name": "founded_by", "arguments": [{"subject": "ORG", "object": "PER", "count": 5}]},
    ],
}
# Most are unknown to the vocabulary, like most words of any text.
FILLERS = """
    the of in and a was born by company city founded works for lives at new , - ( )
    with talks held which moved other under before war music later is are from to
""".split()  # noqa: SIM905 - a list of words reads worse
NAMES = {
    "PER": lambda rng: [rng.choice(["Anna", "John", "Mary"]), rng.choice(["Bell", "Smith", "Xu"])],
    "LOC": lambda rng: [rng.choice(["London", "Paris", "Rome", "Thames", "Peru"])],
    "ORG": lambda rng: [rng.choice(["ACME", "NATO", "BBC", "IBM"])],
    "TIME": lambda rng: [str(rng.randint(1000, 2020))],
}


def made_up_sentence(rng: random.Random) -> GoldSentence:
    """A sentence whose types can be read off the shape of its words.

    One capitalised word is a LOC, two are a PER, upper case is an ORG, a year a TIME.
    Neighbouring entities are related where the schema has a relation for their types.
    """
    words, entities = [], []
    for _ in range(rng.randint(1, 6)):
        words += rng.choices(FILLERS, k=rng.randint(1, 6))
        type_ = rng.choice(list(NAMES))
        name = NAMES[type_](rng)
        begin = len(" ".join(words)) + 1
        entities.append((begin, begin + len(" ".join(name)), type_))
        words += name
    triples = {
        (subject, relation["name"], object_)
        for first, second in pairwise(entities)
        for subject, object_ in ((first, second), (second, first))
        for relation in LABEL_SCHEMA["relations"]
        for arguments in relation["arguments"]
        if (subject[2], object_[2]) == (arguments["subject"], arguments["object"])
    }
    # Sentences mostly begin with a capital.
    text = " ".join([*words, "."])
    return GoldSentence(text[0].upper() + text[1:], set(entities), triples)


def main() -> None:
    schema = LabelSchema.from_dict(LABEL_SCHEMA)
    encoder = HERE / "official" / "encoder"
    config = PFNConfig(
        encoder=AutoConfig.from_pretrained(encoder),
        entity_types=[t.name for t in schema.entity_types],
        relation_types=[r.name for r in schema.relations],
        label_schema=schema.to_dict(),
        hidden_size=24,
        word_shapes=True,
        window_pieces=48,
        window_overlap=16,
    )
    torch.manual_seed(7)
    rng = random.Random(7)
    model = PFNModel(config)
    extractor = Extractor(model, AutoTokenizer.from_pretrained(encoder))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.05, STEPS)
    model.train()
    for step in range(STEPS):
        sentences = [made_up_sentence(rng) for _ in range(BATCH)]
        batch = collate_gold(training_cells(sentences, extractor.inputs), extractor.inputs)
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.2f}")
    model.eval()
    # So small a model is in doubt of most triples: take what it thinks likely.
    model.re.label.bias.data += 1.2
    save_checkpoint(extractor, HERE / "tiny_model")


if __name__ == "__main__":
    main()
