"""The explanations of why BN works, each beside the verdicts that speak for it and against it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from matplotlib.figure import Figure

from bnexp import claims
from bnexp.judging.judgement import unfilled
from bnexp.report import effects
from bnexp.report.tables import markdown
from bnexp.report.verdicts import entries, is_old

Speaks = Literal["for", "against", "neither", "not judged"]

MNIST, INCEPTION = "MNIST", "Inception"
SUFFIX = "_inception"
"""Of an experiment that judges a subject on the small Inception."""

WIDTH, COLUMN, APART, ROW = 12.6, 9.2, 2.1, 0.4
"""Of the figure in inches: its width, where the first network's column stands, how far the next, a row's height."""

LINES = 2
"""Of a claim, what has no room in so many lines is cut."""

COLOURS: dict[Speaks, str] = {"for": "#009E73", "against": "#D55E00", "neither": "#BBBBBB", "not judged": "#FFFFFF"}


@dataclass(frozen=True)
class Witness:
    """A claim that speaks for an explanation where it is reproduced."""

    subject: str
    claim: str
    denies: bool = False
    """It speaks against the explanation where it is reproduced, and neither way where it is not."""
    both: bool = False
    """It is judged on a small Inception, too."""
    aside: str = ""
    """Why it decides nothing here, though it is a main claim of its experiment."""
    reservation: str = ""
    """What may be said against it."""
    short: str = ""
    """What it says, in a few words; of a main claim that no saying has."""

    def on(self, network: str) -> tuple[str, str]:
        """The experiment that judges it on a network, and the claim."""
        return self.subject + (SUFFIX if network == INCEPTION else ""), self.claim

    @property
    def primary(self) -> bool:
        """Whether it decides: it is a main claim, and no control."""
        claim = said(self)
        return claim.primary and claim.control is None and not self.aside


@dataclass(frozen=True)
class Explanation:
    """Why BN is said to work."""

    name: str
    sentence: str
    source: str
    witnesses: tuple[Witness, ...]


EXPLANATIONS = (
    Explanation(
        "Covariate shift",
        "BN works because it keeps the distributions of layers' inputs from moving while the layers below learn.",
        "the paper's title",
        (
            Witness("covariate_shift", "shift-front", short="what stands in front of BN moves less", both=True),
            Witness(
                "covariate_shift",
                "shift-fed",
                both=True,
                reservation="behind BN mean and width are β and γ, so that layers' inputs hardly can move",
            ),
            Witness("covariate_shift", "shift-w1", both=True),
            Witness("covariate_shift", "shift-mean", both=True),
            Witness("covariate_shift", "shift-spread", both=True),
            Witness("covariate_shift", "shift-mean-training", both=True),
            Witness("covariate_shift", "shift-spread-training", both=True),
            Witness("covariate_shift", "shift-w1-training", both=True),
            Witness(
                "covariate_shift",
                "shift-gradient",
                short="a layer's gradient changes less when those below have moved",
                both=True,
            ),
            Witness("covariate_shift", "shift-direction", both=True),
            Witness(
                "noisy_norm",
                "noisy-faster",
                short="BN made unstable is faster than no norm",
                denies=True,
                both=True,
                aside="its noise is drawn anew at every step, so that inputs move to and fro and drift no further "
                "(`noisy-drift`): that such movement does no harm is shown, not that drift does none",
            ),
            Witness("noisy_norm", "noisy-drift", both=True),
            Witness(
                "drifting_norm",
                "drifting-faster",
                short="BN that drifts is faster than no norm",
                denies=True,
                reservation="what drifts goes through one affine map, which must learn with it, before the next BN "
                "takes its mean and width away again",
            ),
            Witness("drifting_norm", "drifting-speed", denies=True),
            Witness(
                "noisy_norm",
                "noisy-speed",
                short="BN made unstable is as fast as BN",
                denies=True,
                both=True,
                aside="noisy BN may be slower than BN and still learn without stable inputs",
            ),
        ),
    ),
    Explanation(
        "Smoothness",
        "BN makes the loss and its gradient change more smoothly.",
        "Santurkar et al. 2018",
        (
            Witness(
                "landscape", "landscape-gradient-change", short="the gradient changes less along a step", both=True
            ),
            Witness("landscape", "landscape-loss-range", both=True),
            Witness("landscape", "landscape-smoothness", both=True),
        ),
    ),
    Explanation(
        "Larger rates",
        "BN allows larger learning rates, and these are what helps.",
        "Bjorck et al. 2018",
        (
            Witness(
                "step_size",
                "step-size-gain",
                short="at the plain network's rate BN gains little",
                both=True,
                reservation="it is asked of two networks; of six others (`lr-gain`) BN saves nothing at that rate in "
                "some, and much in one",
            ),
            Witness("step_size", "step-size-own", both=True),
            Witness("step_size", "step-size-survives"),
            Witness("step_size", "step-size-plain", both=True),
            Witness("lr_tolerance", "lr-gain"),
            Witness("lr_tolerance", "lr-highest"),
            Witness("lr_tolerance", "lr-best"),
        ),
    ),
    Explanation(
        "Scale invariance",
        "BN does not see the scale of the weights, so that growing weights make steps smaller by themselves.",
        "§3.3, van Laarhoven 2017, Arora et al. 2018",
        (
            Witness("scale_invariance", "scale-l2", short="L2 acts through the learning rate"),
            Witness(
                "scale_invariance",
                "scale-longer",
                short="weights end less long",
                aside="that growth is stabilised is said in §3.3; weights whose scale is not seen can only grow",
            ),
            Witness("scale_invariance", "scale-growth"),
            Witness("scale_invariance", "scale-alone"),
        ),
    ),
    Explanation(
        "Noise",
        "BN works because the noise of its mini-batch's statistics regularises.",
        "§3.4, Luo et al. 2018",
        (
            Witness("noise", "noise-gap"),
            *(Witness("noise", f"noise-{of}-{ghost}") for of in ("helps", "of") for ghost in (30, 10, 4)),
            Witness("gap", "gap-at-every-loss"),
            Witness("regularisation", "weaker-dropout"),
        ),
    ),
    Explanation(
        "Signal propagation",
        "Signals, their small changes and gradients keep their size through BN's layers, whose Jacobians have singular "
        "values near 1.",
        "§3.3",
        (
            Witness("jacobian", "jacobian-spread", short="singular values of Jacobians spread less", both=True),
            Witness("jacobian", "jacobian-median", short="these have medians nearer to 1", both=True),
            Witness("jacobian", "jacobian-unequal", both=True),
            Witness("gradient_flow", "gradient-flow"),
            Witness(
                "gradient_flow",
                "explodes-at-initialisation",
                denies=True,
                reservation="it is asked of ReLU networks alone, from He's weights and before the first step; in "
                "sigmoid networks BN keeps gradients from vanishing (`gradient-flow`)",
            ),
            Witness("signal_depth", "depth-rank"),
            Witness(
                "signal_depth",
                "depth-small-changes",
                reservation="it is asked of the same networks, before the first step, and of the inputs of "
                "nonlinearities in the first layers",
            ),
            Witness("signal_depth", "depth-explodes", denies=True),
        ),
    ),
    Explanation(
        "Nothing but good initialisation",
        "Residual networks whose branches begin at nothing need no BN.",
        "De & Smith 2020, Zhang et al. 2019",
        (
            Witness(
                "skip_init",
                "skip-init-steps",
                short="SkipInit is as fast as BN, to a factor of 1.5",
                reservation="it is asked of residual networks alone, whose branches end in a ReLU, and nothing "
                "normalises their sum: BN is not at its best in them",
            ),
            Witness("skip_init", "skip-init-accuracy", short="SkipInit ends no lower than BN"),
            Witness("init_robustness", "init-own-best", denies=True),
            Witness("lr_tolerance", "lr-own-best-speed-95", denies=True),
        ),
    ),
)

Found = Mapping[tuple[str, str], Mapping[str, Any]]
"""By experiment and claim, its entry as `verdicts.entries` has it."""


def found_in(verdict_files: Iterable[tuple[Path, Mapping[str, Any]]]) -> Found:
    """The claims of these reports, but for those that were judged by old rules."""
    judged = [verdict for _, verdict in verdict_files if not is_old(verdict)]
    return {(claim["experiment"], claim["id"]): claim for verdict in judged for claim in entries(verdict)}


def judged(found: Found) -> bool:
    """Whether something is found that bears on an explanation."""
    covered = {witness.subject for explanation in EXPLANATIONS for witness in explanation.witnesses}
    return any(name in covered for name, _ in found)


def networks(witness: Witness) -> tuple[str, ...]:
    """Those on which a witness is judged."""
    return (MNIST, INCEPTION) if witness.both else (MNIST,)


def entry(witness: Witness, network: str, found: Found) -> Mapping[str, Any] | None:
    """What was judged of a witness on a network, if it was."""
    return found.get(witness.on(network))


def speaks(witness: Witness, judged: Mapping[str, Any] | None) -> Speaks:
    """For the explanation, against it, or neither."""
    if judged is None:
        return "not judged"
    if witness.denies:
        return "against" if judged["verdict"] == "reproduced" else "neither"
    sides: dict[str, Speaks] = {"reproduced": "for", "contradicted": "against"}
    return sides.get(judged["verdict"], "neither")


def side(witness: Witness, network: str, found: Found) -> Speaks:
    """What a witness says on a network."""
    return speaks(witness, entry(witness, network, found))


DOUBTFUL = {"rising", "edge", "partial", "stand-in", "exploratory"}
"""Flags with which a claim decides nothing; a main claim is exploratory if its rule is younger than its runs."""


RULE = (
    f"An explanation survives if all its primary claims speak for it, on both networks (on {MNIST}, if none of them is "
    "judged on Inception); it is refuted if one of them speaks against it; else it is open. Claims with a flag of "
    "doubt (rising, edge, partial, stand-in, a rule younger than the runs) decide nothing, neither way, nor do those "
    "that are set aside for a reason given below. Claims that would deny an explanation speak against it where they "
    "are reproduced."
)

CAUSE = (
    "Most claims ask whether something is so with BN. Whether that is why BN helps is asked where it is taken away, or "
    "put in BN's place: of covariate shift by BN whose outputs are made to drift, of larger rates at equal ones, of "
    "noise by Dropout of equal noise, of initialisation by SkipInit; of the others a word is about the fact alone. "
    "What moves or changes is compared over as many steps, in which a network with BN may have learnt more."
)


def word(explanation: Explanation, found: Found) -> str:
    """*survives* where all primary witnesses are for it, on every network, *refuted* where one denies it, or *open*.

    A witness that is there to deny it is for it where it is decided otherwise; one flagged as doubtful is neither. What
    has no primary witness on Inception survives on MNIST.
    """
    said, tried = set(), set()
    for witness in explanation.witnesses:
        for network in networks(witness) if witness.primary else ():
            tried.add(network)
            said.add(_counted(witness, network, found))
    if "against" in said:
        return "refuted"
    return "open" if said != {"for"} else "survives" if INCEPTION in tried else f"survives on {MNIST}"


def _counted(witness: Witness, network: str, found: Found) -> Speaks:
    judged = entry(witness, network, found)
    if judged is None or DOUBTFUL & set(judged["flags"]):
        return "neither"
    if witness.denies and judged["verdict"] in ("contradicted", "no difference"):
        return "for"
    return side(witness, network, found)


def page(found: Found) -> str:
    """The page in Markdown, with links from the folder of results."""
    lines = [
        "# Why does it work?",
        "",
        f"Generated by `bnexp report`. {RULE} Primary claims are in bold.",
        "",
        CAUSE,
        "",
        "![For and against each explanation](explanations.png)",
        "",
        *markdown(
            ("explanation", "source", ""),
            ((f"{e.name}: {e.sentence}", e.source, f"*{word(e, found)}*") for e in EXPLANATIONS),
        ),
    ]
    for explanation in EXPLANATIONS:
        lines += ["", f"## {explanation.name}: {word(explanation, found)}", "", explanation.sentence, ""]
        rows = [_row(witness, network, found) for witness in explanation.witnesses for network in networks(witness)]
        lines += markdown(("claim", "on", "speaks", "verdict", "measured"), rows)
        asides = [
            f"`{witness.claim}` decides nothing here: {witness.aside}."
            for witness in explanation.witnesses
            if witness.aside
        ]
        reserved = [f"Against `{w.claim}`: {w.reservation}." for w in explanation.witnesses if w.reservation]
        for notes in filter(None, (asides, reserved)):
            lines += ["", *notes]
    return "\n".join(lines) + "\n"


def _row(witness: Witness, network: str, found: Found) -> tuple[str, ...]:
    judged = entry(witness, network, found)
    says = side(witness, network, found)
    if judged is None:
        return _marked(witness, sentence(witness)), network, says, "–", "–"
    experiment, _ = witness.on(network)
    flags = "".join(f", *{flag}*" for flag in judged["flags"])
    verdict = f"[{judged['verdict']}]({experiment}/README.md){flags}"
    return _marked(witness, judged["claim"]), network, says, verdict, judged["measured"]


def _marked(witness: Witness, text: str) -> str:
    return f"**{text}**" if witness.primary else text


def said(witness: Witness) -> claims.Claim | claims.Peculiar:
    """The claim itself."""
    (claim,) = (claim for claim in claims.REGISTRY[witness.subject].claims if claim.id == witness.claim)
    return claim


def sentence(witness: Witness) -> str:
    """What the claim says."""
    return unfilled(said(witness).sentence)


def figure(found: Found) -> Figure:
    """All explanations side by side: a row a claim, a column a network, coloured by what it speaks for."""
    rows = [(e, w) for e in EXPLANATIONS for w in e.witnesses]
    height = ROW * len(rows) + 0.5 * len(EXPLANATIONS) + 0.9
    made = Figure(figsize=(WIDTH, height), dpi=100)
    axes = made.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    axes.text(0.15, 0.3, "Why BN works: what speaks for each explanation, and what against it", fontsize=13)
    at = 0.65
    for says, colour in COLOURS.items():
        place = 0.3 + 1.6 * list(COLOURS).index(says)
        axes.plot(place, at, "s", color=colour, ms=10, mec="0.5", mew=0.6)
        axes.text(place + 0.2, at, says, va="center", fontsize=10)
    for i, network in enumerate((MNIST, INCEPTION)):
        axes.text(COLUMN + APART * i, at, network, ha="center", va="center", fontsize=11)
    for explanation in EXPLANATIONS:
        at += 0.5
        axes.text(0.15, at, f"{explanation.name}: {word(explanation, found)}", va="center", fontsize=11, weight="bold")
        for witness in explanation.witnesses:
            at += ROW
            width, weight = (95, "bold") if witness.primary else (105, "normal")
            shown = textwrap.fill(sentence(witness), width, max_lines=LINES, placeholder=" …")
            axes.text(0.35, at, shown, va="center", fontsize=8.5, weight=weight)
            for i, network in enumerate(networks(witness)):
                _cell(axes, COLUMN + APART * i, at, side(witness, network, found), entry(witness, network, found))
    return made


def _cell(axes: Any, x: float, y: float, says: Speaks, judged: Mapping[str, Any] | None) -> None:
    axes.text(
        x,
        y,
        "–" if judged is None else effects.effect(judged).removeprefix("from ") or judged["verdict"],
        ha="center",
        va="center",
        fontsize=8.5,
        color="black" if says in ("neither", "not judged") else "white",
        bbox={"boxstyle": "square,pad=0.35", "facecolor": COLOURS[says], "edgecolor": "0.6", "linewidth": 0.6},
    )
