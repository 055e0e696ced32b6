"""Recipes: YAML = dict = model, and mistakes are named."""

from __future__ import annotations

import pytest
import yaml

from audiolab.errors import ParameterError
from audiolab.runs.recipe import Recipe, recipe_names


@pytest.mark.parametrize("name", ["full", "stems", "kit", "quick"])
def test_shipped_recipes_load_and_round_trip(name, tmp_path):
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.description
    assert Recipe.load(recipe.to_dict()) == Recipe.load(Recipe.load(recipe.to_dict()).to_dict())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(recipe.to_dict()))
    assert [step.stage for step in Recipe.load(path).steps] == [step.stage for step in recipe.steps]


def test_the_shipped_recipes_are_listed_with_what_they_do():
    names = recipe_names()
    assert set(names) >= {"full", "stems", "kit", "quick"}
    assert all(names.values())


def test_the_users_own_recipe_comes_first(tmp_path, monkeypatch):
    from audiolab.config import get_settings

    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    get_settings.cache_clear()
    folder = tmp_path / "configs" / "recipes"
    folder.mkdir(parents=True)
    (folder / "stems.yaml").write_text("steps: [{stage: analyze}]\ndescription: mine\n")
    assert [step.stage for step in Recipe.load("stems").steps] == ["analyze"]
    assert recipe_names()["stems"] == "mine"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"steps": []}, "no steps"),
        ({"steps": [{"stage": "seperate"}]}, "no stage 'seperate'"),
        ({"steps": [{"stage": "slice", "params": {"sensitivty": 1}}]}, "sensitivty: unknown parameter"),
        ({"steps": [{"stage": "slice", "params": {"sensitivity": 7}}]}, "sensitivity"),
        ({"steps": [{"stage": "analyze"}, {"stage": "analyze"}]}, "stands twice"),
        ({"steps": [{"stage": "analyze"}], "stepps": 1}, "stepps: unknown parameter"),
        ({"steps": [{"stage": "separate", "where": {"kinds": ["sample"]}}]}, "does not take"),
    ],
)
def test_mistakes_are_named(document, message):
    with pytest.raises(ParameterError, match=message):
        Recipe.load({"name": "mine", **document})


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(ParameterError, match=r"full.*kit.*quick.*stems"):
        Recipe.load("ful")


def test_parameters_can_be_overridden_for_a_run():
    recipe = Recipe.load("stems").with_params({"separate": {"engine": "spectral"}})
    assert recipe.steps[1].params["engine"] == "spectral"
    with pytest.raises(ParameterError, match="no step"):
        Recipe.load("stems").with_params({"lyrics": {}})
