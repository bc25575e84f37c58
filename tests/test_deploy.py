"""The files in deploy/: steps of the image that need no Docker, manifests, commands in them.

An image can't be built here, so that the stages that take files from other images are only
read. What the image installs is installed into an environment of its own.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

import pytest
import yaml

from helpers.corpora import ROOT
from pfn_kg.pipeline.arguments import parse
from pfn_kg.pipeline.cli import command_module
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.places import check_places
from pfn_kg.schemas.errors import ConfigurationError

DEPLOY = ROOT / "deploy"


def instructions():
    """The stages of the Dockerfile: lists of instruction and text, without comments."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    stages = [[]]
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            if name == "FROM":
                stages.append([])
            stages[-1].append((name, rest))
    return stages


def of(stage, name):
    return [rest for instruction, rest in stage if instruction == name]


def ignored(path):
    """Whether .dockerignore keeps a file out: the last rule that matches it or a folder above."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        names = [path, *(str(parent) for parent in path.parents if str(parent) != ".")]
        patterns = (pattern, pattern.removeprefix("**/"))
        if any(fnmatch.fnmatchcase(str(name), p) for name in names for p in patterns) or (
            pattern.startswith("**/")
            and any(fnmatch.fnmatchcase(part, patterns[1]) for part in path.parts)
        ):
            out = not line.startswith("!")
    return out


def context(folder):
    """What Docker would be sent: the files that git knows or would take, less the ignored ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file() and not ignored(source.relative_to(ROOT)):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def copied(stage, sources, target):
    """Carries out the COPY instructions of a stage, from its context."""
    for rest in of(stage, "COPY"):
        *names, to = rest.split()
        for name in names:
            place = target / to
            if (sources / name).is_dir():
                shutil.copytree(sources / name, place)
            else:
                shutil.copy(sources / name, place)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of the image, made by the Dockerfile's own commands.

    Packages that it needs beside ours are those of the tests' environment, so that nothing is
    downloaded.
    """
    work = tmp_path_factory.mktemp("image")
    packages = instructions()[2]
    sources, source = work / "context", work / "source"
    context(sources)
    source.mkdir()
    copied(packages, sources, source)
    environment = os.environ | {
        "PYTHONPATH": sysconfig.get_paths()["purelib"],
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}",
        "DEVICE": "cpu",
        "EXTRAS": "aws,gcp",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
    }
    for command in of(packages, "RUN"):
        command = command.replace("/opt/pfn-kg", str(work / "pfn-kg"))
        done = subprocess.run(
            ["sh", "-c", command], cwd=source, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return work / "pfn-kg", environment | {"OMP_NUM_THREADS": "1"}


def in_image(installed, tmp_path, *command):
    folder, environment = installed
    done = subprocess.run(
        [folder / "bin" / command[0], *command[1:]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_health_check_passes_and_the_shipped_model_reads(installed, tmp_path):
    (check,) = re.findall(r"CMD (\[.*\])", *of(instructions()[-1], "HEALTHCHECK"))
    said = in_image(installed, tmp_path, *json.loads(check))
    assert re.fullmatch(r"pfn-kg \d+\.\d+\.\d+\n", said)
    place = in_image(installed, tmp_path, "python", "-c", "import pfn_kg; print(pfn_kg.__file__)")
    assert place.startswith(str(installed[0]))
    said = in_image(installed, tmp_path, "pfn-kg", "predict", "Marie Curie was born in Warsaw.")
    assert "Marie Curie" in said


def test_a_device_that_there_is_not_ends_the_build(tmp_path):
    (install,) = [c for c in of(instructions()[2], "RUN") if "DEVICE" in c]
    done = subprocess.run(
        ["sh", "-c", install], env={"DEVICE": "tpu"}, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (2, "DEVICE is cpu or cuda, not tpu\n")


@pytest.mark.parametrize(("device", "packages"), [("cpu", []), ("cuda", ["gcc", "libc6-dev"])])
def test_the_image_for_a_gpu_has_the_compiler_that_triton_needs(tmp_path, device, packages):
    (install,) = [c for c in of(instructions()[-1], "RUN") if "apt-get" in c]
    asked = tmp_path / "asked"
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    apt.chmod(0o755)
    # Its lists are those of this machine.
    command = install.replace("/var/lib/apt/lists", str(tmp_path / "lists"))
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", command], env={"DEVICE": device, "PATH": path}, check=True)
    words = asked.read_text().split() if asked.exists() else []
    assert [word for word in words if word in ("gcc", "libc6-dev")] == packages


def test_the_image_is_of_the_tested_versions_and_not_of_root():
    stages = instructions()
    arguments = dict(rest.split("=") for rest in of(stages[0], "ARG"))
    constraints = (ROOT / "constraints.txt").read_text()
    assert f"apache-beam=={arguments['BEAM']}\n" in constraints
    assert of(stages[1], "FROM") == ["apache/beam_python${PYTHON}_sdk:${BEAM} AS beam"]
    last = stages[-1]
    names = [name for name, _ in last]
    assert of(last, "USER") == ["1000"]
    assert "RUN" not in names[names.index("USER") :]
    assert of(last, "ENTRYPOINT") == ['["/opt/apache/beam/boot"]']
    known = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "USER", "HEALTHCHECK", "ENTRYPOINT"}
    assert {name for stage in stages for name, _ in stage} == known


def test_the_context_has_what_is_copied_and_no_more(tmp_path):
    context(tmp_path)
    wanted = {name for rest in of(instructions()[2], "COPY") for name in rest.split()[:-1]}
    assert {path.name for path in tmp_path.iterdir()} == wanted
    assert not (tmp_path / "pipeline" / "view" / "web").exists()
    assert (tmp_path / "pipeline" / "view" / "static" / "app.js").exists()


MANIFESTS = sorted((*DEPLOY.glob("flink/*.yaml"), *DEPLOY.glob("kubernetes/*.yaml")))
OBJECTS = [
    pytest.param(thing, id=f"{file.name}-{thing['kind']}")
    for file in MANIFESTS
    for thing in yaml.safe_load_all(file.read_text())
]


def pods(thing):
    """Each pod specification in an object."""
    if isinstance(thing, dict):
        if "containers" in thing:
            yield thing
        for value in thing.values():
            yield from pods(value)


def containers(thing):
    return [container for pod in pods(thing) for container in pod["containers"]]


@pytest.mark.parametrize("thing", OBJECTS)
def test_manifests_are_whole(thing):
    assert {"apiVersion", "kind", "metadata", "spec"} == set(thing)
    assert re.fullmatch(r"[a-z][a-z0-9-]*", thing["metadata"]["name"])
    for pod in pods(thing):
        # Flink's operator merges the pods of a deployment, whose volumes are in the common one.
        volumes = {v["name"] for p in pods(thing) for v in p.get("volumes", ())}
        for container in pod["containers"]:
            assert {m["name"] for m in container.get("volumeMounts", ())} <= volumes
            assert all(isinstance(arg, str) for arg in container.get("args", ()))


def commands():
    for param in OBJECTS:
        for container in containers(param.values[0]):
            if container.get("command") == ["pfn-kg"]:
                yield pytest.param(container["args"], id=param.id)
    # Those of the page about clusters, most of which no test can run.
    page = (ROOT / "docs" / "how-to" / "run_on_a_cluster.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            if "pfn-kg" in words:
                arguments = words[words.index("pfn-kg") + 1 :]
                yield pytest.param(arguments, id=f"cluster-{' '.join(arguments)[:40]}")


@pytest.mark.parametrize("arguments", commands())
def test_their_commands_have_options_that_there_are(arguments):
    name, *rest = arguments
    module = command_module(name)
    call = parse(name, module.OPTIONS, rest)
    for group in module.OPTIONS:
        if {"corpus", "output"} & set(group.model_fields):
            call.of(group)
    pipeline_options(call.beam)
    try:
        check_places(call.given, call.beam)
    except ConfigurationError as error:
        assert "is not installed" in str(error)  # noqa: PT017
    with pytest.raises(ConfigurationError, match="no option"):
        pipeline_options([*call.beam, "--no_option_of_beam"])


def test_the_parts_of_the_flink_deployment_find_each_other():
    things = {(p.values[0]["kind"], p.values[0]["metadata"]["name"]): p.values[0] for p in OBJECTS}
    cluster = things["FlinkDeployment", "pfn-kg"]["spec"]
    server = things["Deployment", "beam-job-server"]["spec"]["template"]["spec"]
    (job_server,) = server["containers"]
    ports = {port["port"] for port in things["Service", "beam-job-server"]["spec"]["ports"]}
    job = things["Job", "pfn-kg-extract"]
    (submit,) = containers(job)
    beam = dict(a.removeprefix("--").split("=", 1) for a in submit["args"] if "=" in a)
    assert int(beam["job_endpoint"].split(":")[1]) in ports
    assert int(beam["artifact_endpoint"].split(":")[1]) in ports
    (pool,) = (c for c in containers(cluster) if c["name"] == "beam-worker-pool")
    assert pool["args"] == ["--worker_pool"]
    (port,) = pool["ports"]
    assert beam["environment_config"] == f"localhost:{port['containerPort']}"
    slots = int(cluster["flinkConfiguration"]["taskmanager.numberOfTaskSlots"])
    assert int(beam["parallelism"]) == slots * cluster["taskManager"]["replicas"]
    assert pool["image"] == submit["image"]
    # The job server and Flink share the folder of staged files, and their version.
    staging = next(a.split("=")[1] for a in job_server["args"] if a.startswith("--artifacts-dir"))
    mounts = [m["mountPath"] for c in containers(cluster) for m in c.get("volumeMounts", ())]
    assert staging in mounts
    assert staging in [mount["mountPath"] for mount in job_server["volumeMounts"]]
    flink = cluster["image"].split(":")[1]
    assert cluster["flinkVersion"] == f"v{flink.replace('.', '_')}"
    arguments = dict(rest.split("=") for rest in of(instructions()[0], "ARG"))
    assert job_server["image"] == f"apache/beam_flink{flink}_job_server:{arguments['BEAM']}"


def test_a_template_of_a_job_is_refused():
    """It would end before the workers begin, and the command would look for their files."""
    with pytest.raises(ConfigurationError, match="template_location"):
        pipeline_options(["--template_location=gs://bucket/template"])


def test_shell_scripts_parse():
    for script in DEPLOY.rglob("*.sh"):
        subprocess.run(["bash", "-n", script], check=True)
        assert os.access(script, os.X_OK), script
        assert shlex.split(script.read_text().splitlines()[0])[0] == "#!/usr/bin/env"
