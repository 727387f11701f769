"""The terms of PROV-O: which property and class says which kind of statement (PROV-O sections 3 and 4).

Beside them those of PROV-Dictionary and PROV-Links, the inverse names that PROV-O reserves (appendix B), and
the few terms by which Trilha says what RDF has no way to say (`IDENTIFIER`, `STATES`, `ATTRIBUTE`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from trilha.prov import PROV, TRILHA, Kind, Name, Namespace

__all__ = [
    "ATTRIBUTE",
    "DERIVATION_TYPES",
    "ELEMENT_CLASSES",
    "IDENTIFIER",
    "INVERSE",
    "KEYS",
    "QUALIFIED",
    "RDF",
    "RDFS",
    "RELATION_CLASSES",
    "SHORTCUTS",
    "STATES",
    "SUPERCLASSES",
    "Form",
]

RDF: Final = Namespace("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#")
RDFS: Final = Namespace("rdfs", "http://www.w3.org/2000/01/rdf-schema#")

IDENTIFIER: Final = TRILHA["identifier"]
"""The identifier of a statement whose node is a blank one, since the name itself stands for more."""
STATES: Final = TRILHA["states"]
"""What a blank node states of its `IDENTIFIER`: ``prov:Entity``, ``prov:Activity``, ``prov:Agent``, or, for a
bundle without statements, ``prov:Bundle``.
"""
ATTRIBUTE: Final = TRILHA["attribute"]
"""An attribute as a node of ``rdf:predicate`` and ``rdf:object``, where the triple itself would say more."""


class Form(NamedTuple):
    """How a kind of relation is said with a node of its own (PROV-O section 3.3).

    Attributes:
        kind: the kind.
        property: from the first argument to the node.
        type: the class of the node.
        arguments: the properties of the node for the arguments from the second on.
    """

    kind: Kind
    property: Name
    type: Name
    arguments: tuple[Name, ...]


def _form(kind: Kind, name: str, arguments: str) -> Form:
    return Form(kind, PROV["qualified" + name], PROV[name], tuple(PROV[one] for one in arguments.split()))


QUALIFIED: Final = {
    form.kind: form
    for form in (
        _form(Kind.GENERATION, "Generation", "activity atTime"),
        _form(Kind.USAGE, "Usage", "entity atTime"),
        _form(Kind.COMMUNICATION, "Communication", "activity"),
        _form(Kind.START, "Start", "entity hadActivity atTime"),
        _form(Kind.END, "End", "entity hadActivity atTime"),
        _form(Kind.INVALIDATION, "Invalidation", "activity atTime"),
        _form(Kind.DERIVATION, "Derivation", "entity hadActivity hadGeneration hadUsage"),
        _form(Kind.ATTRIBUTION, "Attribution", "agent"),
        _form(Kind.ASSOCIATION, "Association", "agent hadPlan"),
        _form(Kind.DELEGATION, "Delegation", "agent hadActivity"),
        _form(Kind.INFLUENCE, "Influence", "influencer"),
        _form(Kind.INSERTION, "Insertion", "dictionary insertedKeyEntityPair"),
        _form(Kind.REMOVAL, "Removal", "dictionary removedKey"),
    )
}
"""The kinds that have a qualified form, and that form."""

DERIVATION_TYPES: Final = {
    PROV["Revision"]: (PROV["wasRevisionOf"], PROV["qualifiedRevision"]),
    PROV["Quotation"]: (PROV["wasQuotedFrom"], PROV["qualifiedQuotation"]),
    PROV["PrimarySource"]: (PROV["hadPrimarySource"], PROV["qualifiedPrimarySource"]),
}
"""The types of derivation that have properties of their own: the shortcut and the qualified one."""

SHORTCUTS: Final = {
    kind: PROV[kind.provn] for kind in Kind if not kind.is_element and kind is not Kind.EXTENSION
}
"""The property of each kind of relation that goes from its first argument to its second."""

ELEMENT_CLASSES: Final = {
    PROV[local]: kind
    for kind, names in (
        (Kind.ENTITY, "Entity Plan Collection EmptyCollection Bundle Dictionary EmptyDictionary"),
        (Kind.ACTIVITY, "Activity"),
        (Kind.AGENT, "Agent Person SoftwareAgent Organization"),
    )
    for local in names.split()
}
"""The classes of entities, activities and agents; the first of each kind is that of all of them."""

RELATION_CLASSES: Final = {
    **{form.type: form.kind for form in QUALIFIED.values()},
    **dict.fromkeys(DERIVATION_TYPES, Kind.DERIVATION),
}
"""The classes of nodes of qualified forms."""

SUPERCLASSES: Final = frozenset(
    PROV[local]
    for local in ("Influence", "EntityInfluence", "ActivityInfluence", "AgentInfluence", "InstantaneousEvent")
)
"""The classes that all those nodes are of, so that they tell nothing."""

KEYS: Final = {
    PROV["type"]: RDF["type"],
    PROV["label"]: RDFS["label"],
    PROV["location"]: PROV["atLocation"],
    PROV["role"]: PROV["hadRole"],
}
"""The attributes that have another name in PROV-O than in PROV-DM."""

_PAIRS: Final = """
    hadDelegate=actedOnBehalfOf activityOfInfluence=activity agentOfInfluence=agent
    locationOf=atLocation entityOfInfluence=entity generated=wasGeneratedBy
    wasActivityOfInfluence=hadActivity generatedAsDerivation=hadGeneration wasMemberOf=hadMember
    wasPlanOf=hadPlan wasPrimarySourceOf=hadPrimarySource wasRoleIn=hadRole wasUsedInDerivation=hadUsage
    influenced=wasInfluencedBy hadInfluence=influencer invalidated=wasInvalidatedBy
    qualifiedAssociationOf=qualifiedAssociation qualifiedAttributionOf=qualifiedAttribution
    qualifiedCommunicationOf=qualifiedCommunication qualifiedDelegationOf=qualifiedDelegation
    qualifiedDerivationOf=qualifiedDerivation qualifiedEndOf=qualifiedEnd
    qualifiedGenerationOf=qualifiedGeneration qualifiedInfluenceOf=qualifiedInfluence
    qualifiedInvalidationOf=qualifiedInvalidation qualifiedSourceOf=qualifiedPrimarySource
    qualifiedPrimarySourceOf=qualifiedPrimarySource qualifiedQuotationOf=qualifiedQuotation
    qualifiedRevisionOf=qualifiedRevision qualifiedStartOf=qualifiedStart
    qualifiedUsingActivity=qualifiedUsage generalizationOf=specializationOf wasUsedBy=used
    wasAssociateFor=wasAssociatedWith contributed=wasAttributedTo hadDerivation=wasDerivedFrom
    ended=wasEndedBy informed=wasInformedBy quotedAs=wasQuotedFrom hadRevision=wasRevisionOf
    started=wasStartedBy
"""
INVERSE: Final = {PROV[pair.partition("=")[0]]: PROV[pair.partition("=")[2]] for pair in _PAIRS.split()}
"""The names that PROV-O reserves for properties the other way round (appendix B), and those properties."""
