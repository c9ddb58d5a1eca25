from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from morl.cli import app

CONFIG = """
env: deep-sea-treasure-v0
solver: {name: morld, num_members: 3, exchange_period: 250, solver: moq}
env_steps: 500
evaluation: {episodes: 2, max_episode_steps: 50}
"""
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def config(in_tmp_path):
    (in_tmp_path / "small.yaml").write_text(CONFIG)
    return in_tmp_path


def morl(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if code is not None:
        assert result.exit_code == code, result.output + str(result.exception)
    return result


@pytest.mark.parametrize("command", ["run", "resume", "evaluate", "plot", "list", "doctor", "config show"])
def test_every_command_helps_with_an_example(command):
    text = ANSI.sub("", morl(*command.split(), "--help").output)
    assert f"Example: morl {command}" in re.sub(r"\s+", " ", text)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['morl', '--help']\n"
        "import morl.cli\n"
        "try: morl.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'numpy', 'matplotlib', 'pymoo', 'moocore', 'omegaconf', 'gymnasium', 'pyomo', 'cma', 'highspy')\n"
        "print('HEAVY', [m for m in heavy if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.rstrip().endswith("HEAVY []")


def test_run_evaluate_plot_resume(config):
    text = morl("run", "small.yaml", "seed=1", "--out", "first").output
    assert "Training MORLD(MOQLearning) on deep-sea-treasure-v0" in text
    assert "3 policies, 500 environment steps, seed 1, device cpu, 1 thread" in text
    assert "500 / 500" in text
    assert "Front: " in text
    assert "Hypervolume" in text
    assert "first/plots/front.png" in text
    assert (config / "first" / "plots" / "front.png").is_file()
    assert json.loads((config / "first" / "summary.json").read_text())["seed"] == 1

    text = morl("evaluate", "first", "--episodes", "3").output
    assert "in 3 fresh episodes" in text
    assert "hypervolume: " in text
    assert (config / "first" / "evaluation.csv").is_file()

    (config / "first" / "plots" / "front.png").unlink()
    assert "first/plots/front.png" in morl("plot", "first").output
    assert (config / "first" / "plots" / "front.png").is_file()

    assert "from step 500 to 750" in morl("resume", "first", "--env-steps", "750").output
    assert json.loads((config / "first" / "summary.json").read_text())["env_steps"] == 750


def test_small_tables_and_other_pictures_of_a_report_are_shown(in_tmp_path):
    text = morl("run", "subpo/hub", "env_steps=200", "--out", "hub").output
    assert "Planners (tables/planners.csv)" in text
    assert "modular_policy" in text
    assert "Walks (" not in text
    assert "Beside it: indicators.png, walks.png" in text
    assert (in_tmp_path / "hub" / "plots" / "walks.png").is_file()


def test_run_finds_a_place_and_can_be_quiet(config):
    printed = [morl("run", "small.yaml", "--quiet").stdout.strip() for _ in range(2)]
    assert len(set(printed)) == 2
    for path in printed:
        assert re.fullmatch(r"runs/small/\d{8}-\d{6}-0(-2)?", path)
        assert (config / path / "front.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quickstrat"], r"no configuration 'quickstrat'.*Did you mean 'quickstart'\?"),
        (["run", "small.yaml", "sed=1"], r"sed: unknown key. Did you mean 'seed'\?"),
        (["run", "small.yaml", "solver.num_members=many"], r"solver.num_members: expected int, found 'many' \(text\)"),
        (["run", "small.yaml", "env=no-such-env-v0"], r"unknown environment 'no-such-env-v0'"),
        (["run", "small.yaml", "env=CartPole-v1"], r"scalar reward"),
        (["run", "small.yaml", "evaluation.reference_point=[1]"], r"reference_point has 1 entries .* 2 objectives"),
        (["run", "small.yaml", "solver.weights=[[0.5,0.6],[1,0],[0,1]]"], r"simplex"),
        (["run", "small.yaml", "solver.weights=[[1,0],[0,1],[0.5]]"], r"vectors of 1 and 2 numbers"),
        (["run", "small.yaml", "solver.ideal_point=[1,0]"], r"ideal_point: WeightedSum has no use for it"),
        (["run", "small.yaml", "solver.scalarization=chebyshev", "solver.ideal_point=[.nan,0]"], r"must hold finite numbers"),
        (["run", "small.yaml", "solver.cooperation=hard_transfer"], r"expected a list of cooperation names"),
        (
            ["run", "small.yaml", "solver.cooperation=[hard_transfer]", "solver.neighbourhood.k=3"],
            r"3 neighbours need at least 4 members",
        ),
        (["run", "small.yaml", "evaluation.reference_point=[.inf,0]"], r"reference_point must hold finite numbers"),
        (["run", "small.yaml", "evaluation.seed=-1"], r"evaluation.seed must not be negative"),
        (["run", "small.yaml", "threads=100000"], r"threads must be from 1 to 1024"),
        (["run", "binary.yaml"], r"binary.yaml is not a text file: byte 0 is not UTF-8"),
        (["run", "list.yaml"], r"expected a mapping with env, solver, env_steps"),
        (["run", "small.yaml", "device=cuda:99"], r"device 'cuda:99' is not available"),
        (["run", "small.yaml", "--out", "full"], r"full is not empty"),
        (["run", "small.yaml", "--out", "small.yaml/run"], r"cannot write to small.yaml/run"),
        (["resume", "."], r"is not a run directory"),
        (["evaluate", "nowhere"], r"is not a run directory"),
        (["plot", "nowhere"], r"is not a run directory"),
        (["list", "solvers"], r"Did you mean 'solver'\?"),
        (["config", "show", "small.yaml", "solver=mosca"], r"Did you mean 'mosac'\?"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_exit_code_2(config, arguments, message):
    (config / "full").mkdir()
    (config / "full" / "thesis.tex").touch()
    (config / "binary.yaml").write_bytes(b"\xff\x00\xfe")
    (config / "list.yaml").write_text("[1, 2]")
    before = sorted(config.rglob("*"))
    result = morl(*arguments, code=2)
    assert re.fullmatch(rf"error: .*{message}.*\n", result.stderr), result.stderr
    assert result.stdout == ""
    assert sorted(config.rglob("*")) == before, "nothing was written or lost"


def test_debug_shows_the_traceback(config):
    result = CliRunner().invoke(app, ["--debug", "run", "quickstrat"])
    assert result.exit_code == 1
    assert "quickstrat" in str(result.exception)
    found = subprocess.run(
        [sys.executable, "-m", "morl", "run", "quickstrat", "--debug"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert "Traceback" in found.stderr
    assert found.returncode == 1


def test_json_for_scripts(config):
    told = json.loads(morl("run", "small.yaml", "--out", "told", "--json").stdout)
    assert told["run_directory"] == "told"
    assert told["status"] == "finished"
    assert told["indicators"]["hypervolume"] > 0
    assert told["manifest"]["env_steps"]["training"] == 500
    again = json.loads(morl("resume", "told", "--json").stdout)
    assert again["indicators"] == told["indicators"]
    judged = json.loads(morl("evaluate", "told", "--episodes", "2", "--json").stdout)
    assert judged["policies"][0]["policy"] == "policy-000"
    assert judged["indicators"]["hypervolume"] == told["indicators"]["hypervolume"]
    checks = json.loads(morl("doctor", "--json", code=None).stdout)
    assert {"check", "ok", "found"} == set(checks[0])


def test_list():
    text = morl("list").output
    assert "solver: morld, mosac" in text
    assert "scalarization: weighted_sum" in text
    assert "quickstart" in text
    assert "chebyshev\tmorl.scalarizations.chebyshev:Chebyshev" in morl("list", "scalarization").output
    assert "quickstart\tWhat `make quickstart` runs" in morl("list", "configs").output
    assert all(line.partition("\t")[2] for line in morl("list", "configs").output.splitlines()), (
        "a configuration says what it is"
    )
    assert "mo-halfcheetah-v4\tspeed, energy\t(-100, -100)" in morl("list", "benchmarks").output


def test_a_reader_that_has_seen_enough_is_no_error(config):
    command = f"{sys.executable} -m morl list benchmarks | head -1"
    found = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, env=environment())
    assert found.stdout.count("\n") == 1
    assert found.stderr == ""


def test_doctor_finds_the_installation_whole():
    text = morl("doctor", code=None).output
    assert "torch 2" in text
    assert "cpu, threads 1, cores " in text
    assert "PROBLEM  components" not in text


def test_config_show_prints_what_can_be_run_again(config):
    text = morl("config", "show", "small.yaml", "solver.solver.gamma=0.9").output
    (config / "shown.yaml").write_text(text)
    assert morl("config", "show", "shown.yaml").output == text
    assert "gamma: 0.9" in text


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_ctrl_c_exits_130_and_says_how_to_go_on(config):
    command = [sys.executable, "-m", "morl", "run", "small.yaml", "env_steps=200000", "--out", "stopped"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    deadline = time.monotonic() + 60
    while not (config / "stopped" / "checkpoint" / "00000001").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, out + err
    assert re.fullmatch(r"interrupted at [\d,]+ environment steps; go on with: morl resume stopped\n", err)
    assert "Training MORLD" in out
    assert json.loads((config / "stopped" / "manifest.json").read_text())["status"] == "interrupted"
    done = json.loads((config / "stopped" / "summary.json").read_text())["env_steps"]
    assert f"{done + 250:,} / {done + 250:,}" in morl("resume", "stopped", "--env-steps", done + 250).output
