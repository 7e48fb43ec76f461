"""template.yaml as a stack, with the real packages, on an AWS of one machine (ministack).

    python tests/deployed/stack.py BUILD PINLAKE MINISTACK WORK

BUILD is what `sam build` made for this machine's processor, PINLAKE the command, MINISTACK the program, WORK a folder
for state and logs. The template is handed over as `sam deploy` does; ministack unrolls its loops and transforms its SAM
resources by SAM's own translator. Then `pinlake send` posts signed records through the API Gateway that came of it,
which refuses what nobody signed. One must arrive in the Delta table by way of Kinesis and its event source mapping,
another in the raw archive by way of Firehose. The functions are the real packages. What ministack cannot make is left
out, and told. Exits with 1 if a record does not arrive.

What cannot be seen here: as it is started, ministack verifies neither signatures nor permissions; its event source
mapping takes no partial answer and neither bisects nor gives up; its raw objects are not compressed. `tests/template/`
holds the permissions, the local run the rest.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from samcli.yamlhelper import yaml_parse

from shipped import FUNCTIONS, REGION, ROOT, STACK, Process, answers, bootstrap, free_port, wait_for
from sizes import zipped

PACKAGES = "packages"
KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": REGION}

PIN = {
    "index": 7528,
    "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf",
    "title": "By way of a stack",
    "category": "art",
}


def left_out(resource: dict[str, Any]) -> str | None:
    """Why ministack 1.5.33 cannot make a resource. Nothing that a record passes is among them."""
    match resource["Type"]:
        case "AWS::IAM::RolePolicy":
            return "it has no policies apart from their role, and checks no permissions"
        case "AWS::Athena::NamedQuery":
            return "it keeps no named queries"
        case "AWS::CloudWatch::Alarm" if "Metrics" in resource["Properties"]:
            return "it has no alarms on metric math"
    return None


def makeable(resources: dict[str, Any]) -> dict[str, Any]:
    """The resources without those that are left out, each of which is told."""
    made = {}
    for name, resource in resources.items():
        if isinstance(resource, list):
            # A loop: what it counts with, what it goes over, and the resources that it makes.
            *over, loop = resource
            if loop := makeable(loop):
                made[name] = [*over, loop]
        elif reason := left_out(resource):
            print(f"left out: {name}: {reason}")
        else:
            made[name] = resource
    return made


def zipped_folder(folder: Path) -> bytes:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return package.getvalue()


def template(build: Path, client: Any) -> str:
    """The template as `sam deploy` hands it to CloudFormation, which makes its transforms: with packages in a bucket,
    and here without what is left out."""
    whole = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    for function in FUNCTIONS:
        key = f"{function}.zip"
        client("s3").put_object(Bucket=PACKAGES, Key=key, Body=zipped(bootstrap(build, function)))
        whole["Resources"][function]["Properties"]["CodeUri"] = {"Bucket": PACKAGES, "Key": key}
    for layer in (made for made in whole["Resources"].values() if isinstance(made, dict)):
        if layer["Type"] == "AWS::Serverless::LayerVersion":
            folder = layer["Properties"]["ContentUri"]
            key = f"{folder.strip('/')}.zip"
            client("s3").put_object(Bucket=PACKAGES, Key=key, Body=zipped_folder(ROOT / folder))
            layer["Properties"]["ContentUri"] = {"Bucket": PACKAGES, "Key": key}
    whole["Resources"] = makeable(whole["Resources"])
    # Its import of OpenAPI does not know the word for any method.
    print("told otherwise: routes with x-amazon-apigateway-any-method have GET, POST and PUT each")
    for operations in whole["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"].values():
        operations |= dict.fromkeys(("get", "post", "put"), operations.pop("x-amazon-apigateway-any-method"))
    return json.dumps(whole)


def deploy(build: Path, endpoint: str, client: Any) -> dict[str, str]:
    """Makes the stack; its outputs."""
    client("s3").create_bucket(Bucket=PACKAGES)
    # As `sam deploy` does: it is too long to be handed over directly.
    client("s3").put_object(Bucket=PACKAGES, Key="template.json", Body=template(build, client))
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK,
        TemplateURL=f"{endpoint}/{PACKAGES}/template.json",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {"ParameterKey": "Architecture", "ParameterValue": "x86_64"},
            {"ParameterKey": "BatchWindowSeconds", "ParameterValue": "1"},
        ],
    )

    def made() -> Any:
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        if "FAILED" in stack["StackStatus"] or "ROLLBACK" in stack["StackStatus"]:
            events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
            reasons = [event for event in events if "FAILED" in event["ResourceStatus"]]
            raise SystemExit(f"the stack was not made: {stack.get('StackStatusReason')}\n{reasons}")
        return stack if stack["StackStatus"] == "CREATE_COMPLETE" else None

    stack = wait_for("the stack", made, 180)
    count = len(cloudformation.list_stack_resources(StackName=STACK)["StackResourceSummaries"])
    print(f"a stack of {count} resources")
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def status(url: str) -> int:
    """What a request is answered that nobody signed."""
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("pinlake", type=Path)
    parser.add_argument("ministack", type=Path)
    parser.add_argument("work", type=Path)
    given = parser.parse_args()
    port, work = free_port(), given.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    endpoint = f"http://127.0.0.1:{port}"

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )

    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        # By default it listens everywhere.
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SFTP_ENABLED": "0",
        # What it hands on to the functions that it runs, so that they find their way back.
        "AWS_ENDPOINT_URL": endpoint,
    }
    with Process([given.ministack.resolve()], work / "ministack.log", env):
        wait_for("ministack", lambda: answers(endpoint))
        outputs = deploy(given.build.resolve(), endpoint, client)
        for name, value in outputs.items():
            print(f"  {name}: {value}")
        api = client("apigateway").get_rest_apis()["items"][0]["id"]
        url = f"{endpoint}/restapis/{api}/dev/_user_request_"
        refused = status(f"{url}/streams/pin")
        if refused != 403:
            raise SystemExit(f"a request that nobody signed was answered {refused}")
        (work / "pin.jsonl").write_text(json.dumps(PIN) + "\n", encoding="utf-8")
        for via in ("streams", "topics"):
            command = [given.pinlake, "send", "--sign", "--tries", "2", "--to", url, "--via", via, "--dataset", "pin"]
            subprocess.run([*command, work / "pin.jsonl"], env=env | KEYS, check=True)
        bucket = outputs["LakeUri"].removeprefix("s3://")

        def row() -> Any:
            options = KEYS | {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}
            try:
                table = DeltaTable(f"s3://{bucket}/tables/pin", storage_options=options)
            except (TableNotFoundError, OSError):
                return None
            rows = table.to_pyarrow_table().to_pylist()
            return rows[0] if len(rows) == 1 and rows[0]["title"] == PIN["title"] else None

        print(f"in the table: {wait_for('the row', row)['_origin']}")

        def line() -> Any:
            listed = client("s3").list_objects_v2(Bucket=bucket, Prefix="raw/").get("Contents", [])
            for found in listed:
                body = client("s3").get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
                is_compressed = body.startswith(b"\x1f\x8b")
                if json.loads(gzip.decompress(body) if is_compressed else body) == PIN:
                    return found["Key"] + ("" if is_compressed else " (not compressed)")
            return None

        print(f"in the raw archive: {wait_for('the raw object', line)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
