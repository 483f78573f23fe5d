"""Checks a Kubernetes MPIJob file: that it parses, has only fields that MPIJob (kubeflow.org/v2beta1) and pods know, of the
right types, and that what refers to something else in the file finds it. It knows the fields that our file uses, no more."""

import sys

import yaml


class Problem(Exception):
    pass


def check(value, shape, place):
    """A shape is a type, a set of allowed values, a list of one shape, or a dict of name -> shape; "name!" must be there."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise Problem(f"{place} must be a mapping, not {value!r}")
        names = {name.rstrip("!"): inner for name, inner in shape.items()}
        for name in value:
            if name not in names:
                raise Problem(f"{place} has the unknown field {name!r}")
        for name in shape:
            if name.endswith("!") and name[:-1] not in value:
                raise Problem(f"{place} lacks the field {name[:-1]!r}")
        for name, inner in value.items():
            check(inner, names[name], f"{place}.{name}")
    elif isinstance(shape, list):
        if not isinstance(value, list) or not value:
            raise Problem(f"{place} must be a list that is not empty")
        for number, inner in enumerate(value):
            check(inner, shape[0], f"{place}[{number}]")
    elif isinstance(shape, set):
        if value not in shape:
            raise Problem(f"{place} is {value!r}, but must be one of {sorted(shape)}")
    elif type(value) is not shape:  # A bool would count as an int.
        raise Problem(f"{place} must be {shape.__name__}, not {value!r}")


CONTAINER = {
    "name!": str,
    "image!": str,
    "command": [str],
    "args": [str],
    "volumeMounts": [{"name!": str, "mountPath!": str}],
    "resources!": {"limits!": {"cpu!": str, "memory!": str}},
}
VOLUME = {
    "name!": str,
    "persistentVolumeClaim": {"claimName!": str},
    "emptyDir": {"medium": {"Memory"}, "sizeLimit": str},
}
POD = {"terminationGracePeriodSeconds": int, "containers!": [CONTAINER], "volumes": [VOLUME]}
REPLICAS = {
    "replicas!": int,
    "restartPolicy": {"Never", "OnFailure"},
    "template!": {"spec!": POD},
}
JOB = {
    "apiVersion!": {"kubeflow.org/v2beta1"},
    "kind!": {"MPIJob"},
    "metadata!": {"name!": str},
    "spec!": {
        "slotsPerWorker": int,
        "sshAuthMountPath": str,
        "mpiImplementation": {"OpenMPI"},
        "runPolicy": {"cleanPodPolicy": {"None", "Running", "All"}, "backoffLimit": int},
        "mpiReplicaSpecs!": {"Launcher!": REPLICAS, "Worker!": REPLICAS},
    },
}


def check_references(job):
    replicas = job["spec"]["mpiReplicaSpecs"]
    if replicas["Launcher"]["replicas"] != 1:
        raise Problem("there must be one launcher")
    images, mounts = set(), {}
    for name, part in replicas.items():
        pod = part["template"]["spec"]
        volumes = [volume["name"] for volume in pod.get("volumes", [])]
        for volume in pod.get("volumes", []):
            if len(volume) != 2:
                raise Problem(f"{name}: the volume {volume['name']} must be of one kind")
        for container in pod["containers"]:
            images.add(container["image"])
            used = [mount["name"] for mount in container.get("volumeMounts", [])]
            for mount in container.get("volumeMounts", []):
                mounts.setdefault(name, {})[mount["name"]] = mount["mountPath"]
            if sorted(used) != sorted(volumes):
                raise Problem(f"{name}: mounts {used} are not its volumes {volumes}")
    if len(images) != 1:
        raise Problem(f"launcher and workers have different images: {sorted(images)}")
    if mounts["Launcher"].get("data") != mounts["Worker"].get("data"):
        raise Problem("launcher and workers see the data in different places")
    arguments = replicas["Launcher"]["template"]["spec"]["containers"][0]["args"]
    place = mounts["Worker"]["data"] + "/"
    for option in ("-c", "--run-dir"):
        if option not in arguments or not arguments[arguments.index(option) + 1].startswith(place):
            raise Problem(f"{option} must name something on the disk that all hosts share")


def damaged(job):
    """Jobs that must be refused, so that this check cannot pass whatever is in the file."""
    import copy

    def change(*path, value):
        other = copy.deepcopy(job)
        place = other
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        return other

    worker = ("spec", "mpiReplicaSpecs", "Worker")
    yield change("apiVersion", value="kubeflow.org/v1")
    yield change("spec", "slotsPerWorkers", value=1)
    yield change("spec", "slotsPerWorker", value="1")
    yield change(*worker, "replicas", value=True)
    yield change(*worker, "template", "spec", "containers", value=[])
    yield change(*worker, "template", "spec", "containers", 0, "image", value="another")
    yield change(*worker, "template", "spec", "volumes", 0, "name", value="elsewhere")


def accepts(job):
    try:
        check(job, JOB, "MPIJob")
        check_references(job)
    except Problem:
        return False
    return True


def main():
    path = sys.argv[1]
    with open(path, encoding="utf-8") as file:
        job = yaml.safe_load(file)
    try:
        check(job, JOB, "MPIJob")
        check_references(job)
    except Problem as problem:
        sys.exit(f"{path}: {problem}")
    wrong = [number for number, other in enumerate(damaged(job)) if accepts(other)]
    if wrong:
        sys.exit(f"{path}: damaged jobs {wrong} were not refused")
    print(f"{path}: is an MPIJob of {job['spec']['mpiReplicaSpecs']['Worker']['replicas']} workers")


main()
