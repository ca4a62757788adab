"""Targets, chips and switches: what is chosen, and what is refused with the names that there are."""

import re

import pytest

from kewcore.errors import UsageError
from kewcore_export.rewrites.catalogue import REWRITES
from kewcore_export.rewrites.settings import rewrite_settings

pytestmark = pytest.mark.unit
DEFAULTS = (
    "channels-first",
    "dense-over-map",
    "dense-as-conv",
    "channel-layout",
    "narrow-kernels",
    "pool-before-activation",
    "pool-strides",
)


def test_defaults() -> None:
    chosen = rewrite_settings()
    assert (chosen.engine, chosen.min_chip.name, chosen.names) == ("ane", "A14", DEFAULTS)
    assert rewrite_settings("any").names == ()


def test_switches() -> None:
    assert rewrite_settings(enable=["strips"]).names == (*DEFAULTS, "strips")
    assert rewrite_settings(disable=["dense-over-map, narrow-kernels", "pool-strides"]).names == (
        "channels-first",
        "dense-as-conv",
        "channel-layout",
        "pool-before-activation",
    )
    assert rewrite_settings("any", enable=["pool-strides"]).names == ("pool-strides",)
    assert rewrite_settings(min_chip="m1").min_chip.name == "M1"


def test_what_is_refused() -> None:
    cases = [
        ({"engine": "gpu"}, "there is no target 'gpu'", "targets: ane, the Neural Engine; any, the graph as it is"),
        ({"enable": ["strip"]}, "there is no rewrite 'strip'", f"rewrites: {', '.join(r.name for r in REWRITES)}"),
        ({"disable": [""]}, "there is no rewrite ''", f"rewrites: {', '.join(r.name for r in REWRITES)}"),
        (
            {"enable": ["strips"], "disable": ["strips"]},
            "rewrite strips is switched both on and off",
            "leave one of the two out",
        ),
    ]
    for arguments, message, hint in cases:
        with pytest.raises(UsageError, match=re.escape(message)) as caught:
            rewrite_settings(**arguments)  # type: ignore[arg-type]
        assert caught.value.hint == hint


def test_every_rewrite_says_why_it_is_exact_and_who_asks_for_it() -> None:
    for rewrite in REWRITES:
        assert re.fullmatch(r"[a-z0-9-]+", rewrite.name)
        assert rewrite.summary
        assert rewrite.proof
        assert rewrite.source.url.startswith("https://")
