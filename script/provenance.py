"""Writes what a package consists of: a bill of materials (CycloneDX) and the licence texts of the libraries that are compiled in.

To the bill that cargo-cyclonedx makes of the Rust libraries it adds LiteRT and the models, each with its hash. Licence texts come
from the libraries' own source; a library without one is listed with the licence in its Cargo.toml. SOURCE_DATE_EPOCH is the time.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tomllib


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="the Rust target that the program was built for")
    for name in ("rust", "models", "litert", "bill", "licences"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    for name in ("litert-version", "litert-wheel"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()

    checkout = given.models.resolve().parent.parent
    # Cargo omits the package's name where the folder has the same one.
    here = re.compile(rf"file://{re.escape(str(checkout))}(#(usher@)?)?")
    named = here.sub(lambda found: "file:///usher" + ("#usher@" if found[1] else ""), given.rust.read_text())
    bill = json.loads(named)
    # The same package has the same bill: no random number, and the commit's time.
    bill.pop("serialNumber", None)
    moment = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    bill["metadata"]["timestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    added = litert(given) + models(given.models)
    bill["components"] = bill.get("components", []) + added
    root = bill["metadata"]["component"]["bom-ref"]
    for node in bill["dependencies"]:
        if node["ref"] == root:
            node["dependsOn"] = node.get("dependsOn", []) + [part["bom-ref"] for part in added]
    given.bill.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
    given.licences.write_text("\n".join(licences(given.target)))


def litert(given: argparse.Namespace) -> list[dict]:
    wheel = {
        "type": "library",
        "bom-ref": f"pkg:pypi/ai-edge-litert@{given.litert_version}",
        "name": "ai-edge-litert",
        "version": given.litert_version,
        "purl": f"pkg:pypi/ai-edge-litert@{given.litert_version}",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "hashes": [{"alg": "SHA-256", "content": given.litert_wheel}],
        "description": "the wheel from which the libraries below were taken unchanged",
        "components": [
            {"type": "file", "bom-ref": f"litert/{path.name}", "name": path.name, "hashes": [sha256(path)]}
            for path in sorted(given.litert.iterdir())
        ],
    }
    return [wheel]


def models(manifest: pathlib.Path) -> list[dict]:
    found = []
    for name, model in sorted(tomllib.loads(manifest.read_text())["model"].items()):
        path = manifest.parent / model["file"]
        if model.get("optional"):
            # FaceNet has an entry, and a package of its own.
            continue
        if sha256(path)["content"] != model["sha256"]:
            raise SystemExit(f"{path} is not the file that the manifest names")
        source = model.get("source", {})
        found.append(
            {
                "type": "machine-learning-model",
                "bom-ref": f"model/{name}",
                "name": name,
                "version": model["sha256"][:12],
                "description": model.get("title", name),
                "hashes": [sha256(path)],
                "properties": [
                    {"name": f"usher:source:{key}", "value": str(value)} for key, value in sorted(source.items())
                ],
            }
        )
    return found


def sha256(path: pathlib.Path) -> dict:
    return {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}


def licences(target: str) -> list[str]:
    """Each text once, with the libraries that it belongs to."""
    described = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target],
        check=True, stdout=subprocess.PIPE,
    )
    metadata = json.loads(described.stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    texts: dict[str, list[str]] = {}
    for identity in compiled_in(metadata["resolve"]):
        package = packages[identity]
        if package["source"] is None:
            continue
        named = f"{package['name']} {package['version']}"
        folder = pathlib.Path(package["manifest_path"]).parent
        own = [path for path in sorted(folder.iterdir()) if path.is_file() and is_licence(path.name)]
        for path in own:
            texts.setdefault(path.read_text(errors="replace").strip(), []).append(named)
        if not own:
            texts.setdefault(f"Its source has no text of its own; it is under: {package['license']}", []).append(named)
    sections = []
    for text, names in sorted(texts.items(), key=lambda item: item[1]):
        sections += ["=" * 100, *sorted(set(names)), "-" * 100, text, ""]
    return sections


def is_licence(name: str) -> bool:
    return name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"))


def compiled_in(resolve: dict) -> list[str]:
    """The libraries that are compiled into the program, without those that only tests or the build need."""
    nodes = {node["id"]: node for node in resolve["nodes"]}
    found: set[str] = set()
    waiting = [resolve["root"]]
    while waiting:
        identity = waiting.pop()
        if identity in found:
            continue
        found.add(identity)
        for dependency in nodes[identity]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return sorted(found)


main()
