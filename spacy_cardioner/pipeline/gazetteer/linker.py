"""The component `cardioner_linker`: gives the drugs and diseases that were found their codes."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Set

from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span

from spacy_cardioner.characters import is_ignored
from spacy_cardioner.gazetteer.abbreviations import abbreviations
from spacy_cardioner.gazetteer.combined import may_add, may_follow
from spacy_cardioner.gazetteer.lexicon import EXACT, FUZZY, NORMALISED, Answer, Lexicon
from spacy_cardioner.gazetteer.patterns import LABEL
from spacy_cardioner.gazetteer.terms import Terms
from spacy_cardioner.pipeline.gazetteer.component import GAZETTEER, find_gazetteer
from spacy_cardioner.spans import SPANS_KEY, read_entities, register_extensions, write_entities

# The number of tokens after a name that are read with it.
_REST = 6


@Language.factory(
    "cardioner_linker", assigns=["doc.spans", "token.ent_kb_id"], requires=["doc.ents"]
)
class Linker(Pipe):
    """Pipeline component that looks up entities in the names of the gazetteer.

    It comes after the components that find entities. It looks up the entities of `label` as drugs,
    and those of other labels for which the gazetteer has terms, in ``doc.ents`` and in
    ``doc.spans[spans_key]``. For each it sets:

    - ``span.kb_id_``: the likeliest code, "" for an unknown name, for one of several substances
      without a code of their combination, and for a term with several codes of one vocabulary;
    - ``span._.vocabulary``: the vocabulary of the code, such as "ATC" or "HP", or "";
    - ``span._.match``: how it was found: "exact" (as in the list), "normalised" (in another case,
      spelling or language, with a dose or a salt, as a usual abbreviation, or as a combination of
      known substances), "part" (only a part is known, such as one substance of two), "fuzzy" (a
      long name with one letter wrong), or None;
    - ``span._.candidates``: all codes that the name, or its known parts, may stand for, the
      likeliest first.

    A word next to a drug that may add a substance, as in "Micardis Plus" and "Co-Diovan", counts as
    a part of its name. Terms are whole names: they have no "part" and no "fuzzy".
    """

    def __init__(
        self,
        nlp: Language,
        name: str = "linker",
        gazetteer: str = GAZETTEER,
        label: str = LABEL,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component.

        gazetteer (str): Name of the component with the names.
        label (str): Label of the drugs.
        """
        self.nlp = nlp
        self.name = name
        self.gazetteer = gazetteer
        self.label = label
        self.spans_key = spans_key
        for extension, default in (("match", None), ("candidates", ())):
            if not Span.has_extension(extension):
                Span.set_extension(extension, default=default)
        register_extensions()

    def __call__(self, doc: Doc) -> Doc:
        """Link the entities of a document."""
        given = (*doc.ents, *doc.spans.get(self.spans_key, ()))
        terms = find_gazetteer(self.nlp, self.gazetteer, self.name).terms
        labels = {self.label, *terms.labels}
        # Most are in both.
        places = dict.fromkeys(_place(span) for span in given if span.label_ in labels)
        drugs = [place for place in places if place[2] == self.label]
        taken = {token for start, end, _ in drugs for token in range(start, end)}
        codes = {place: self._link(Span(doc, *place), taken) for place in places}
        for ent in doc.ents:
            if ent.label_ in labels:
                for token in ent:
                    token.ent_kb_id_ = codes[_place(ent)]
        if self.spans_key in doc.spans:
            entities = [
                entity._replace(kb_id=codes[entity[:3]]) if entity.label in labels else entity
                for entity in read_entities(doc, self.spans_key)
            ]
            write_entities(doc, entities, self.spans_key)
        return doc

    def _link(self, span: Span, taken: Set[int]) -> str:
        """Set the attributes of a mention, and return its code."""
        mention = span.text
        if span.label_ == self.label:
            lexicon = find_gazetteer(self.nlp, self.gazetteer, self.name).lexicon
            mention = _with_neighbours(span, taken, lexicon)
        answer = self.look_up(mention, span.label_)
        span._.match = answer.match if answer else None
        span._.candidates = list(answer.candidates) if answer else []
        return answer.code if answer else ""

    def look_up(self, mention: str, label: str | None = None) -> Answer | None:
        """Look up a mention of an entity, by default of a drug.

        RETURNS (Optional[Answer]): How it was found and its codes, or None for an unknown name.
        RAISES (CardionerError): The pipeline has no gazetteer.
        """
        gazetteer = find_gazetteer(self.nlp, self.gazetteer, self.name)
        if label is not None and label != self.label:
            return _look_up_term(mention, label, gazetteer.terms, self.nlp.lang or "")
        answer = gazetteer.lexicon.look_up(mention)
        if answer and answer.match in (EXACT, NORMALISED):
            return answer
        return _look_up_short(mention, gazetteer.lexicon, self.nlp.lang or "") or answer


def _look_up_short(mention: str, lexicon: Lexicon, lang: str) -> Answer | None:
    """Look up the long forms of an abbreviation. Of an ambiguous one, there are only candidates."""
    found = filter(None, map(lexicon.look_up, abbreviations(lang).expand(mention)))
    answers = [answer for answer in found if answer.match != FUZZY]
    if not answers:
        return None
    codes = [code for answer in answers for code in answer.candidates]
    several = answers[0].several or len({answer.code for answer in answers}) > 1
    return Answer(NORMALISED, list(dict.fromkeys(codes)), several)


def _look_up_term(mention: str, label: str, terms: Terms, lang: str) -> Answer | None:
    """Look up a term or, for an abbreviation, its long forms.

    Of an abbreviation that has several, or that has this meaning only in some places, there are
    only candidates.
    """
    if answer := terms.look_up(mention, label):
        return answer
    meanings = abbreviations(lang).meanings(mention, label)
    answers = [answer for one in meanings if (answer := terms.look_up(one.expansion, label))]
    if not answers:
        return None
    codes = dict.fromkeys(code for answer in answers for code in answer.candidates)
    sure = len(meanings) == 1 and not meanings[0].cues and not answers[0].several
    return Answer(NORMALISED, list(codes), several=not sure)


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label_


def _with_neighbours(span: Span, taken: Set[int], lexicon: Lexicon) -> str:
    """The text of an entity with the words before and after it that may add a substance.

    taken (Set[int]): The tokens of all entities.
    """
    doc, start, end = span.doc, span.start, span.end
    hyphen = start > 1 and doc[start - 1].text == "-"
    before = start - 1 - hyphen
    # Without a hyphen, "CO" is the cardiac output.
    if before >= 0 and before not in taken and doc[before].lower_ == "co":
        start = before if hyphen or doc[before].text == "Co" else start
    after = _next(doc, end)
    if after < len(doc) and after not in taken and may_add(doc[after].text):
        rest = doc[after].whitespace_ + doc[after + 1 : after + 1 + _REST].text.split("\n")[0]
        word, joins = doc[after].text, after + 1 in taken
        if may_follow(word, span.text, rest, brand=lexicon.has_brand(span.text), joins=joins):
            end = after + 1
    return doc[start:end].text


def _next(doc: Doc, index: int) -> int:
    """The index of the next word, after a space or a sign inside a word."""
    while index < len(doc) and is_ignored(doc[index].text):
        index += 1
    if index >= len(doc):
        return index
    token = doc[index]
    if token.is_space:
        return index if "\n" in token.text else index + 1
    # A hyphen after a space starts something else.
    inside = not (doc[index - 1].whitespace_ or token.whitespace_)
    return index + 1 if token.text in ("/", "+") or (token.text == "-" and inside) else index
