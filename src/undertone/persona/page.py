"""A look inside a model as a page."""

from collections.abc import Callable
from functools import partial

from undertone.persona.directions import POSITIONS
from undertone.persona.findings import BlockFinding, PersonaFindings, TraitFinding
from undertone.report.canvas import Figure, figure
from undertone.report.charts import GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.page import FOOTER, Column, Drawing, Grid, Page, Prose, Verdict, grid, section, sections, word

SHOWN = 8
"""How many other traits are drawn."""
MEANINGS = {
    "moved": Verdict(
        "moved",
        "The fine-tune moved hidden states further along this trait's direction than along any other's. Harmless ones "
        "do so too, more often than chance would have it: ask the model before you believe it.",
        "amber",
    ),
    "not told apart": Verdict(
        "not told apart",
        "Other traits' directions, of the same make, saw as much. That does not prove that there is nothing.",
        "grey",
    ),
    "not judged": Verdict("not judged", "Too few other traits are known for this base.", "grey"),
}
READ = (
    "A cosine of 1: the whole change of the middle block points along the trait's direction. The grey band holds 95 % "
    "of the directions of other traits. Every fine-tune moves hidden states mostly along a few axes, so that a large "
    "cosine means nothing by itself."
)
NULLS = (
    "How far each block's output moved along the trait's direction, and the share of directions of no meaning along "
    "which it moved as far: those of other traits, made in the same way; random ones that vary as hidden states do; "
    "and random ones. The verdict rests on the first, in the middle block."
)


def page(found: PersonaFindings) -> Page:
    """Returns the page of a look inside a model."""
    first = min(found.traits, key=lambda trait: list(MEANINGS).index(trait.verdict))
    return Page(
        title=f"Inside {found.model}",
        headline=found.headline,
        done=f"{found.model} and its base {found.base} read the same {found.questions} texts. "
        "Directions were made of the base alone.",
        verdict=MEANINGS[first.verdict],
        sections=sections(
            section("How far it moved", Drawing(_figure(found), READ)),
            *(
                section(
                    f"Block by block: {trait.name}",
                    Prose(f"Read: {POSITIONS[trait.construction]}. {NULLS}", note=True),
                    _blocks(trait),
                )
                for trait in found.traits
            ),
            section("Other traits", _others(found)),
        ),
        listings={"Models": found.models, "Made with": found.made_with},
        footer=FOOTER,
    )


def _figure(found: PersonaFindings) -> Figure | None:
    lines = [
        Line(
            trait.name,
            (Mark(trait.judged.cosine, colour=ORANGE),),
            f"{trait.judged.cosine:+z.2f}, {trait.judged.share:.0%} of the way",
            "bold",
            band=trait.judged.nulls[0].band,
        )
        for trait in found.traits
    ]
    lines += [
        Line(other.name, (Mark(other.cosine, colour=GREY),), f"{other.cosine:+z.2f}", "muted")
        for other in found.others[:SHOWN]
    ]
    axis = Axis("cosine of the change with the direction")
    return figure("inside", "Towards which traits hidden states moved", partial(forest, lines, axis))


def _blocks(trait: TraitFinding) -> Grid | None:
    columns: dict[str | Column, Callable[[BlockFinding], object]] = {
        "block": lambda one: one.block,
        "cosine": lambda one: f"{one.cosine:+z.3f}",
        "of the way": lambda one: f"{one.share:+z.0%}",
    }
    columns |= {f"p, {null.name}": partial(_p, i) for i, null in enumerate(trait.judged.nulls)}
    return grid("", trait.blocks, columns, bold=lambda one: one.block == trait.middle)


def _p(null: int, one: BlockFinding) -> str:
    return f"{one.nulls[null].p:.3f}"


def _others(found: PersonaFindings) -> Grid | None:
    return grid(
        "",
        found.others,
        {word("trait"): lambda one: one.name, "cosine": lambda one: f"{one.cosine:+z.3f}"},
        terminal=False,
    )
