"""compose.yaml and compose.gpu.yaml: as the specification wants them, and with nothing dangling or open."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path

import deploy_compose
import pytest
import yaml

ROOT = deploy_compose.ROOT
FILES = [("compose.yaml",), ("compose.yaml", "compose.gpu.yaml")]
# Vendored from the compose specification (see LICENSE.compose-spec) by way of the package check-jsonschema.
SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("names", FILES)
def test_the_files_follow_the_compose_specification(names):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validators.validator_for(SCHEMA).check_schema(SCHEMA)
    for name in names:
        jsonschema.validate(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")), SCHEMA)
    jsonschema.validate(deploy_compose.load(*names), SCHEMA)


def test_the_schema_sees_a_misspelled_key():
    jsonschema = pytest.importorskip("jsonschema")
    document = deploy_compose.load("compose.yaml")
    document["services"]["lab"]["heathcheck"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize("names", FILES)
def test_nothing_dangles_and_nothing_is_open(names):
    assert deploy_compose.faults(deploy_compose.load(*names)) == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("lab", "ports"), ["8888:8888"], "publishes"),
        (("lab", "ports"), ["0.0.0.0:8888:8888"], "publishes"),
        (("lab", "ports"), [8888], "publishes"),
        (("lab", "volumes"), ["hom:/audiolab"], "not declared"),
        (("lab", "depends_on"), {"schedular": {"condition": "service_healthy"}}, "no service"),
        (("mlflow", "healthcheck"), {"disable": True}, "no health check"),
        (("mlflow", "healthcheck"), {"test": ["NONE"]}, "no health check"),
        (("worker", "environment"), {"AUDIOLAB_SCHEDULER": "tcp://sched:8786"}, "no service"),
        (("worker", "networks"), ["other"], "not declared"),
        (("worker", "privileged"), True, "more rights"),
    ],
)
def test_the_check_sees_faults(path, value, said):
    document = copy.deepcopy(deploy_compose.load("compose.yaml"))
    service, key = path
    document["services"][service][key] = value
    assert any(said in fault for fault in deploy_compose.faults(document))


def test_services_that_wait_for_each_other_are_refused():
    document = deploy_compose.load("compose.yaml")
    document["services"]["scheduler"]["depends_on"] = ["lab"]
    with pytest.raises(deploy_compose.ComposeError, match="wait for each other"):
        deploy_compose.in_order(document["services"])


def test_no_settings_are_needed_and_each_one_in_the_example_is_used():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    offered = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in FILES[1])
    read = set(re.findall(r"\$\{(\w+)", text)) | set(
        re.findall(r"^\s+([A-Z][A-Z0-9_]+):(?:\s+#.*)?$", text, re.MULTILINE)
    )
    assert offered == read
    # As it is the example changes nothing.
    as_given = dict(line.split("=", 1) for line in example.splitlines() if re.match(r"[A-Z]", line))
    assert deploy_compose.load(*FILES[1], variables=as_given) == deploy_compose.load(*FILES[1])


def test_no_secret_stands_in_the_files():
    for names in FILES:
        for name, service in deploy_compose.load(*names)["services"].items():
            given = deploy_compose.environment(service, {})
            assert not [key for key in given if re.search(r"TOKEN|PASS|SECRET|KEY", key)], name
    assert "\nJUPYTER_TOKEN=\n" in (ROOT / ".env.example").read_text(encoding="utf-8")


def test_lab_and_workers_see_the_library_and_the_weights_under_one_path():
    services = deploy_compose.load(*FILES[1])["services"]
    assert services["lab"]["volumes"] == services["worker"]["volumes"] == services["gpu-worker"]["volumes"]


def test_all_roles_are_built_alike():
    """Dask wants equal versions everywhere, so the GPU file changes the build of every service."""
    for names, extras in zip(FILES, ("cpu", "gpu"), strict=True):
        builds = [service["build"]["args"] for service in deploy_compose.load(*names)["services"].values()]
        assert all(build == {"EXTRAS": extras, "TORCH_INDEX_URL": ""} for build in builds)


def test_gpus_are_asked_for_as_the_toolkit_wants_it():
    service = deploy_compose.load(*FILES[1])["services"]["gpu-worker"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert "deploy" not in deploy_compose.load(*FILES[1])["services"]["worker"]


def _compose() -> list[str] | None:
    """Find Compose; docker's plug-in, or the older program of its own."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


@pytest.mark.parametrize("names", FILES)
def test_compose_itself_reads_the_files(names, tmp_path):
    program = _compose()
    if program is None:
        pytest.skip("neither docker compose nor docker-compose is installed")
    arguments = []
    for name in names:
        # Version 1 knows no `name` at the top.
        text = re.sub(r"^name: .*\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
        (tmp_path / name).write_text(text, encoding="utf-8")
        arguments += ["-f", str(tmp_path / name)]
    command = [*program, *arguments, "--project-directory", str(ROOT), "config"]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    ours = deploy_compose.load(*names)["services"]
    assert set(read) == set(ours)
    for name, service in ours.items():
        assert read[name]["healthcheck"]["test"] == service["healthcheck"]["test"]
        theirs = {key: value for key, value in read[name].get("environment", {}).items() if value is not None}
        assert theirs == deploy_compose.environment(service, {}), name
        assert read[name]["build"]["args"] == service["build"]["args"]
        assert set(read[name].get("depends_on", {})) == set(deploy_compose.dependencies(service))
