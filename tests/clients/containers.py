#!/usr/bin/env python3
"""Checks compose.yaml and the Dockerfile against the program and the repository.

    tests/clients/containers.py ADDRESS

No container is made: both files are read by parsers of their formats, and what they say has to exist.
CONTACTS_TEST_PROGRAM is the program; the server at ADDRESS is not needed.
"""

import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

import dockerfile_parse
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")


def check(holds, message):
    if not holds:
        sys.exit(f"FAIL {message}")
    print(f"  ok {message}")


def help_text():
    program = os.environ["CONTACTS_TEST_PROGRAM"]
    shown = [subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True).stdout
             for command in ([], ["serve"], ["migrate"], ["key", "create"])]
    return "\n".join(shown)


def known(name, text):
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def substituted(text):
    return VARIABLE.sub(lambda match: match.group(2), text)


def flags(command):
    return [word for part in command for word in part.split() if word.startswith("--")]


def compose(program_help):
    file = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    services = file["services"]
    check(set(services) >= {"postgres", "contacts"}, "compose has the service and its database")
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            check(source in file["volumes"], f"{name}: volume {source} is declared")
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                check("healthcheck" in services[other], f"{name}: {other} tells its health")

    postgres, contacts = services["postgres"], services["contacts"]
    check(re.fullmatch(r"postgres:15(\.\d+)?", postgres["image"]), "the tested version of Postgres")
    check((ROOT / contacts["build"] / "Dockerfile").is_file(), "the image is built here")
    key = services["key"]
    check("contacts-service key create " in key["entrypoint"][-1], "the key is made by the program")
    check(key["volumes"] == contacts["volumes"], "the key is where the server looks for it")
    for flag in flags(contacts["command"] + key["entrypoint"]):
        check(known(flag, program_help), f"the program has {flag}")
    for variable in contacts["environment"]:
        check(known(variable, program_help), f"the program reads {variable}")

    url = urllib.parse.urlsplit(substituted(contacts["environment"]["CONTACTS_DATABASE_URL"]))
    account = postgres["environment"]
    wanted = ("postgres", account["POSTGRES_USER"], substituted(account["POSTGRES_PASSWORD"]),
              "postgres", f"/{account['POSTGRES_DB']}")
    check((url.scheme, url.username, url.password, url.hostname, url.path) == wanted,
          "the URL leads to the database that is made")

    listen = contacts["command"][contacts["command"].index("--listen") + 1]
    port = listen.rsplit(":", 1)[1]
    check(contacts["ports"] == [f"127.0.0.1:{port}:{port}"], "the port is published to this machine alone")
    return port


def dockerfile(port, program_help):
    parser = dockerfile_parse.DockerfileParser(str(ROOT / "Dockerfile"))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    stages, last = [], {}
    for line in parser.structure:
        instruction, value = line["instruction"], line["value"]
        if instruction == "FROM":
            image, *alias = re.split(r"\s+AS\s+", value, flags=re.IGNORECASE)
            stages.append(alias[0] if alias else image)
            last = {"image": image}
        elif instruction == "COPY":
            *sources, target = [word for word in value.split() if not word.startswith("--from=")]
            origin = re.search(r"--from=(\S+)", value)
            if origin:
                check(origin.group(1) in stages[:-1], f"COPY --from={origin.group(1)} is an earlier stage")
                last["copied"] = target
            else:
                for source in sources:
                    exists = (ROOT / source).exists() and any(
                        path == source or path.startswith(f"{source}/") for path in tracked)
                    check(exists, f"COPY {source} is in the repository")
        elif instruction == "ENV":
            for variable in re.findall(r"CONTACTS_\w+", value):
                check(known(variable, program_help), f"the program reads {variable}")
        elif instruction != "COMMENT":
            last[instruction] = value

    channel = re.search(r'channel = "(\d+\.\d+)', (ROOT / "rust-toolchain.toml").read_text(encoding="utf-8"))
    check(f"FROM rust:{channel.group(1)}-" in parser.content, "the image is built by the version of Rust in use")
    check(len(stages) == 2 and "rust" not in last["image"], "the last stage has no compiler")
    user = last.get("USER", "root")
    check(user.isdigit() and int(user) > 0, f"the last stage runs as {user}, by number, and not as root")
    check(last["ENTRYPOINT"] == f'["{last["copied"]}"]', "the entry point is the program that was copied")
    check(last["EXPOSE"] == port, "the exposed port is the one of compose.yaml")


def members():
    """Cargo needs the manifest of every workspace member, even of those it does not build."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    listed = re.search(r"members = \[(.*?)\]", manifest, re.DOTALL).group(1)
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for member in re.findall(r'"(.*?)"', listed):
        check(f"COPY {member} {member}" in text, f"the build has the workspace's member {member}")


def main():
    program_help = help_text()
    dockerfile(compose(program_help), program_help)
    members()


if __name__ == "__main__":
    main()
