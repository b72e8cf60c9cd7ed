"""The manifests of docs/deployment for KubeRay, as far as they can be checked without a cluster.

Kubernetes' own schemas are not here: the checks hold the fields that the manifests use, their types, and every
reference from one object to another.
"""

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from typer.main import get_command

from monitor.cli import app
from monitor.settings import ENVIRONMENT_PREFIX, load_settings

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "deployment"
FLEET, ARCHIVE, DOCKERFILE = FOLDER / "kuberay.yaml", FOLDER / "kuberay-archive.yaml", FOLDER / "Dockerfile.fleet"
SECRETS = {
    "fleet-database": {"DEEPFAKE_MONITOR_EVIDENCE__DATABASE"},
    "fleet-store": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    "fleet-ray": {"RAY_AUTH_TOKEN"},
}

NAME = {"type": "string", "pattern": r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"}
LABELS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}}
QUANTITY = {"type": "string", "pattern": r"^\d+(m|Ki|Mi|Gi|Ti)?$"}


def closed(required: str = "", **properties: Any) -> dict[str, Any]:
    """An object with these keys only."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def several(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


AMOUNTS = closed("cpu memory", cpu=QUANTITY, memory=QUANTITY)
REFERENCE = closed("name", name=NAME)
PROBE = closed(
    "exec periodSeconds timeoutSeconds failureThreshold",
    exec=closed("command", command=several({"type": "string"})),
    periodSeconds={"type": "integer"},
    timeoutSeconds={"type": "integer"},
    failureThreshold={"type": "integer"},
)
CONTAINER = closed(
    "name image resources securityContext envFrom",
    name=NAME,
    image={"type": "string", "pattern": r"^[\w.-]+(/[\w.-]+)+:[\w.-]+$"},
    command=several({"type": "string"}),
    args=several({"type": "string"}),
    ports=several(
        closed(
            "name containerPort", name={**NAME, "maxLength": 15}, containerPort={"type": "integer", "maximum": 65535}
        )
    ),
    env=several(closed("name value", name={"type": "string"}, value={"type": "string"})),
    envFrom=several(closed(configMapRef=REFERENCE, secretRef=REFERENCE)),
    resources=closed("requests limits", requests=AMOUNTS, limits=AMOUNTS),
    securityContext=closed(
        "allowPrivilegeEscalation capabilities",
        allowPrivilegeEscalation={"const": False},
        capabilities={"const": {"drop": ["ALL"]}},
    ),
    startupProbe=PROBE,
    livenessProbe=PROBE,
    volumeMounts=several(closed("name mountPath", name=NAME, mountPath={"type": "string", "pattern": "^/"})),
)
POD = closed(
    "containers securityContext automountServiceAccountToken",
    automountServiceAccountToken={"const": False},
    restartPolicy={"const": "Never"},
    terminationGracePeriodSeconds={"type": "integer"},
    securityContext=closed(
        "runAsNonRoot runAsUser seccompProfile",
        runAsNonRoot={"const": True},
        runAsUser={"const": 10001},
        fsGroup={"const": 10001},
        seccompProfile={"const": {"type": "RuntimeDefault"}},
    ),
    containers={**several(CONTAINER), "maxItems": 1},
    volumes=several(
        closed(
            "name",
            name=NAME,
            emptyDir=closed(medium={"const": "Memory"}, sizeLimit=QUANTITY),
            persistentVolumeClaim=closed("claimName", claimName=NAME),
        )
    ),
)
TEMPLATE = closed("spec", metadata=closed("labels", labels=LABELS), spec=POD)
PARAMETERS = {"type": "object", "additionalProperties": {"type": "string"}}  # KubeRay takes text only
SELECTOR = closed("matchLabels", matchLabels=LABELS)
PEER = closed(podSelector=SELECTOR, namespaceSelector=closed(matchLabels=LABELS))
SPECS = {
    "RayCluster": closed(
        "rayVersion headGroupSpec workerGroupSpecs",
        rayVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        headGroupSpec=closed("rayStartParams template", rayStartParams=PARAMETERS, template=TEMPLATE),
        workerGroupSpecs=several(
            closed(
                "groupName replicas minReplicas maxReplicas rayStartParams template",
                groupName=NAME,
                replicas={"type": "integer"},
                minReplicas={"type": "integer"},
                maxReplicas={"type": "integer"},
                rayStartParams=PARAMETERS,
                template=TEMPLATE,
            )
        ),
    ),
    "RayJob": closed(
        "clusterSelector entrypoint submitterPodTemplate",
        clusterSelector=LABELS,
        entrypoint={"type": "string"},
        backoffLimit={"type": "integer"},
        submitterPodTemplate=TEMPLATE,
    ),
    "PersistentVolumeClaim": closed(
        "accessModes resources",
        accessModes={"const": ["ReadWriteOnce"]},
        resources=closed("requests", requests=closed("storage", storage=QUANTITY)),
    ),
    "Deployment": closed(
        "replicas strategy selector template",
        replicas={"const": 1},
        strategy={"const": {"type": "Recreate"}},
        selector=SELECTOR,
        template=TEMPLATE,
    ),
    "Service": closed(
        "type selector ports",
        type={"const": "ClusterIP"},
        selector=LABELS,
        ports=several(
            closed("name port targetPort", name=NAME, port={"type": "integer"}, targetPort={"type": "string"})
        ),
    ),
    "NetworkPolicy": closed(
        "podSelector policyTypes ingress",
        podSelector=SELECTOR,
        policyTypes={"const": ["Ingress"]},
        ingress=several(
            closed(
                "from",
                **{"from": several(PEER)},
                ports=several(closed("protocol port", protocol={"const": "TCP"}, port={"type": "integer"})),
            )
        ),
    ),
}
VERSIONS = {
    "Namespace": "v1", "ConfigMap": "v1", "PersistentVolumeClaim": "v1", "Service": "v1", "Deployment": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1", "RayCluster": "ray.io/v1", "RayJob": "ray.io/v1",
}  # fmt: skip


def load(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def objects() -> dict[tuple[str, str], dict[str, Any]]:
    """All objects of both manifests, by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for path in (FLEET, ARCHIVE) for one in load(path)}


def templates(objects: dict[tuple[str, str], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The pods of all objects."""
    cluster = objects["RayCluster", "fleet"]["spec"]
    yield cluster["headGroupSpec"]["template"]
    for group in cluster["workerGroupSpecs"]:
        yield group["template"]
    yield objects["Deployment", "fleet-server"]["spec"]["template"]
    yield objects["RayJob", "archive"]["spec"]["submitterPodTemplate"]


def containers(objects: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    return [container for template in templates(objects) for container in template["spec"]["containers"]]


def labels_of_pods(objects: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, str]]:
    """Labels that pods will have; KubeRay labels the pods of a cluster with its name."""
    own = [template["metadata"]["labels"] for template in templates(objects) if "metadata" in template]
    return [*own, {"ray.io/cluster": "fleet"}, {"app.kubernetes.io/name": "kuberay-operator"}]


def check_command(words: list[str]) -> None:
    """Parse a command line of the program as far as its options go."""
    program, group, name, *rest = words
    assert (program, group) == ("deepfake-monitor", "fleet")
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs Ray (the extra fleet)")
    commands = get_command(app).commands["fleet"].load().commands  # type: ignore[attr-defined]
    assert name in commands
    commands[name].make_context(name, list(rest))


def test_each_object_has_the_form_of_its_kind(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert len(objects) == sum(len(load(path)) for path in (FLEET, ARCHIVE)), "two objects have one name"
    for (kind, _), one in objects.items():
        assert one["apiVersion"] == VERSIONS[kind]
        metadata = closed("name", name=NAME, labels=LABELS, namespace={"const": "deepfake-monitor"})
        jsonschema.validate(one["metadata"], metadata)
        if kind == "Namespace":
            assert one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        elif kind == "ConfigMap":
            jsonschema.validate(one["data"], PARAMETERS)
        else:
            assert one["metadata"]["namespace"] == "deepfake-monitor"
            jsonschema.validate(one["spec"], SPECS[kind])


def test_the_form_refuses_a_pod_with_more_rights(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    pod = next(templates(objects))["spec"]
    jsonschema.validate(pod, POD)
    for change in ({"hostNetwork": True}, {"automountServiceAccountToken": True}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(pod | change, POD)


def test_every_reference_names_an_object_or_a_secret_that_the_page_makes(
    objects: dict[tuple[str, str], dict[str, Any]],
) -> None:
    page = (FOLDER / "fleet.md").read_text(encoding="utf-8")
    for container in containers(objects):
        for source in container["envFrom"]:
            if "configMapRef" in source:
                assert ("ConfigMap", source["configMapRef"]["name"]) in objects
            else:
                name = source["secretRef"]["name"]
                (made,) = re.findall(rf"create secret generic {name} ((?:.*\\\n)*.*)", page)
                assert set(re.findall(r"--from-(?:literal|file)=(\w+)=", made)) == SECRETS[name]
    for template in templates(objects):
        spec = template["spec"]
        volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
        for mount in (mount for container in spec["containers"] for mount in container.get("volumeMounts", ())):
            assert mount["name"] in volumes
        claims = [one["persistentVolumeClaim"]["claimName"] for one in volumes.values() if "emptyDir" not in one]
        assert all(("PersistentVolumeClaim", claim) in objects for claim in claims)


def test_services_policies_and_jobs_select_pods_that_exist(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    pods = labels_of_pods(objects)
    deployment = objects["Deployment", "fleet-server"]["spec"]
    assert deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    service = objects["Service", "fleet-server"]["spec"]
    assert service["selector"] in pods
    ports = deployment["template"]["spec"]["containers"][0]["ports"]
    assert {port["targetPort"] for port in service["ports"]} <= {port["name"] for port in ports}
    assert objects["RayJob", "archive"]["spec"]["clusterSelector"] in pods
    for policy in (one["spec"] for (kind, _), one in objects.items() if kind == "NetworkPolicy"):
        assert policy["podSelector"]["matchLabels"] in pods
        peers = [peer for rule in policy["ingress"] for peer in rule["from"] if "podSelector" in peer]
        assert all(peer["podSelector"]["matchLabels"] in pods for peer in peers)


def test_only_the_cluster_itself_reaches_all_ports_of_ray(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    rules = objects["NetworkPolicy", "fleet-ray"]["spec"]["ingress"]
    (unlimited,) = [rule["from"] for rule in rules if "ports" not in rule]
    assert unlimited == [{"podSelector": {"matchLabels": {"ray.io/cluster": "fleet"}}}]
    allowed = {port["port"] for rule in rules for port in rule.get("ports", ())}
    head = objects["RayCluster", "fleet"]["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    named = {port["containerPort"]: port["name"] for port in head["ports"]}
    assert {named[port] for port in allowed} == {"client", "dashboard"}


def test_all_pods_have_one_image_with_the_ray_of_the_cluster(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    (image,) = {container["image"] for container in containers(objects)}
    version = objects["RayCluster", "fleet"]["spec"]["rayVersion"]
    assert image.endswith(f"-ray{version}")
    dockerfile = DOCKERFILE.read_text(encoding="utf-8")
    assert image in dockerfile
    (pin,) = re.findall(r'"ray\[default\]==([\d.]+)"', dockerfile)
    assert pin == version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {one.name: one for one in map(Requirement, project["optional-dependencies"]["fleet"])}
    assert pin in wanted["ray"].specifier
    for name in ("s3fs", "psycopg"):
        assert f'"{name}{"[binary]" if wanted[name].extras else ""}{wanted[name].specifier}"' in dockerfile
    assert re.search(r"^FROM deepfake-monitor:cpu$", dockerfile, re.MULTILINE)
    assert "deepfake-monitor:cpu" in (FOLDER / "compose.yaml").read_text(encoding="utf-8")


def test_every_process_takes_the_token(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert objects["ConfigMap", "fleet-settings"]["data"]["RAY_AUTH_MODE"] == "token"
    for container in containers(objects):
        assert {"configMapRef": {"name": "fleet-settings"}} in container["envFrom"]
        assert {"secretRef": {"name": "fleet-ray"}} in container["envFrom"]


def test_the_settings_exist_and_nobody_gets_in_without_a_sign_in(
    objects: dict[tuple[str, str], dict[str, Any]],
) -> None:
    plain = dict(objects["ConfigMap", "fleet-settings"]["data"])
    for container in containers(objects):
        plain |= {one["name"]: one["value"] for one in container.get("env", ())}
    plain["DEEPFAKE_MONITOR_EVIDENCE__DATABASE"] = "postgresql+psycopg://monitor:secret@database/flags"
    ours = {name: value for name, value in plain.items() if name.startswith(ENVIRONMENT_PREFIX)}
    settings = load_settings(environment=ours)
    assert settings.access.mode == "password"
    assert settings.dashboard.sources == ()


def test_the_server_is_started_by_a_command_that_exists(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    container = objects["Deployment", "fleet-server"]["spec"]["template"]["spec"]["containers"][0]
    (address,) = re.findall(r"ray://([\w-]+)-head-svc:10001", " ".join(container["args"]))
    assert ("RayCluster", address) in objects, "KubeRay names the service of a head after its cluster"
    check_command([*container["command"], *container["args"]])


def test_the_archive_is_analysed_by_a_command_that_exists(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    check_command(shlex.split(objects["RayJob", "archive"]["spec"]["entrypoint"]))


def test_the_page_names_files_that_exist_and_says_what_was_not_run() -> None:
    page = (FOLDER / "fleet.md").read_text(encoding="utf-8")
    assert "was never applied to a cluster" in page
    for name in re.findall(r"docs/deployment/([\w.-]+)", page):
        assert (FOLDER / name).is_file()


def test_the_commands_of_the_two_machine_recipe_have_options_that_ray_knows() -> None:
    scripts = pytest.importorskip("ray.scripts.scripts", reason="needs Ray (the extra fleet)")
    known = {option for parameter in scripts.start.params for option in parameter.opts}
    page = (FOLDER / "fleet.md").read_text(encoding="utf-8")
    commands = re.findall(r"^ray start ((?:.*\\\n)*.*)", page, re.MULTILINE)
    assert len(commands) == 2, "a head and a node"
    for command in commands:
        assert set(re.findall(r"--[\w-]+", command)) <= known
