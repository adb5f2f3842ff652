# SPDX-License-Identifier: EUPL-1.2
"""At start: what a region names and the hub does not have is said at once, all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from regions import FOLDER
from schakel.bootstrap import build, initialise
from schakel.errors import ConfigurationError
from schakel.region import Receiving, Region, Sending
from schakel.region_files import load_region
from schakel.settings import Settings
from schakel.ways import Ways, check_ways

REGION = load_region(FOLDER / "haaglanden")
HERE = Ways(
    formats={"thv-json", "thv-csv", "fhir-json", "fhir-xml", "stuf-jz", "case-json"},
    answers={"stuf-jz", "fhir-json", "fhir-xml"},
    mappings={"own-thv"},
    views={"case-json", "case-stuf", "case-fhir", "case-fhir-xml"},
    feedback={"feedback-json", "feedback-stuf"},
    notices={"notice-json"},
)


def partner(partner_id: str, **changes: object) -> Region:
    partners = tuple(one.model_copy(update=changes) if one.id == partner_id else one for one in REGION.partners)
    return REGION.model_copy(update={"partners": partners})


def test_haaglanden_names_what_is_there() -> None:
    assert check_ways(REGION, HERE) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"sends": Sending(formats=("telex",))}, "format-exists"),
        ({"sends": Sending(formats=("thv-json",), mappings=("thv-aanmelding",))}, "own-mapping-exists"),
        ({"receives": Receiving(representation="feedback-json")}, "representation-exists"),
        ({"receives": Receiving(answers=("thv-json",))}, "answer-format-exists"),
        ({"receives": Receiving(feedback={"thv-aanmelding": "case-json"})}, "feedback-representation-exists"),
        ({"receives": Receiving(notices={"effort-begged": "notice-json"})}, "notice-kind-exists"),
        ({"receives": Receiving(notices={"effort-asked": "case-json"})}, "notice-representation-exists"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(changes: dict[str, object], rule: str) -> None:
    (finding,) = check_ways(partner("thv-pool", **changes), HERE)
    assert (finding.rule, "thv-pool" in finding.place) == (rule, True)
    assert "known:" in finding.en


def test_a_hub_does_not_start_with_a_way_that_is_not_there(tmp_path: Path) -> None:
    laid = {"partners": [{"id": "vvt", "receives": {"representation": "case-papier"}}]}
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay/partners.yaml").write_text(json.dumps(laid), encoding="utf-8")
    settings = Settings(home=tmp_path / "home", region_overlay=tmp_path / "overlay")
    initialise(settings)
    with pytest.raises(ConfigurationError) as caught:
        build(settings)
    assert "representation-exists" in {finding.rule for finding in caught.value.findings}
