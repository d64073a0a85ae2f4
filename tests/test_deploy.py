"""What deploy/ and docker-compose.yml say is what their schemas and our command line take."""

import base64
import copy
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import tyro
import yaml
from clock_parts import PATIENCE_S
from compose_spec import PyCompose
from module_parts import ROOT
from recording_parts import description, jointloop, recorded, shard_bytes
from simulator_parts import hub_at, poll_until

from jointloop.cli.command import parsed_only
from jointloop.cli.entry import function
from simulator.recordings.recording import Recording
from simulator.transport import Security, write_keys

KUBERNETES, SLURM = ROOT / "deploy" / "kubernetes", ROOT / "deploy" / "slurm"
COMPOSE = ROOT / "docker-compose.yml"
SIDES = {
    "trainer": {"trainer.key_secret", "simulator.key"},
    "simulator": {"simulator.key_secret", "trainer.key"},
}
"""The keys that each side needs; the other's secret is not among them."""
DIGEST = re.compile("-[a-z0-9]{10}$")
"""What kustomize puts behind the name of a secret."""


def kustomized() -> list[dict[str, Any]]:
    """What kustomize makes of the folder, as far as it asks: resources, tags, secrets, labels."""
    asked = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    known = {"apiVersion", "kind", "resources", "labels", "images", "secretGenerator"}
    assert set(asked) == known
    made = [d for name in asked["resources"] for d in yaml.safe_load_all(read(name))]
    for secret in asked["secretGenerator"]:
        names = [Path(file).name for file in secret["files"]]
        data = {name: base64.b64encode(b"key").decode() for name in names}
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret["name"]}}
        made.append(head | {"type": "Opaque", "data": data})
    tags = {image["name"]: image["newTag"] for image in asked["images"]}
    for container in containers(made):
        container["image"] += f":{tags[container['image']]}"
    for one in made:
        one["metadata"]["labels"] = dict(asked["labels"][0]["pairs"])
    return made


def read(name: str) -> str:
    return (KUBERNETES / name).read_text()


def pods(made: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (one["spec"]["template"]["spec"] for one in made if "template" in one.get("spec", {}))


def containers(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [container for pod in pods(made) for container in pod["containers"]]


def taken(words: list[str]) -> dict[str, Any]:
    """What our command line takes these words for: the options of the verb that they begin with."""
    verb, *options = words
    return tyro.cli(parsed_only(function(verb), options), args=options).keywords


def name_of(one: dict[str, Any]) -> str:
    name = one["metadata"]["name"]
    return DIGEST.sub("", name) if one["kind"] == "Secret" else name


def side(text: str) -> str:
    return next(name for name in SIDES if name in text)


def test_every_manifest_is_one_that_kubernetes_knows() -> None:
    made = kustomized()
    kinds = [one["kind"] for one in made]
    assert kinds == ["PersistentVolumeClaim", "Service", "Job", "Deployment", "Secret", "Secret"]
    for one in made:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    wrong = copy.deepcopy(made[3])
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_every_file_of_the_folder_is_asked_for() -> None:
    asked = yaml.safe_load(read("kustomization.yaml"))["resources"]
    assert {*asked, "kustomization.yaml"} == {path.name for path in KUBERNETES.glob("*.yaml")}


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here")
def test_kubectl_makes_the_same_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, folder, ignore=shutil.ignore_patterns("keys"))
    write_keys(folder / "keys")
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_S)
    made = {(one["kind"], name_of(one)): one for one in yaml.safe_load_all(done.stdout)}
    for one in made.values():
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    for pod in pods(list(made.values())):
        for volume in pod["volumes"]:
            if "secret" in volume:  # by a name that ends with the digest of what it holds
                named = volume["secret"]["secretName"]
                assert named in {one["metadata"]["name"] for one in made.values()}
                volume["secret"]["secretName"] = DIGEST.sub("", named)
    ours = {(one["kind"], name_of(one)): one for one in kustomized()}
    assert made.keys() == ours.keys()
    for key, one in ours.items():
        if key[0] != "Secret":
            assert made[key] == one
        assert made[key].get("data", {}).keys() == one.get("data", {}).keys()


def test_pods_are_nobody_in_particular_and_say_what_they_need() -> None:
    made = kustomized()
    for pod in pods(made):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        for container in pod["containers"]:
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} == set(container["resources"]["requests"])
            assert "livenessProbe" in container
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_each_side_has_the_keys_it_needs_and_no_other() -> None:
    made = kustomized()
    secrets = {d["metadata"]["name"]: set(d["data"]) for d in made if d["kind"] == "Secret"}
    for pod in pods(made):
        (name,) = [v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v]
        assert secrets[name] == SIDES[side(pod["containers"][0]["image"])]
    for service in yaml.safe_load(COMPOSE.read_text())["services"].items():
        assert set(service[1]["secrets"]) == SIDES[side(service[0])]


def test_the_commands_are_ones_that_our_command_line_takes_with_keys() -> None:
    trainer, simulator = containers(kustomized())
    assert trainer["command"][2].splitlines()[-1] == 'exec jointloop train "$@"'
    composed = yaml.safe_load(COMPOSE.read_text())["services"]
    assert composed["trainer"]["entrypoint"][2].splitlines()[-1] == 'exec jointloop train "$$@"'
    for words in (
        ["train", *trainer["args"]],
        ["train", *composed["trainer"]["command"].split()],
        simulator["args"],
        composed["simulator"]["command"].split(),
    ):
        options = taken(words)
        options = vars(options["options"]) if "options" in options else options
        assert options["keys"]
        assert not options["insecure"]


@pytest.mark.parametrize("there", [False, True], ids=["new", "begun"])
@pytest.mark.parametrize("where", ["kubernetes", "compose"])
def test_a_trainer_that_is_started_again_resumes(tmp_path: Path, where: str, there: bool) -> None:
    if where == "kubernetes":
        (script,) = [c["command"][2] for c in containers(kustomized()) if "command" in c]
        run = tmp_path / "run"
    else:
        text = yaml.safe_load(COMPOSE.read_text())["services"]["trainer"]["entrypoint"][2]
        script, run = text.replace("$$", "$"), tmp_path / "runs" / "compose"
    run.mkdir(parents=True)
    if there:
        (run / "last.state.pt").touch()
    stand_in = tmp_path / "jointloop"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUN": str(run)}
    done = subprocess.run(
        ["sh", "-c", script, "train", "tiny"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.stdout.split() == ["train", "tiny", *(["--resume"] if there else [])]


def test_simulators_find_the_trainers_ports() -> None:
    made = kustomized()
    service, job, deployment = made[1:4]
    (trainer,), (simulator,) = containers([job]), containers([deployment])
    ports = [5555, 5556]
    assert [port["port"] for port in service["spec"]["ports"]] == ports
    assert [port["containerPort"] for port in trainer["ports"]] == ports
    assert "--bind=tcp://0.0.0.0:5555" in trainer["args"]
    assert f"--connect=tcp://{service['metadata']['name']}:5555" in simulator["args"]
    selected = service["spec"]["selector"]
    assert selected.items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_the_probe_of_a_simulator_sees_its_process_and_not_itself() -> None:
    (probe,) = [c["livenessProbe"]["exec"]["command"] for c in containers(kustomized())[1:]]
    composed = yaml.safe_load(COMPOSE.read_text())["services"]["simulator"]["healthcheck"]["test"]
    assert composed[1] == probe[2]
    # Other fleets may run on this machine: their processes go by another name here.
    script = probe[2].replace("simulator.fleet.worke[r]", "simulator.fleet.prob[e]")
    assert subprocess.run(["sh", "-c", script], check=False).returncode == 1
    command = [sys.executable, "-c", "input()", "simulator.fleet.probe"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as worker:
        assert subprocess.run(["sh", "-c", script], check=False).returncode == 0
        worker.kill()


def test_the_composition_is_one_that_the_specification_knows() -> None:
    text = COMPOSE.read_text()
    services = yaml.safe_load(PyCompose.from_yaml(text).to_yaml())["services"]
    assert set(services) == set(SIDES)
    assert all("healthcheck" in service for service in services.values())
    assert "--insecure" not in text
    with pytest.raises(Exception, match="healthchek"):
        PyCompose.from_yaml(text.replace("healthcheck:", "healthchek:"))


@pytest.mark.parametrize("script", sorted(SLURM.iterdir()), ids=lambda path: path.name)
def test_a_batch_script_is_sound(script: Path) -> None:
    assert script.stat().st_mode & stat.S_IXUSR
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def batch(script: str, *words: str, **environment: str) -> "subprocess.Popen[str]":
    """The body of a batch script, as Slurm runs it on a node."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", str(SLURM / script), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PATH": path} | environment,
    )


def test_the_tasks_of_an_array_make_one_recording(tmp_path: Path) -> None:
    whole = recorded(tmp_path / "whole", description())
    recording = Recording.create(tmp_path / "parts", description())
    folder = str(recording.folder)
    done = jointloop("record", "--out", folder, "--resume", "--shards", "0:0")
    assert done.returncode == 0, done.stderr
    assert recording.complete == []
    tasks = [batch("record.sbatch", folder, "2", SLURM_ARRAY_TASK_ID=str(n)) for n in (0, 1)]
    told = [task.communicate(timeout=PATIENCE_S)[0] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], told
    assert "10 samples of shards 0:2; 10 of them now" in told[0]
    assert "2 samples of shards 2:4; 2 of them now" in told[1]
    assert shard_bytes(recording) == shard_bytes(whole)
    done = jointloop("record", "--out", folder, "--resume")
    assert "12 samples in 3 shards, the first 3 held out; all there before" in done.stdout


def test_a_fleet_of_an_array_joins_a_trainer_by_keys(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys")
    with hub_at(security=Security(keys=tmp_path / "keys")) as hub:
        words = [hub.address, str(tmp_path / "keys"), "--engine", "stick"]
        with batch("simulate.sbatch", *words, SLURM_CPUS_PER_TASK="2") as task:
            poll_until(hub, lambda got: {each.worker for each in got} == {0, 1})
            hub.close("enough")
            told = task.communicate(timeout=PATIENCE_S)[0]
    assert task.returncode == 0, told
