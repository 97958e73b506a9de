"""Frozen files of stated claims."""

from hashlib import sha256

import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.subtypes.claims import Claims, claim_problems, read_claims

BODY = "gene,class,sign,source\nUP,hot,high,a talk\nDOWN,hot,low,a paper\n"


def frozen(path, body=BODY):
    path.write_text(f"# sha256: {sha256(body.encode()).hexdigest()}\n{body}")
    return path


def test_the_claims_of_the_talk_are_frozen_and_complete():
    claims = read_claims("crc-talk")
    assert [str(claim) for claim in claims.items] == [
        "FSCN1 low in CMS2",
        "MUC2 high in CMS3",
        "AXIN2 low in CMS1",
        "TP53RK low in CMS2",
    ]
    assert [claim.shape for claim in claims.items] == ["falling", "rising", "falling", "falling"]


def test_a_frozen_file_is_read_and_an_edited_one_is_refused(tmp_path):
    path = frozen(tmp_path / "claims.csv")
    assert [claim.sign for claim in read_claims(str(path)).items] == ["high", "low"]
    path.write_text(path.read_text().replace("UP,hot,high", "UP,hot,low"))
    with pytest.raises(DataContractError, match="edited after they were frozen"):
        read_claims(str(path))


def test_windows_line_ends_change_nothing(tmp_path):
    path = frozen(tmp_path / "claims.csv")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_claims(str(path)).items) == 2


def test_a_file_that_is_not_frozen_is_told_the_line_that_freezes_it(tmp_path):
    path = tmp_path / "claims.csv"
    path.write_text(BODY)
    with pytest.raises(DataContractError, match="not frozen") as error:
        read_claims(str(path))
    line = error.value.problems[0].remedy.split("`")[1]
    path.write_text(f"{line}\n{BODY}")
    assert len(read_claims(str(path)).items) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("gene,sign\nUP,high\n", "the header"),
        (BODY.replace("high", "up"), "line 3 is no claim"),
        ("gene,class,sign,source\n", "no claim"),
    ],
)
def test_lines_that_are_no_claim_are_told(tmp_path, body, message):
    with pytest.raises(DataContractError, match=message):
        read_claims(str(frozen(tmp_path / "claims.csv", body)))


def test_claims_of_unknown_classes_and_genes_are_all_told(tmp_path):
    claims = read_claims(str(frozen(tmp_path / "claims.csv")))
    problems = [*claim_problems(claims, ["warm"], ["UP"], "claims")]
    assert len(problems) == 3
    assert "one of warm" in problems[0].expected
    assert [*claim_problems(Claims(), ["warm"], [], "claims")] == []
