"""docs/deploy.md answers every question, and names only what exists."""

import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
QUESTIONS = (
    "What do I need?",
    "Which command?",
    "As whom does it deploy?",
    "What does it create?",
    "What will it cost?",
    "How do I upgrade?",
    "How do I roll back?",
    "How do I rotate each secret?",
    "How do I restore?",
    "How do I delete?",
)


def section(question: str) -> str:
    return PAGE.split(f"## {question}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_has_its_section(question: str) -> None:
    assert len(section(question).split()) > 20


def test_every_command_is_there() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"make ([a-z-]+)", PAGE))
    assert {"deploy", "configure", "smoke"} <= named <= set(targets)


def test_every_parameter_is_there() -> None:
    rows = re.findall(r"^\| (`[A-Z].*`) \|", section("Which command?"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row)}
    assert named == TEMPLATE["Parameters"].keys()


def test_every_output_is_there() -> None:
    outputs = section("What does it create?").split("The outputs that matter")[1].split("\n\n")[0]
    named = set(re.findall(r"`([A-Z][a-z]\w+)`", outputs))
    assert len(named) > 3
    assert named <= TEMPLATE["Outputs"].keys()


def test_every_secret_has_its_row() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", section("How do I rotate each secret?"), re.MULTILINE)
    assert {"STRIPE_SECRET", "STRIPE_WEBHOOK_SECRET", "JWT_SECRET", "CHECKOUT_SERVICE_TOKEN"} <= set(rows)


def test_what_sam_asks_is_answered() -> None:
    assert "has no authentication. Is this okay?" in " ".join(section("Which command?").split())


def test_a_restored_cluster_is_given_whole_to_the_stack() -> None:
    told = section("How do I restore?")
    assert {"DatabaseHost", "DatabaseResourceId", "DatabaseMasterSecretArn"} <= set(
        re.findall(r"`(\w+)`", told)
    )
    for option in ("db-subnet-group-name", "vpc-security-group-ids", "enable-iam-database-authentication"):
        assert f"--{option}" in told


def test_no_webhook_comes_between_the_restore_and_the_decisions() -> None:
    told = section("How do I restore?").partition("**In another region.**")[0]
    steps = ("-d disabled=true", "run `make deploy ENV=", "reconcile --since 2026", "make configure STACK=")
    assert [told.count(step) for step in steps] == [1] * len(steps)
    assert sorted(steps, key=told.index) == [*steps]


def test_what_is_retained_goes_before_its_network() -> None:
    told = section("How do I delete?")
    assert told.index("aws kafka delete-cluster") < told.index("samcli delete")
    assert told.index("aws cloudformation delete-stack") < told.index("samcli delete")


def test_every_aws_command_has_its_options() -> None:
    """By the services' models, which the `aws` command makes its own of."""
    session = botocore.session.get_session()
    commands = re.findall(r"\baws ([a-z-]+) ([a-z0-9-]+)((?:[^`;\n\\]|\\\n)*)", PAGE)
    assert len(commands) > 10
    for command, operation, rest in commands:
        service = {"deploy": "codedeploy"}.get(command, command)
        known = {xform_name(name, "-"): name for name in session.get_service_model(service).operation_names}
        if operation == "wait":
            assert f"{service} wait {rest.split()[0]}" == "rds wait db-instance-available"
            continue
        taken: Any = session.get_service_model(service).operation_model(known[operation]).input_shape
        options = {xform_name(name, "-") for name in taken.members} | {"query", "output"}
        given = {name.removeprefix("no-") for name in re.findall(r"--([a-z0-9-]+)", rest)}
        assert given <= options, f"aws {service} {operation}"


def test_every_file_is_there() -> None:
    links = re.findall(r"\]\((?!https://)([^)#]+)", PAGE)
    files = re.findall(r"`((?:tests|docs)/[\w/.]+)`", PAGE)
    assert [name for name in links if not (ROOT / "docs" / name).exists()] == []
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_pipeline_stores_no_keys_and_asks_before_prod() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    assert "secrets." not in (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    jobs = workflow["jobs"]
    assert jobs["build"]["needs"] == ["test", "mutants", "supplies"]
    assert jobs["staging"]["needs"] == "build"
    assert jobs["plan"]["needs"] == ["build", "staging"]
    assert jobs["prod"]["needs"] == "plan"
    for job, environment in (("staging", "staging"), ("plan", "prod-plan"), ("prod", "prod")):
        assert jobs[job]["environment"] == environment
        assert jobs[job]["permissions"]["id-token"] == "write"
    header = (ROOT / ".github" / "workflows" / "deploy.yml").read_text().split("name: deploy")[0]
    assert "MaxSessionDuration" in header
    assert "make configure" in header


def test_what_is_executed_in_prod_is_what_was_shown() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())["jobs"]
    [plan] = [step for step in jobs["plan"]["steps"] if step.get("id") == "plan"]
    assert jobs["plan"]["outputs"] == {"change_set": "${{ steps.plan.outputs.change_set }}"}
    assert "deploy prod --plan --built" in plan["run"]
    assert "GITHUB_STEP_SUMMARY" in plan["run"]
    *_, executed, smoked = jobs["prod"]["steps"]
    assert executed["run"].endswith('deployment execute "$CHANGE_SET"')
    assert executed["env"] == {"CHANGE_SET": "${{ needs.plan.outputs.change_set }}"}
    assert jobs["prod"]["if"] == "needs.plan.outputs.change_set != 'none'"
    assert smoked["run"].endswith("smoke checkout-prod --if-configured")
    assert not [step for step in jobs["prod"]["steps"] if "deployment deploy" in step.get("run", "")]


def test_a_run_that_waits_for_prod_holds_up_no_push() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    # Of a push there is no head_ref, and its run's id is its own.
    assert workflow["concurrency"]["group"] == "deploy-${{ github.head_ref || github.run_id }}"
    groups = {name: job["concurrency"] for name, job in workflow["jobs"].items() if "concurrency" in job}
    assert groups == {
        "staging": {"group": "deploy-staging", "cancel-in-progress": False},
        "plan": {"group": "plan-prod", "cancel-in-progress": False},
        "prod": {"group": "deploy-prod", "cancel-in-progress": False},
    }
