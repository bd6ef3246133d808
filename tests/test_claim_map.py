"""The map of the course is current; every claim of the log stands once, and none was reworded apart from its assertion."""

import re
import shutil
import xml.etree.ElementTree as ElementTree

import claim_map
import nbformat
import pytest


@pytest.fixture(scope="module")
def days():
    return claim_map.read_days()


def test_the_map_is_current():
    for path, text in claim_map.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: python tests/claim_map.py"


def test_every_claim_of_the_log_stands_once_and_as_it_was_accepted(days):
    found = list(claim_map.differences(days, claim_map.read_record()))
    assert not found, "\n".join(found)


def test_every_term_of_the_glossary_is_introduced(days):
    _, missing = claim_map.glossary(days)
    assert not missing, "\n".join(missing)


def test_a_day_builds_on_earlier_days(days):
    for day in days:
        assert all(before < day.number for before in day.builds_on), day.path.name


def test_the_graph_is_a_picture_with_every_day_and_words(days):
    picture, words = claim_map.prerequisites(days)
    texts = [element.text for element in ElementTree.fromstring(picture).iter() if element.tag.endswith("text")]
    assert [text for text in texts if re.fullmatch(r"Day \d+", text)] == [f"Day {day.number}" for day in days]
    assert words.startswith("Which day builds on which: Day 2 on Day 1; Day 3 on Day 2;")


# --- planted faults -----------------------------------------------------------------------------------------------------


def reworded(cells, claim):
    claim.source = claim.source.replace("> **D16.2** A toy task", "> **D16.2** A hard task")


def reworded_verdict(cells, claim):
    claim.source = re.sub(r"( - )holds, but .+", r"\1holds", claim.source)


def other_assertion(cells, claim):
    code = next(cell for cell in cells[cells.index(claim) :] if cell.cell_type == "code")
    code.source = code.source.replace("assert ", "assert True or ")


def no_assertion(cells, claim):
    code = next(cell for cell in cells[cells.index(claim) :] if cell.cell_type == "code")
    code.source = code.source.replace("assert ", "claimed = ")


def both(cells, claim):
    reworded(cells, claim)
    other_assertion(cells, claim)


def twice(cells, claim):
    cells.insert(cells.index(claim), nbformat.v4.new_markdown_cell(claim.source))


def lost(cells, claim):
    cells.remove(claim)


def unknown(cells, claim):
    claim.source = claim.source.replace("D16.2", "D16.9")


def other_cell(cells, claim):
    code = [cell for cell in cells if cell.cell_type == "code" and "assert " in cell.source]
    code[0].source = code[0].source.replace("assert ", "claimed = ", 1)


def commented_code(cells, claim):
    code = next(cell for cell in cells[cells.index(claim) :] if cell.cell_type == "code")
    code.source = "# a comment is no other assertion\n" + code.source


WHERE = r"D16\.2 in day_16_gru\.ipynb, '.+': "
SAYS = {
    reworded: WHERE + r"the claim was reworded, its assertion is the old one.+python tests/claim_map\.py D16\.2",
    reworded_verdict: WHERE + "the claim was reworded",
    other_assertion: WHERE + "its assertion changed, its words are the old ones",
    no_assertion: WHERE + "the code cell after it asserts nothing",
    both: WHERE + "the claim and its assertion changed",
    twice: r"D16\.2 stands twice: in day_16_gru\.ipynb, '.+' and in day_16_gru\.ipynb",
    lost: r"D16\.2 stands in no notebook",
    unknown: r"D16\.9 in day_16_gru\.ipynb, '.+' is no claim of the log",
    other_cell: r"D16: day_16_gru\.ipynb asserts something else in cells that follow no claim.+claim_map\.py D16$",
    commented_code: None,
}


@pytest.mark.parametrize("plant", SAYS, ids=lambda plant: plant.__name__)
def test_a_changed_claim_is_reported_with_its_place(plant, tmp_path):
    path = tmp_path / "day_16_gru.ipynb"
    shutil.copy(claim_map.NOTEBOOKS / path.name, path)
    record = {key: row for key, row in claim_map.read_record().items() if key.split(".")[0] == "D16"}
    assert not list(claim_map.differences(claim_map.read_days(tmp_path), record))
    notebook = nbformat.read(path, as_version=4)
    plant(notebook.cells, next(cell for cell in notebook.cells if "> **D16.2**" in cell.source))
    nbformat.write(notebook, path)
    found = list(claim_map.differences(claim_map.read_days(tmp_path), record))
    if SAYS[plant] is None:
        assert not found
    else:
        assert any(re.match(SAYS[plant], difference) for difference in found), found


def test_accepting_records_the_claims_that_match_and_no_other(tmp_path, monkeypatch):
    record = tmp_path / "claims.tsv"
    lines = claim_map.RECORD.read_text(encoding="utf-8").splitlines()
    dashes = [line if number == 0 else line.split("\t")[0] + "\t-\t-\t-" for number, line in enumerate(lines)]
    record.write_text("\n".join(dashes) + "\n", encoding="utf-8")
    monkeypatch.setattr(claim_map, "RECORD", record)
    claim_map.accept(["D16.*"])
    accepted = record.read_text(encoding="utf-8").splitlines()
    changed = [line.split("\t")[0] for line, old in zip(accepted, dashes, strict=True) if line != old]
    assert changed == ["D16.1", "D16.2"]
    with pytest.raises(SystemExit, match=r"no notebook has a claim D99\.1"):
        claim_map.accept(["D99.1"])


def test_a_broken_notebook_is_named(tmp_path):
    path = tmp_path / "day_16_gru.ipynb"
    path.write_text((claim_map.NOTEBOOKS / path.name).read_text(encoding="utf-8")[:5000], encoding="utf-8")
    with pytest.raises(ValueError, match=r"day_16_gru\.ipynb is not a notebook"):
        claim_map.read_days(tmp_path)


@pytest.mark.parametrize("cut", ["| Builds on |", "**By the end you can**"])
def test_a_front_page_without_its_parts_is_named(cut, tmp_path):
    path = tmp_path / "day_16_gru.ipynb"
    notebook = nbformat.read(claim_map.NOTEBOOKS / path.name, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(cut, "")
    nbformat.write(notebook, path)
    (day,) = claim_map.read_days(tmp_path)
    with pytest.raises(ValueError, match=r"day_16_gru\.ipynb"):
        day.row("Builds on") + day.goals


def test_a_broken_line_of_the_glossary_is_shown(days, tmp_path):
    (tmp_path / "glossary.txt").write_text("tensor: an array\n", encoding="utf-8")
    with pytest.raises(ValueError, match="'tensor: an array' needs 'day term: meaning'"):
        claim_map.glossary(days, tmp_path / "glossary.txt")
