"""What stands in the guide on clusters as a file: a script for Slurm, and a manifest for KubeRay."""

import os
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SLURM, KUBERAY = ROOT / "examples" / "slurm.sh", ROOT / "examples" / "kuberay.yaml"


def test_the_script_for_slurm_runs_what_it_is_given_on_all_nodes(tmp_path: Path) -> None:
    for name, does in {"scontrol": 'printf "one\\ntwo\\n"', "srun": 'echo "$*"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "one,two", "SLURM_JOB_NUM_NODES": "2"}
    given |= {"SLURM_CPUS_PER_TASK": "32"}
    said = subprocess.run(
        ["bash", SLURM, "owls", "--seed", "3"], env=os.environ | given, capture_output=True, text=True, check=True
    )
    ray = "--cpus-per-task=32 ray symmetric-run --address one:6379 --min-nodes 2 --num-cpus 32"
    run = "env RAY_ADDRESS=auto undertone run owls --seed 3 --on ray"
    assert said.stdout == f"{ray} -- {run}\n" and not said.stderr


def test_the_manifest_has_the_version_of_ray_that_is_pinned_and_one_image_everywhere() -> None:
    volume, cluster = yaml.safe_load_all(KUBERAY.read_text(encoding="utf-8"))
    spec = cluster["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    assert (cluster["kind"], spec["rayVersion"]) == ("RayCluster", version("ray"))
    assert f"ray=={version('ray')}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
    containers = [one for group in groups for one in group["template"]["spec"]["containers"]]
    assert len({container["image"] for container in containers}) == 1
    (claimed,) = (one for one in groups[0]["template"]["spec"]["volumes"] if "persistentVolumeClaim" in one)
    assert claimed["persistentVolumeClaim"]["claimName"] == volume["metadata"]["name"]


def test_the_guide_says_the_lines_that_each_takes() -> None:
    text = (ROOT / "docs" / "guides" / "cluster.md").read_text(encoding="utf-8")
    lines = len([line for line in KUBERAY.read_text(encoding="utf-8").splitlines() if not line.startswith("#")])
    assert f"{10 * round(lines / 10)} of a manifest" in text
    assert "ray" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
